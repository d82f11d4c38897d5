// The byte scans that reading and writing JSON share. Nothing outside weir/base/json*.cc needs them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace weir::json::scan {

inline bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}
inline bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

inline const char* skip_space(const char* p, const char* end) {
  while (p < end && is_space(*p))
    ++p;
  return p;
}

/// Bytes a string cannot pass over: its end, an escape, a control character.
inline bool is_special(unsigned char c) {
  return c == '"' || c == '\\' || c < 0x20;
}

#if defined(__SSE2__)
// 16 bytes at a time. `high` gathers the top bit of what was looked at, also of bytes behind the answer: it
// may claim non-ASCII too often, never too seldom.
struct Block {
  __m128i bytes;
  static Block load(const char* p) { return {_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))}; }
  __m128i special() const {
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i control = _mm_cmpeq_epi8(_mm_max_epu8(bytes, _mm_set1_epi8(0x1f)), _mm_set1_epi8(0x1f));
    return _mm_or_si128(_mm_or_si128(quote, backslash), control);
  }
  uint32_t special_mask() const { return static_cast<uint32_t>(_mm_movemask_epi8(special())); }
  uint32_t high_mask() const { return static_cast<uint32_t>(_mm_movemask_epi8(bytes)); }
};
#endif

#if defined(__x86_64__)
/// find_special() of a long run, 64 bytes at a time where the processor has AVX2: stops with a special byte
/// within the next 64, or with fewer than 64 left. Without AVX2 it stays where it is.
const char* skip_long_run(const char* p, const char* end, bool& high);
inline constexpr std::ptrdiff_t kLongRun = 256;
#endif

/// The first special byte in [p, end), or end. Sets `high` when a byte >= 0x80 may lie before it.
inline const char* find_special(const char* p, const char* end, bool& high) {
#if defined(__SSE2__)
  if (end - p >= 16) {  // most keys and short strings end here
    Block b = Block::load(p);
    if (b.high_mask()) high = true;
    if (uint32_t mask = b.special_mask()) return p + std::countr_zero(mask);
    p += 16;
  }
#if defined(__x86_64__)
  if (end - p >= kLongRun) p = skip_long_run(p, end, high);
#endif
  while (end - p >= 64) {
    Block a = Block::load(p), b = Block::load(p + 16), c = Block::load(p + 32), d = Block::load(p + 48);
    __m128i sa = a.special(), sb = b.special(), sc = c.special(), sd = d.special();
    __m128i any = _mm_or_si128(_mm_or_si128(sa, sb), _mm_or_si128(sc, sd));
    __m128i all = _mm_or_si128(_mm_or_si128(a.bytes, b.bytes), _mm_or_si128(c.bytes, d.bytes));
    if (_mm_movemask_epi8(all)) high = true;
    if (_mm_movemask_epi8(any)) {
      auto bits = [](__m128i v) {
        return static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(v)));
      };
      return p + std::countr_zero(bits(sa) | bits(sb) << 16 | bits(sc) << 32 | bits(sd) << 48);
    }
    p += 64;
  }
  while (end - p >= 16) {
    Block b = Block::load(p);
    if (b.high_mask()) high = true;
    if (uint32_t mask = b.special_mask()) return p + std::countr_zero(mask);
    p += 16;
  }
#endif
  for (; p < end; ++p) {
    unsigned char c = static_cast<unsigned char>(*p);
    if (is_special(c)) return p;
    if (c >= 0x80) high = true;
  }
  return end;
}

enum class Escape : uint8_t { kOk, kInvalid, kLoneSurrogate };

/// Reads the escape at p (a backslash), moves p behind it and puts its `length` bytes of UTF-8 into `out`. A
/// lone surrogate gives U+FFFD. An invalid escape leaves p alone.
Escape read_escape(const char*& p, const char* end, char out[4], int& length);

/// Writes the unescaped form of the bytes between quotes and answers its length, never more than theirs. An
/// invalid escape (only in bytes that were not checked) is copied as it stands.
size_t unescape(std::string_view inside, char* out);

inline bool has_escape(std::string_view inside) {
  return !inside.empty() && std::memchr(inside.data(), '\\', inside.size()) != nullptr;
}

/// Does `inside` (the bytes between quotes) read `text` once unescaped?
bool equals_unescaped(std::string_view inside, std::string_view text);

}  // namespace weir::json::scan
