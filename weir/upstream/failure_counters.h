// FailureCounters: what goes wrong with model servers on one core and what is done about it, for /metrics. A
// request that goes well at once touches none of them.
#pragma once

#include <string_view>

#include "weir/telemetry/metrics.h"

namespace weir::upstream {

struct FailureMetrics {
  telemetry::Family<telemetry::Counter> failures;       // provider, model, reason
  telemetry::Family<telemetry::Counter> retries;        // provider, model
  telemetry::Family<telemetry::Counter> continuations;  // provider, model: of who went on
  telemetry::Family<telemetry::Counter> degraded;       // model
  telemetry::Family<telemetry::Counter> hedges;         // provider, model: of who was asked as well; result
};

/// Registers the families. Once, before the first shard.
FailureMetrics register_failure_metrics(telemetry::Registry& registry);

class FailureCounters {
 public:
  FailureCounters(telemetry::Registry& registry, const FailureMetrics& metrics)
      : shard_(registry.add_shard()), metrics_(metrics) {}

  void failed(std::string_view provider, std::string_view model, std::string_view reason) {
    shard_.series(metrics_.failures, {provider, model, reason}).add();
  }
  void retried(std::string_view provider, std::string_view model) {
    shard_.series(metrics_.retries, {provider, model}).add();
  }
  void went_on(std::string_view provider, std::string_view model) {
    shard_.series(metrics_.continuations, {provider, model}).add();
  }
  /// `result`: "won", "lost", "failed".
  void hedged(std::string_view provider, std::string_view model, std::string_view result) {
    shard_.series(metrics_.hedges, {provider, model, result}).add();
  }
  void degraded(std::string_view model) { shard_.series(metrics_.degraded, {model}).add(); }

 private:
  telemetry::Shard& shard_;
  const FailureMetrics metrics_;
};

}  // namespace weir::upstream
