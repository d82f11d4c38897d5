// LoadLimit: how many model requests one core may have under way so that its loop stays on time. Fed with the
// loop's delay (io::Loop::delay) whenever a request comes; one core's, no lock.
//
// The signal is CoDel's: the least delay of an interval, so that a burst that the core works off does not
// count and a queue that stands does. The answer is a limit on requests under way rather than dropping one in
// N: it is found by scaling what was under way by target over delay (for short requests delay grows in
// proportion to it) and grows again by an eighth an interval while it binds. Requests that are many seconds
// long do not pull it down further and further while they end, because it is scaled from what is still under
// way. Never below kFloor: a machine that stalls for reasons of its own must not have a quiet gateway refuse.
// Sources: Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 2012; Netflix concurrency-limits
// (Gradient2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "weir/base/clock.h"

namespace weir::server {

class LoadLimit {
 public:
  static constexpr size_t kFloor = 64;
  static constexpr size_t kForgotten = 1 << 20;  // a limit that grew this far limits nothing
  static constexpr size_t kNone = std::numeric_limits<size_t>::max();
  static constexpr Duration kInterval = milliseconds(100);

  /// A delay above `target` is too late; 0: never.
  void set_target(Duration target) { target_ = target; }

  /// A request came. May it join those under way?
  bool admits(MonoTime now, Duration delay, size_t under_way) {
    if (now >= interval_end_) close_interval(now, delay);
    if (delay < delay_min_) delay_min_ = delay;
    if (under_way > peak_) peak_ = under_way;
    if (under_way < limit_) return true;
    bound_ = true;
    return false;
  }

  /// Requests that may be under way; kNone: the loop is on time.
  size_t limit() const { return limit_; }

 private:
  void close_interval(MonoTime now, Duration delay);

  Duration target_{};
  size_t limit_ = kNone;
  MonoTime interval_end_{};
  Duration delay_min_ = Duration::max();  // of this interval
  size_t peak_ = 0;                       // most under way in this interval
  bool late_pause_ = false;               // it began after a pause in which the loop was late
  bool bound_ = false;                    // somebody was refused in this interval
};

}  // namespace weir::server
