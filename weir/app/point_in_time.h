// Times as they are given on the command line.
#pragma once

#include <cstdint>
#include <string_view>

#include "weir/base/clock.h"
#include "weir/base/result.h"

namespace weir::app {

/// A time of its own ("2026-11-21T08:15", UTC), or so long before `now` ("15m", "7d"); unix nanoseconds.
Result<int64_t> point_in_time(std::string_view text, WallTime now);

}  // namespace weir::app
