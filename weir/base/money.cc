#include "weir/base/money.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace weir {

std::string dollars_text(int64_t nanodollars) {
  return fmt::format("{}.{:09}", nanodollars / 1'000'000'000, nanodollars % 1'000'000'000);
}

std::optional<int64_t> nanodollars_of(std::string_view text) {
  int64_t value = 0;
  int digits_behind = -1;  // -1: no point yet
  size_t digits = 0;
  for (char c : text) {
    if (c == '.') {
      if (digits_behind >= 0 || digits == 0) return std::nullopt;
      digits_behind = 0;
      continue;
    }
    if (c < '0' || c > '9' || ++digits > 16 || (digits_behind >= 0 && ++digits_behind > 9))
      return std::nullopt;
    value = value * 10 + (c - '0');
  }
  if (digits == 0 || digits_behind == 0) return std::nullopt;
  for (int i = std::max(digits_behind, 0); i < 9; ++i) {
    if (value > std::numeric_limits<int64_t>::max() / 10) return std::nullopt;
    value *= 10;
  }
  if (value > int64_t{1'000'000} * 1'000'000'000) return std::nullopt;
  return value;
}

}  // namespace weir
