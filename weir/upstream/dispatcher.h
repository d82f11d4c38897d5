// Dispatcher: delivers a routed exchange: its targets in order of preference, until one answers or may not be
// asked again, all of it within the total time limit. One a core.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "weir/exchange/model_client.h"
#include "weir/upstream/provider/provider.h"

namespace weir::upstream {

class Dispatcher final : public exchange::ModelClient {
 public:
  explicit Dispatcher(std::vector<std::unique_ptr<Provider>> providers);
  io::Task<Result<void>> call(exchange::Exchange& exchange, exchange::AnswerStream& stream) override;

  /// What keeps the providers from being ready, one sentence each.
  std::vector<std::string> not_ready() const;
  void retire();

 private:
  Provider* find(std::string_view name) const;

  std::vector<std::unique_ptr<Provider>> providers_;
};

}  // namespace weir::upstream
