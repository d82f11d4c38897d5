#include "weir/base/crc32c.h"

#include <nmmintrin.h>

#include <cstring>

namespace weir {

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before) {
  uint64_t crc = ~before;
  const std::byte* p = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, p += 8) {
    uint64_t eight;
    std::memcpy(&eight, p, 8);
    crc = _mm_crc32_u64(crc, eight);
  }
  auto low = static_cast<uint32_t>(crc);
  for (; left > 0; --left, ++p)
    low = _mm_crc32_u8(low, static_cast<uint8_t>(*p));
  return ~low;
}

uint32_t check_by_four(std::span<const std::byte> bytes, uint64_t seed) {
  const std::byte* p = bytes.data();
  size_t left = bytes.size();
  auto eight_at = [](const std::byte* at) {
    uint64_t eight;
    std::memcpy(&eight, at, 8);
    return eight;
  };
  uint64_t a = ~0u, b = ~0u, c = ~0u, d = ~0u;
  for (; left >= 32; left -= 32, p += 32) {
    a = _mm_crc32_u64(a, eight_at(p));
    b = _mm_crc32_u64(b, eight_at(p + 8));
    c = _mm_crc32_u64(c, eight_at(p + 16));
    d = _mm_crc32_u64(d, eight_at(p + 24));
  }
  for (; left >= 8; left -= 8, p += 8)
    a = _mm_crc32_u64(a, eight_at(p));
  uint64_t rest = 0;
  for (size_t i = 0; i < left; ++i)
    rest |= std::to_integer<uint64_t>(p[i]) << (8 * i);
  b = _mm_crc32_u64(b, rest);
  uint64_t all = _mm_crc32_u64(~0u, seed);
  all = _mm_crc32_u64(all, a | b << 32);
  all = _mm_crc32_u64(all, c | d << 32);
  return ~static_cast<uint32_t>(all);
}

}  // namespace weir
