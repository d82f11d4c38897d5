// Unix time as text, without the C library's calendar.
#pragma once

#include <string>

#include "weir/base/clock.h"

namespace weir {

/// "2026-11-21T08:15:30.123Z" (UTC, milliseconds). Requires: time >= 0.
std::string rfc3339(WallTime time);

}  // namespace weir
