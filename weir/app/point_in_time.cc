#include "weir/app/point_in_time.h"

#include <fmt/format.h>

#include <charconv>

#include "weir/base/time_text.h"

namespace weir::app {

Result<int64_t> point_in_time(std::string_view text, WallTime now) {
  std::string_view time = text;
  if (time.size() == std::string_view("2026-11-21T08:15:30Z").size() && time.ends_with('Z'))
    time.remove_suffix(1);
  if (auto at = parse_time(time)) return at->unix_ns;
  int64_t number = 0;
  auto [unit, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  int64_t unit_s = 0;
  if (error == std::errc() && unit + 1 == text.data() + text.size())
    unit_s = *unit == 's' ? 1 : *unit == 'm' ? 60 : *unit == 'h' ? 3600 : *unit == 'd' ? 86400 : 0;
  if (unit_s == 0 || number < 0 || number > 100'000'000)
    return fail(ErrorCode::kInvalidRequest,
                fmt::format("\"{}\" is no time: 2026-11-21T08:15 (UTC), or 30s, 15m, 2h, 7d ago", text));
  return now.unix_ns - number * unit_s * 1'000'000'000;
}

}  // namespace weir::app
