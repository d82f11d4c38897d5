#include "weir/base/json_scan.h"

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

}  // namespace

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
