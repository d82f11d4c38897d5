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

std::string_view TimeText::rfc3339(WallTime time) {
  if (time.unix_s() != second_) {
    second_ = time.unix_s();
    text_ = weir::rfc3339(time);
    return text_;
  }
  int64_t millisecond = time.unix_ns / 1'000'000 % 1000;
  for (size_t digit = 3; digit > 0; --digit) {  // "....:30.123Z": the three digits before the Z
    text_[text_.size() - 5 + digit] = static_cast<char>('0' + millisecond % 10);
    millisecond /= 10;
  }
  return text_;
}

}  // namespace weir
