#include "weir/http/http_date.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <string_view>

namespace weir::http {

namespace {

constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// All of `digits`; -1: something else stands there.
int number(std::string_view digits) {
  int value = -1;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  bool all = error == std::errc() && end == digits.data() + digits.size() && digits[0] != '-';
  return all ? value : -1;
}

}  // namespace

std::string http_date(int64_t unix_s) {
  std::chrono::sys_days day{std::chrono::days(unix_s / 86400)};
  std::chrono::year_month_day date{day};
  int64_t second = unix_s % 86400;
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[std::chrono::weekday(day).c_encoding()], static_cast<unsigned>(date.day()),
                     kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                     second / 3600, second / 60 % 60, second % 60);
}

std::optional<int64_t> parse_http_date(std::string_view text) {
  constexpr std::string_view kForm = "Sun, 06 Nov 1994 08:49:37 GMT";
  if (text.size() != kForm.size()) return std::nullopt;
  for (size_t at : {3u, 4u, 7u, 11u, 16u, 19u, 22u, 25u, 26u, 27u, 28u})
    if (text[at] != kForm[at]) return std::nullopt;
  const auto* month = std::ranges::find(kMonths, text.substr(8, 3));
  int day = number(text.substr(5, 2)), year = number(text.substr(12, 4));
  int hour = number(text.substr(17, 2)), minute = number(text.substr(20, 2)),
      second = number(text.substr(23, 2));
  if (month == std::end(kMonths) || day < 0 || year < 0 || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59 || second < 0 || second > 60)
    return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year(year),
                                   std::chrono::month(static_cast<unsigned>(month - kMonths) + 1),
                                   std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  std::chrono::sys_days days{date};
  return int64_t{days.time_since_epoch().count()} * 86400 + hour * 3600 + minute * 60 + second;
}

}  // namespace weir::http
