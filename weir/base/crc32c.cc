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

}  // namespace weir
