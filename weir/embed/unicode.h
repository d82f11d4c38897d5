// What BERT's uncased normalizer makes of one code point: dropped (controls, accents), white space, folded
// (lower case, accents stripped, decomposed), set apart (ideographs) or kept; and which are punctuation.
// Pure functions over tables written by unicode_tables.py.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::embed {

/// The longest fold of one code point in any table (a Hangul syllable has up to 3 parts, some letters 4).
inline constexpr size_t kFoldMax = 4;

struct Folded {
  std::array<char32_t, kFoldMax> text{};
  uint8_t length = 0;  // 0: dropped
  std::u32string_view view() const { return {text.data(), length}; }
};

/// Ensures: white space of any kind comes out as U+0020; controls and accents have length 0.
Folded fold(char32_t c);

/// ASCII signs and the general categories P*, as the reference knows them.
bool is_punctuation(char32_t c);

/// CJK ideographs, which are words of their own (kana and Hangul are not).
bool is_ideograph(char32_t c);

/// Takes the first code point off `text`; bytes that are no UTF-8 give U+FFFD, one byte at a time.
/// Requires: text is not empty.
char32_t take_code_point(std::string_view& text);

void append_utf8(std::string& out, char32_t c);

}  // namespace weir::embed
