// Prices what was delivered: the last stage, so that its after() is the first and every stage above knows the
// cost. Decides nothing.
#pragma once

#include "weir/exchange/stage.h"
#include "weir/registry/registry.h"

namespace weir::pipeline {

class PriceStage final : public exchange::Stage {
 public:
  explicit PriceStage(const Settings& settings) : registry_(settings), receipts_(settings.server.receipts) {}
  std::string_view name() const override { return "price"; }
  io::Task<Result<Flow>> before(exchange::Exchange&) override { co_return Flow::kOn; }
  void after(exchange::Exchange& exchange) override;

 private:
  /// Nothing: it has no price.
  std::optional<registry::Bill> bill(std::string_view provider, std::string_view model,
                                     const exchange::Usage& usage) const;

  const registry::Registry registry_;
  const bool receipts_;
};

}  // namespace weir::pipeline
