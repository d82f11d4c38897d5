#include "weir/http/http_date.h"

#include <fmt/format.h>

#include <chrono>
#include <string_view>

namespace weir::http {

std::string http_date(int64_t unix_s) {
  static constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::chrono::sys_days day{std::chrono::days(unix_s / 86400)};
  std::chrono::year_month_day date{day};
  int64_t second = unix_s % 86400;
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[std::chrono::weekday(day).c_encoding()], static_cast<unsigned>(date.day()),
                     kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                     second / 3600, second / 60 % 60, second % 60);
}

}  // namespace weir::http
