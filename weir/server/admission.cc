#include "weir/server/admission.h"

#include <algorithm>

namespace weir::server {

RefusalMetrics register_refusal_metrics(telemetry::Registry& registry) {
  return {registry.add_counter("weir_refused_total",
                               "Refused before the pipeline: requests by load, connections by number.",
                               {"reason"})};
}

Admission::Admission(io::Loop& loop, telemetry::Registry& registry, const RefusalMetrics& metrics)
    : loop_(loop) {
  telemetry::Shard& shard = registry.add_shard();
  refused_full_ = shard.series(metrics.refused, {"requests"});
  refused_late_ = shard.series(metrics.refused, {"delay"});
  turned_away_ = shard.series(metrics.refused, {"connections"});
  turned_away_client_ = shard.series(metrics.refused, {"connections_per_client"});
  set_options({});
}

void Admission::set_options(const Options& options) {
  options_ = options;
  load_.set_target(options.delay_max);
}

Admission::Place Admission::enter(MonoTime now) {
  bool on_time = load_.admits(now, loop_.delay(now), under_way_);
  if (on_time && under_way_ < options_.requests_max) {
    ++under_way_;
    return Place(this);
  }
  late_ = !on_time;
  return Place(nullptr);
}

Admission::Refusal Admission::refusal(size_t connections) {
  Refusal refusal;
  refusal.error =
      make_error(ErrorCode::kUnavailable, "The gateway is overloaded; try again.", {}, "overloaded");
  if (late_) {
    // Spread over half to one and a half of its mean, or those who were refused together come back together.
    auto mean = Duration(seconds(1)) * static_cast<int64_t>(connections) / kRefusalsPerSecond;
    auto spread = static_cast<uint64_t>(mean.count()) + 1;
    refusal.rest = mean / 2 + Duration(static_cast<int64_t>(loop_.random().next() % spread));
  }
  // A client that asks again when it was told to does not find its connection resting.
  refusal.error.retry_after_s = static_cast<int>(refusal.rest / seconds(1)) + 1;
  (late_ ? refused_late_ : refused_full_).add();
  return refusal;
}

void Admission::count_turned_away(bool of_client) {
  (of_client ? turned_away_client_ : turned_away_).add();
}

}  // namespace weir::server
