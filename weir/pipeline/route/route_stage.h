// Routing by name: a model, one of its aliases, or a pattern that a provider passes through; and whether the
// caller's key may use it. Unknown and forbidden models are told apart only to callers who may know.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "weir/base/settings.h"
#include "weir/exchange/stage.h"

namespace weir::pipeline {

class RouteStage final : public exchange::Stage {
 public:
  /// `settings` outlives the stage.
  explicit RouteStage(const Settings& settings);
  std::string_view name() const override { return "route"; }
  io::Task<Result<Flow>> before(exchange::Exchange& exchange) override;

 private:
  struct Entry {
    const ModelSettings* model;
    std::vector<exchange::Target> targets;  // its own, then those of its fallbacks
    std::vector<exchange::Target> larger;   // when a request is too long for it
  };
  Result<void> route(exchange::Exchange& exchange, std::string_view asked) const;
  Result<void> route_without_model(exchange::Exchange& exchange) const;
  Result<void> route_passed(exchange::Exchange& exchange) const;

  const Settings& settings_;
  std::vector<Entry> entries_;                            // one a configured or local model
  std::unordered_map<std::string_view, size_t> by_name_;  // name or alias -> entries_
};

}  // namespace weir::pipeline
