#include "weir/base/json_scan.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace weir::json::scan {
namespace {

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The four hex digits at p, or -1.
int hex4(const char* p, const char* end) {
  if (end - p < 4) return -1;
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    int digit = hex_digit(p[i]);
    if (digit < 0) return -1;
    value = value << 4 | digit;
  }
  return value;
}

bool is_high_surrogate(int unit) {
  return unit >= 0xD800 && unit < 0xDC00;
}
bool is_low_surrogate(int unit) {
  return unit >= 0xDC00 && unit < 0xE000;
}

int put_utf8(uint32_t code, char* out) {
  auto byte = [](uint32_t v) { return static_cast<char>(static_cast<unsigned char>(v)); };
  if (code < 0x80) {
    out[0] = byte(code);
    return 1;
  }
  if (code < 0x800) {
    out[0] = byte(0xC0 | code >> 6);
    out[1] = byte(0x80 | (code & 0x3F));
    return 2;
  }
  if (code < 0x10000) {
    out[0] = byte(0xE0 | code >> 12);
    out[1] = byte(0x80 | (code >> 6 & 0x3F));
    out[2] = byte(0x80 | (code & 0x3F));
    return 3;
  }
  out[0] = byte(0xF0 | code >> 18);
  out[1] = byte(0x80 | (code >> 12 & 0x3F));
  out[2] = byte(0x80 | (code >> 6 & 0x3F));
  out[3] = byte(0x80 | (code & 0x3F));
  return 4;
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] const char* skip_long_run_avx2(const char* p, const char* end, bool& high) {
  const __m256i quote = _mm256_set1_epi8('"'), backslash = _mm256_set1_epi8('\\');
  const __m256i control = _mm256_set1_epi8(0x1f);
  __m256i all = _mm256_setzero_si256();
  for (; end - p >= 64; p += 64) {
    __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32));
    __m256i special_a = _mm256_or_si256(_mm256_cmpeq_epi8(a, quote), _mm256_cmpeq_epi8(a, backslash));
    __m256i special_b = _mm256_or_si256(_mm256_cmpeq_epi8(b, quote), _mm256_cmpeq_epi8(b, backslash));
    // The lesser of both bytes, so one test for a control byte serves two.
    __m256i least = _mm256_min_epu8(a, b);
    __m256i any = _mm256_or_si256(_mm256_or_si256(special_a, special_b),
                                  _mm256_cmpeq_epi8(_mm256_min_epu8(least, control), least));
    all = _mm256_or_si256(all, _mm256_or_si256(a, b));
    if (_mm256_movemask_epi8(any) != 0) break;
  }
  if (_mm256_movemask_epi8(all) != 0) high = true;
  return p;
}
#endif

}  // namespace

#if defined(__x86_64__)
const char* skip_long_run(const char* p, const char* end, bool& high) {
  return __builtin_cpu_supports("avx2") ? skip_long_run_avx2(p, end, high) : p;
}
#endif

Escape read_escape(const char*& p, const char* end, char out[4], int& length) {
  length = 1;
  if (end - p < 2) return Escape::kInvalid;
  switch (p[1]) {
    case '"':
      out[0] = '"';
      break;
    case '\\':
      out[0] = '\\';
      break;
    case '/':
      out[0] = '/';
      break;
    case 'b':
      out[0] = '\b';
      break;
    case 'f':
      out[0] = '\f';
      break;
    case 'n':
      out[0] = '\n';
      break;
    case 'r':
      out[0] = '\r';
      break;
    case 't':
      out[0] = '\t';
      break;
    case 'u': {
      int unit = hex4(p + 2, end);
      if (unit < 0) return Escape::kInvalid;
      uint32_t code = static_cast<uint32_t>(unit);
      Escape verdict = Escape::kOk;
      const char* next = p + 6;
      if (is_high_surrogate(unit)) {
        int low = end - next >= 6 && next[0] == '\\' && next[1] == 'u' ? hex4(next + 2, end) : -1;
        if (is_low_surrogate(low)) {
          code = 0x10000 + ((code - 0xD800) << 10) + (static_cast<uint32_t>(low) - 0xDC00);
          next += 6;
        } else {
          verdict = Escape::kLoneSurrogate;
        }
      } else if (is_low_surrogate(unit)) {
        verdict = Escape::kLoneSurrogate;
      }
      if (verdict != Escape::kOk) code = 0xFFFD;
      length = put_utf8(code, out);
      p = next;
      return verdict;
    }
    default:
      return Escape::kInvalid;
  }
  p += 2;
  return Escape::kOk;
}

size_t unescape(std::string_view inside, char* out) {
  const char* p = inside.data();
  const char* end = p + inside.size();
  char* o = out;
  while (p < end) {
    const void* found = std::memchr(p, '\\', static_cast<size_t>(end - p));
    const char* stop = found ? static_cast<const char*>(found) : end;
    std::memcpy(o, p, static_cast<size_t>(stop - p));
    o += stop - p;
    p = stop;
    if (p == end) break;
    char bytes[4];
    int n = 0;
    if (read_escape(p, end, bytes, n) == Escape::kInvalid) {
      *o++ = *p++;
      continue;
    }
    std::memcpy(o, bytes, static_cast<size_t>(n));
    o += n;
  }
  return static_cast<size_t>(o - out);
}

bool equals_unescaped(std::string_view inside, std::string_view text) {
  if (inside.size() < text.size()) return false;
  if (!has_escape(inside)) return inside == text;
  const char* p = inside.data();
  const char* end = p + inside.size();
  size_t at = 0;
  while (p < end) {
    char bytes[4] = {*p};
    int n = 1;
    if (*p != '\\' || read_escape(p, end, bytes, n) == Escape::kInvalid) ++p;
    if (text.size() - at < static_cast<size_t>(n) || std::memcmp(text.data() + at, bytes, n) != 0)
      return false;
    at += static_cast<size_t>(n);
  }
  return at == text.size();
}

}  // namespace weir::json::scan
