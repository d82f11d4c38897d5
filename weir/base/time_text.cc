#include "weir/base/time_text.h"

#include <array>
#include <charconv>
#include <tuple>

namespace weir {

TimeText::TimeText(WallTime time) : text_{"0000-00-00T00:00:00.000Z"} {
  auto two = [&](size_t at, unsigned number) {
    text_[at] = static_cast<char>('0' + number / 10);
    text_[at + 1] = static_cast<char>('0' + number % 10);
  };
  auto second = static_cast<unsigned>(time.unix_s() % 86400);
  auto millisecond = static_cast<unsigned>(time.unix_ns / 1'000'000 % 1000);
  std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days(time.unix_s() / 86400)}};
  auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  two(0, year / 100);
  two(2, year % 100);
  two(5, static_cast<unsigned>(date.month()));
  two(8, static_cast<unsigned>(date.day()));
  two(11, second / 3600);
  two(14, second / 60 % 60);
  two(17, second % 60);
  two(20, millisecond / 10);
  text_[22] = static_cast<char>('0' + millisecond % 10);
}

std::string rfc3339(WallTime time) {
  return std::string(TimeText(time).view());
}

std::optional<WallTime> parse_time(std::string_view text) {
  // Parts: the character before each, its digits, what it is when it is left out.
  struct Part {
    char before;
    size_t digits;
    int value;
  };
  std::array<Part, 7> parts{
      {{'\0', 4, 0}, {'-', 2, 1}, {'-', 2, 1}, {'T', 2, 0}, {':', 2, 0}, {':', 2, 0}, {'.', 3, 0}}};
  for (Part& part : parts) {
    if (part.before != '\0') {
      if (text.empty()) break;
      if (text.front() != part.before) return std::nullopt;
      text.remove_prefix(1);
    }
    if (text.size() < part.digits) return std::nullopt;
    auto [end, error] = std::from_chars(text.data(), text.data() + part.digits, part.value);
    if (error != std::errc() || end != text.data() + part.digits || part.value < 0) return std::nullopt;
    text.remove_prefix(part.digits);
    if (&part == &parts.back() && text == "Z") text = {};
  }
  if (!text.empty()) return std::nullopt;
  auto [year, month, day, hour, minute, second, millisecond] =
      std::tuple(parts[0].value, parts[1].value, parts[2].value, parts[3].value, parts[4].value,
                 parts[5].value, parts[6].value);
  std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                   std::chrono::day(static_cast<unsigned>(day))};
  if (year < 1970 || year > 2200 || !date.ok() || hour > 23 || minute > 59 || second > 59)
    return std::nullopt;
  int64_t seconds_in_day = (hour * 60 + minute) * 60 + second;
  int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return WallTime{(days * 86400 + seconds_in_day) * 1'000'000'000 + int64_t{millisecond} * 1'000'000};
}

}  // namespace weir
