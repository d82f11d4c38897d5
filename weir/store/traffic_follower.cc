#include "weir/store/traffic_follower.h"

#include <fmt/format.h>

#include "weir/base/assert.h"

namespace weir::store {

constexpr Duration kExpireEvery = std::chrono::hours(1);

TrafficFollower::~TrafficFollower() {
  WEIR_ASSERT(tasks_.running() == 0);
}

Result<bool> TrafficFollower::round(bool expire, WallTime now) {
  if (expire) {
    auto drop = [&](Grain grain, Duration keep) {
      return store_->expire(grain, (now.unix_ns - keep.count()) / 1'000'000'000);
    };
    TRY_VOID(drop(Grain::kTenSeconds, options_.keep_ten_seconds));
    TRY_VOID(drop(Grain::kMinute, options_.keep_minutes));
    TRY_VOID(drop(Grain::kHour, options_.keep_hours));
  }
  return store_->follow();
}

io::Task<void> TrafficFollower::run() {
  bool trouble = false;
  MonoTime expire_at = loop_.now();
  while (!ending_.requested()) {
    bool expire = loop_.now() >= expire_at;
    WallTime now = loop_.wall_now();
    Result<bool> more = co_await io::offload(loop_, [this, expire, now] { return round(expire, now); });
    if (more && expire) expire_at = loop_.now() + kExpireEvery;
    if (!more && !trouble)
      say_(true, fmt::format("the sums of the console's charts are not kept up: {}", more.error().message));
    if (more && trouble) say_(false, "the sums of the console's charts are kept up again");
    trouble = !more;
    if (more && *more) continue;
    if (!co_await io::sleep(loop_, more ? options_.every : options_.retry, ending_)) break;
  }
}

io::Task<void> TrafficFollower::finish() {
  ending_.request(io::CancelReason::kShutdown);
  co_await tasks_.idle();
}

}  // namespace weir::store
