// UTF-8, one sequence at a time, for whoever must point at the fault or repair it.
#pragma once

#include <string_view>

namespace weir {

/// Is all of `text` UTF-8? Some GB/s.
bool is_utf8(std::string_view text);

/// Length of the UTF-8 sequence at p (1 to 4), or 0 when the bytes there are none (RFC 3629: no overlong
/// forms, no surrogates, nothing above U+10FFFF). Requires p < end.
inline int utf8_length(const char* p, const char* end) {
  auto at = [&](int i) { return static_cast<unsigned char>(p[i]); };
  auto follows = [&](int i) { return (at(i) & 0xC0) == 0x80; };
  unsigned char c = at(0);
  if (c < 0x80) return 1;
  if (c < 0xC2) return 0;
  if (c < 0xE0) return end - p >= 2 && follows(1) ? 2 : 0;
  if (c < 0xF0) {
    if (end - p < 3 || !follows(1) || !follows(2)) return 0;
    if (c == 0xE0 && at(1) < 0xA0) return 0;
    if (c == 0xED && at(1) > 0x9F) return 0;
    return 3;
  }
  if (c > 0xF4 || end - p < 4 || !follows(1) || !follows(2) || !follows(3)) return 0;
  if (c == 0xF0 && at(1) < 0x90) return 0;
  if (c == 0xF4 && at(1) > 0x8F) return 0;
  return 4;
}

}  // namespace weir
