#include "weir/embed/unicode.h"

#include <algorithm>
#include <iterator>
#include <span>

namespace weir::embed {
namespace {

// `count` code points from `first`, `stride` apart, that share an effect. length 0: dropped; 1: c + value;
// more: kFoldText from place `value` on.
struct Fold {
  char32_t first;
  uint16_t count;
  uint8_t stride;
  uint8_t length;
  int32_t value;
};

struct Span {
  char32_t first, last;
};

#include "weir/embed/unicode_tables.inc"

bool in_spans(std::span<const Span> spans, char32_t c) {
  auto at = std::ranges::upper_bound(spans, c, {}, &Span::first);
  return at != spans.begin() && c <= std::prev(at)->last;
}

Folded fold_ascii(char32_t c) {
  if (c >= 'A' && c <= 'Z') return {{c | 0x20}, 1};
  if (c > ' ' && c < 0x7f) return {{c}, 1};
  bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
  return {{U' '}, static_cast<uint8_t>(space)};
}

// Unicode standard, section 3.12: a syllable is leading consonant x vowel x optional trailing consonant.
Folded fold_hangul(char32_t c) {
  constexpr char32_t kVowels = 21, kTrails = 28;
  char32_t syllable = c - 0xac00, trail = syllable % kTrails;
  return {{0x1100 + syllable / (kVowels * kTrails), 0x1161 + syllable % (kVowels * kTrails) / kTrails,
           0x11a7 + trail},
          static_cast<uint8_t>(trail ? 3 : 2)};
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

}  // namespace

Folded fold(char32_t c) {
  if (c < 0x80) return fold_ascii(c);
  if (c >= 0xac00 && c <= 0xd7a3) return fold_hangul(c);
  auto at = std::ranges::upper_bound(kFolds, c, {}, &Fold::first);
  if (at == std::begin(kFolds)) return {{c}, 1};
  const Fold& f = *std::prev(at);
  char32_t offset = c - f.first;
  if (offset % f.stride != 0 || offset / f.stride >= f.count) return {{c}, 1};
  if (f.length == 1) return {{static_cast<char32_t>(static_cast<int32_t>(c) + f.value)}, 1};
  Folded out;
  out.length = f.length;
  std::copy_n(kFoldText + f.value, f.length, out.text.begin());
  return out;
}

bool is_punctuation(char32_t c) {
  if (c >= 0x80) return in_spans(kPunctuation, c);
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

bool is_ideograph(char32_t c) {
  return c >= 0x3400 && in_spans(kIdeographs, c);
}

char32_t take_code_point(std::string_view& text) {
  auto lead = static_cast<unsigned char>(text[0]);
  size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  bool whole = length > 0 && length <= text.size() &&
               std::all_of(text.begin() + 1, text.begin() + length, is_continuation);
  char32_t c = 0xfffd;
  if (whole) {
    c = length == 1 ? lead : lead & (0x7fU >> length);
    for (size_t i = 1; i < length; ++i)
      c = c << 6 | (static_cast<unsigned char>(text[i]) & 0x3fU);
    constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    whole = c >= kSmallest[length] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
  }
  text.remove_prefix(whole ? length : 1);
  return whole ? c : 0xfffd;
}

void append_utf8(std::string& out, char32_t c) {
  auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  auto tail = [&](int shift) { put(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xc0 | c >> 6);
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12);
    tail(6);
  } else {
    put(0xf0 | c >> 18);
    tail(12);
    tail(6);
  }
  tail(0);
}

}  // namespace weir::embed
