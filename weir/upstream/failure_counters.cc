#include "weir/upstream/failure_counters.h"

namespace weir::upstream {

FailureMetrics register_failure_metrics(telemetry::Registry& registry) {
  return {
      registry.add_counter("weir_upstream_failures_total",
                           "Calls of a model server that failed, also those that another one made up for.",
                           {"provider", "model", "reason"}),
      registry.add_counter("weir_upstream_retries_total",
                           "Calls that asked a target again for the same request.", {"provider", "model"}),
      registry.add_counter("weir_continuations_total",
                           "Streams that broke off and that this target went on with.",
                           {"provider", "model"}),
      registry.add_counter("weir_degraded_total",
                           "Requests answered with the configured text because every target failed.",
                           {"model"}),
      registry.add_counter("weir_hedges_total",
                           "Requests that this target was asked as well while another was silent, by what "
                           "came of it: won, lost, failed.",
                           {"provider", "model", "result"})};
}

}  // namespace weir::upstream
