// Copies of a few bytes whose number is not known while compiling, without a call of memcpy.
#pragma once

#include <cstddef>
#include <cstring>

namespace weir {

/// memcpy(to, from, n) for texts that are short: two loads and two stores that overlap.
[[gnu::always_inline]] inline void copy_short(void* to, const void* from, size_t n) {
  auto* t = static_cast<char*>(to);
  const auto* f = static_cast<const char*>(from);
  if (n > 32) {
    std::memcpy(t, f, n);
  } else if (n >= 16) {
    std::memcpy(t, f, 16);
    std::memcpy(t + n - 16, f + n - 16, 16);
  } else if (n >= 8) {
    std::memcpy(t, f, 8);
    std::memcpy(t + n - 8, f + n - 8, 8);
  } else if (n >= 4) {
    std::memcpy(t, f, 4);
    std::memcpy(t + n - 4, f + n - 4, 4);
  } else {
    for (size_t i = 0; i < n; ++i)
      t[i] = f[i];
  }
}

}  // namespace weir
