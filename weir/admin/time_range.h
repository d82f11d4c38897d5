// From when to when a query of the console asks, and how finely its charts are drawn.
#pragma once

#include "weir/admin/call.h"

namespace weir::admin {

struct TimeRange {
  int64_t from_s = 0, to_s = 0;  // Unix time; the second not included
};

/// ?from= and ?to=: Unix seconds, or a time of UTC ("2026-11-21T08:15"). Left out: the last hour. Errors:
/// kInvalidRequest.
Result<TimeRange> time_range(const Call& call);

/// The step of a chart of about a hundred points, in seconds: a round one.
int64_t chart_step(const TimeRange& range);

}  // namespace weir::admin
