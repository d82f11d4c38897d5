#include "weir/server/load_limit.h"

#include <algorithm>

namespace weir::server {

void LoadLimit::close_interval(MonoTime now) {
  // Without a request for longer than an interval nothing was queueing: what was seen before is old.
  bool quiet = now - interval_end_ > kInterval;
  bool seen = delay_min_ != Duration::max() && !quiet;
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
