// Unix time as text, without the C library's calendar.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "weir/base/clock.h"

namespace weir {

/// "2026-11-21T08:15:30.123Z" (UTC, milliseconds). Requires: time >= 0.
std::string rfc3339(WallTime time);

/// Reads what rfc3339() writes, or the start of it that ends with a whole part: its first moment.
/// "2026-11-21", "2026-11-21T08:15", "2026-11-21T08:15:30.123Z". nullopt: anything else.
std::optional<WallTime> parse_time(std::string_view text);

/// The same for many times in a row: the calendar is worked out once a second. Not thread-safe.
class TimeText {
 public:
  /// Valid until the next call.
  std::string_view rfc3339(WallTime time);

 private:
  int64_t second_ = -1;
  std::string text_;
};

}  // namespace weir
