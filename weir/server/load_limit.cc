#include "weir/server/load_limit.h"

#include <algorithm>

namespace weir::server {

void LoadLimit::close_interval(MonoTime now, Duration delay) {
  // After an interval without a request what was seen before it is old. Either nothing was queueing, or the
  // loop was so late that it came to none of them: the delay of the one that it comes to now tells, when it
  // is the second such in a row. (A machine that stands still once is no queue.)
  if (now - interval_end_ > kInterval) {
    bool late = delay > target_;
    delay_min_ = late && late_pause_ ? delay : Duration::max();
    late_pause_ = late;
  } else {
    late_pause_ = false;
  }
  bool seen = delay_min_ != Duration::max();
  if (target_.count() == 0) {
    limit_ = kNone;
  } else if (seen && delay_min_ > target_) {
    double ratio = static_cast<double>(target_.count()) / static_cast<double>(delay_min_.count());
    auto scaled = static_cast<size_t>(static_cast<double>(peak_) * std::max(ratio, 0.5));
    limit_ = std::max(std::min(limit_, scaled), kFloor);
  } else if (limit_ != kNone) {
    limit_ += bound_ ? limit_ / 8 : limit_;
    if (limit_ > kForgotten) limit_ = kNone;
  }
  interval_end_ = now + kInterval;
  delay_min_ = Duration::max();
  peak_ = 0;
  bound_ = false;
}

}  // namespace weir::server
