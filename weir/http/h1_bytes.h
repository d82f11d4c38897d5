// The byte classes of HTTP/1.1 and the search for the first byte outside one: what the head scanner and the
// chunked decoder are both made of. Internal to the codec.
#pragma once

#include <emmintrin.h>
#include <tmmintrin.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::http::h1 {

inline constexpr std::string_view kBareLf = "line ends in a bare LF";
inline constexpr std::string_view kBareCr = "CR without LF";
inline constexpr uint64_t kLengthMax = (uint64_t{1} << 63) - 1;  // of a body or a chunk

// A set of ASCII bytes, as a table (for the last few bytes) and as the two nibble tables of the pshufb
// classification: bit h of low[l] is set if the byte 16*h+l belongs to the set. Bytes above 0x7f never
// belong: pshufb yields 0 for them.
struct ByteClass {
  std::array<bool, 256> has{};
  alignas(16) std::array<uint8_t, 16> low{};
};

constexpr ByteClass make_class(auto member) {
  ByteClass c;
  for (unsigned b = 0; b < 128; ++b) {
    if (!member(static_cast<char>(b))) continue;
    c.has[b] = true;
    c.low[b & 15] = static_cast<uint8_t>(c.low[b & 15] | (1u << (b >> 4)));
  }
  return c;
}

alignas(16) inline constexpr std::array<uint8_t, 16> kHighNibbleBit = {1, 2, 4, 8, 16, 32, 64, 128};

constexpr bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}
constexpr bool is_token(char c) {
  return is_alnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

inline constexpr ByteClass kToken = make_class(is_token);

inline constexpr std::array<bool, 256> kFieldValue = [] {
  std::array<bool, 256> t{};
  for (size_t b = 0; b < 256; ++b)
    t[b] = (b >= 0x20 && b != 0x7f) || b == '\t';
  return t;
}();

// The index of the first byte of [from, to) outside the class, or `to`.
inline size_t skip(const ByteClass& c, const char* bytes, size_t from, size_t to) {
  const __m128i low = _mm_load_si128(reinterpret_cast<const __m128i*>(c.low.data()));
  const __m128i high = _mm_load_si128(reinterpret_cast<const __m128i*>(kHighNibbleBit.data()));
  for (; to - from >= 16; from += 16) {
    __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + from));
    __m128i row = _mm_shuffle_epi8(low, v);
    __m128i bit = _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(v, 4), _mm_set1_epi8(15)));
    __m128i outside = _mm_cmpeq_epi8(_mm_and_si128(row, bit), _mm_setzero_si128());
    if (auto mask = static_cast<unsigned>(_mm_movemask_epi8(outside)); mask != 0)
      return from + std::countr_zero(mask);
  }
  while (from < to && c.has[static_cast<unsigned char>(bytes[from])])
    ++from;
  return from;
}

// The same for field values: everything but control bytes, with TAB and bytes above 0x7f allowed.
inline size_t skip_value(const char* bytes, size_t from, size_t to) {
  for (; to - from >= 16; from += 16) {
    __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + from));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    control = _mm_andnot_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\t')), control);
    control = _mm_or_si128(control, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
    if (auto mask = static_cast<unsigned>(_mm_movemask_epi8(control)); mask != 0)
      return from + std::countr_zero(mask);
  }
  while (from < to && kFieldValue[static_cast<unsigned char>(bytes[from])])
    ++from;
  return from;
}

}  // namespace weir::http::h1
