#include "weir/server/admission.h"

#include <algorithm>

namespace weir::server {
namespace {

constexpr Duration kComingBack = seconds(1);  // after Retry-After
constexpr Duration kLookAgain = milliseconds(8);

}  // namespace

RefusalMetrics register_refusal_metrics(telemetry::Registry& registry) {
  return {registry.add_counter("weir_refused_total",
                               "Refused before the pipeline: requests by load, connections by number.",
                               {"reason"}),
          registry.add_gauge("weir_requests_waiting", "Model requests that wait because a core is late."),
          registry.add_histogram("weir_wait_seconds", "How long those waited that had to.", {},
                                 telemetry::token_latency_bounds())};
}

Admission::Admission(io::Loop& loop, telemetry::Registry& registry, const RefusalMetrics& metrics)
    : loop_(loop), room_(loop), self_(std::make_shared<Admission*>(this)) {
  telemetry::Shard& shard = registry.add_shard();
  refused_requests_ = shard.series(metrics.refused, {"requests"});
  refused_full_ = shard.series(metrics.refused, {"delay"});
  refused_too_long_ = shard.series(metrics.refused, {"waited"});
  turned_away_ = shard.series(metrics.refused, {"connections"});
  turned_away_client_ = shard.series(metrics.refused, {"connections_per_client"});
  waiting_ = shard.series(metrics.waiting, {});
  waited_ = shard.series(metrics.waited, {});
}

void Admission::set_options(const Options& options) {
  options_ = options;
  room_.set_options(options.room);
}

io::Task<Admission::Place> Admission::wait(io::Cancel& cancel) {
  if (cancel.requested()) co_return Place(nullptr, Why::kLeft);
  MonoTime came = loop_.recent();
  if (room_.full(came)) co_return Place(nullptr, Why::kRoomFull);
  waiting_.add(1);
  plan(came);
  WaitingRoom::End end = co_await room_.wait(cancel);
  waiting_.add(-1);
  waited_.record(to_seconds(loop_.recent() - came));
  if (end == WaitingRoom::End::kLeft) co_return Place(nullptr, Why::kLeft);
  if (end == WaitingRoom::End::kTooLong) co_return Place(nullptr, Why::kTooLong);
  if (under_way_ >= options_.requests_max) co_return Place(nullptr, Why::kRequests);
  ++under_way_;
  co_return Place(this, Why::kEntered);
}

void Admission::plan(MonoTime now) {
  if (planned_) return;
  if (!on_time(now)) {
    if (!again_.armed()) loop_.arm(again_, kLookAgain);
    return;
  }
  planned_ = true;
  loop_.post([self = std::weak_ptr(self_)] {
    if (auto alive = self.lock()) (*alive)->call_in();
  });
}

void Admission::call_in() {
  planned_ = false;
  MonoTime now = loop_.now();
  MonoTime until = now + kSlice;
  while (!room_.empty() && now < until && on_time(now)) {
    room_.call();
    now = loop_.now();
  }
  if (!room_.empty()) plan(now);
}

Admission::Refusal Admission::refusal(Why why, size_t connections) {
  Refusal refusal;
  refusal.error =
      make_error(ErrorCode::kUnavailable, "The gateway is overloaded; try again.", {}, "overloaded");
  if (why != Why::kRequests) {
    // Spread over half to one and a half of its mean, or those who were refused together come back together.
    auto mean = Duration(seconds(1)) * static_cast<int64_t>(connections) / kRefusalsPerSecond;
    auto spread = static_cast<uint64_t>(mean.count()) + 1;
    refusal.rest = mean / 2 + Duration(static_cast<int64_t>(loop_.random().next() % spread));
  }
  // A client that asks again when it was told to does not find its connection resting.
  refusal.error.retry_after_s = static_cast<int>(refusal.rest / seconds(1)) + 1;
  // The room stays short until those who were sent away have come again.
  if (why != Why::kRequests)
    room_.crowd_until(loop_.recent() + seconds(refusal.error.retry_after_s) + kComingBack);
  (why == Why::kRequests  ? refused_requests_
   : why == Why::kTooLong ? refused_too_long_
                          : refused_full_)
      .add();
  return refusal;
}

void Admission::count_turned_away(bool of_client) {
  (of_client ? turned_away_client_ : turned_away_).add();
}

}  // namespace weir::server
