#include "weir/base/time_text.h"

#include <fmt/format.h>

namespace weir {

std::string rfc3339(WallTime time) {
  int64_t second = time.unix_s() % 86400;
  std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days(time.unix_s() / 86400)}};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), second / 3600,
                     second / 60 % 60, second % 60, time.unix_ns / 1'000'000 % 1000);
}

}  // namespace weir
