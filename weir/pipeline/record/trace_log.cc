#include "weir/pipeline/record/trace_log.h"

#include <algorithm>
#include <iterator>

namespace weir::pipeline {

bool SlowestShare::add(Duration took) {
  bool slow = took.count() > bound_ns_;
  if (last_ns_.size() < kKept)
    last_ns_.push_back(took.count());
  else
    last_ns_[seen_ % kKept] = took.count();
  if (++seen_ % kRefresh == 0) {
    std::vector<int64_t> sorted = last_ns_;
    auto bound = sorted.begin() + static_cast<ptrdiff_t>(sorted.size() * 99 / 100);
    std::ranges::nth_element(sorted, bound);
    bound_ns_ = *bound;
  }
  return slow;
}

// The right-most seven bytes are the random ones (W3C Trace Context, level 2).
bool in_share(const TraceContext::TraceId& trace, double share) {
  uint64_t random = 0;
  for (size_t i = 9; i < trace.size(); ++i)
    random = random << 8 | trace[i];
  random >>= 3;  // as many bits as a double holds
  return static_cast<double>(random) < share * static_cast<double>(uint64_t{1} << 53);
}

bool TraceLog::keeps(const exchange::Exchange& exchange, const TraceContext& context, Duration took) {
  bool slow = slowest_.add(took);  // counts whatever else holds
  return exchange.outcome.error.has_value() || slow || context.sampled ||
         in_share(context.trace, options_.share);
}

void TraceLog::take(const exchange::Exchange& exchange, MonoTime end, WallTime wall_end) {
  TraceContext context = TraceContext::of(exchange.headers, exchange.id);
  if (!keeps(exchange, context, end - exchange.timeline.received)) return;
  std::ranges::move(spans_of(exchange, context, end, wall_end), std::back_inserter(spans_));
  if (spans_.size() >= options_.spans_max)
    flush();
  else if (!flush_.armed())
    loop_.arm(flush_, seconds(1));
}

void TraceLog::flush() {
  flush_.disarm();
  if (!spans_.empty()) ship_(std::exchange(spans_, {}));
}

}  // namespace weir::pipeline
