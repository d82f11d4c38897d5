// Unix time as text, without the C library's calendar.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "weir/base/clock.h"

namespace weir {

/// "2026-11-21T08:15:30.123Z" (UTC, milliseconds), without a string. Requires: time >= 0.
class TimeText {
 public:
  explicit TimeText(WallTime time);
  std::string_view view() const { return {text_, sizeof text_ - 1}; }

 private:
  char text_[25];
};

std::string rfc3339(WallTime time);

/// Reads what rfc3339() writes, or the start of it that ends with a whole part: its first moment.
/// "2026-11-21", "2026-11-21T08:15", "2026-11-21T08:15:30.123Z". nullopt: anything else.
std::optional<WallTime> parse_time(std::string_view text);

}  // namespace weir
