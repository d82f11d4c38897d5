#include "weir/embed/unicode.h"

#include <gmock/gmock.h>

namespace weir::embed {
namespace {

std::u32string folded(char32_t c) {
  return std::u32string(fold(c).view());
}

std::u32string decoded(std::string_view text) {
  std::u32string out;
  while (!text.empty())
    out += take_code_point(text);
  return out;
}

TEST(Fold, LettersLoseCaseAndAccents) {
  EXPECT_EQ(folded(U'A'), U"a");
  EXPECT_EQ(folded(U'é'), U"e");
  EXPECT_EQ(folded(U'Å'), U"a");
  EXPECT_EQ(folded(U'Й'), U"и");
  EXPECT_EQ(folded(U'ß'), U"ß");
  EXPECT_EQ(folded(U'İ'), U"i");
  EXPECT_EQ(folded(U'\u212b'), U"a");  // the sign for angstrom
}

TEST(Fold, ControlsAndMarksAreDropped) {
  for (char32_t c : {U'\0', U'\x01', U'\x7f', U'\x80', U'\u00ad', U'\u0301', U'\u200b', U'\u200d', U'\ufeff',
                     U'\ufffd', U'\U000e0041', U'\ue000'})
    EXPECT_EQ(folded(c), U"") << std::hex << static_cast<uint32_t>(c);
}

TEST(Fold, WhiteSpaceOfAnyKindIsASpace) {
  for (char32_t c :
       {U' ', U'\t', U'\n', U'\r', U'\u00a0', U'\u1680', U'\u2003', U'\u2028', U'\u202f', U'\u3000'})
    EXPECT_EQ(folded(c), U" ") << std::hex << static_cast<uint32_t>(c);
  EXPECT_EQ(folded(U'\v'), U"");  // a control to BERT
}

TEST(Fold, HangulSyllablesComeApart) {
  EXPECT_EQ(folded(U'가'), U"\u1100\u1161");
  EXPECT_EQ(folded(U'각'), U"\u1100\u1161\u11a8");
  EXPECT_EQ(folded(U'힣'), U"\u1112\u1175\u11c2");
  EXPECT_EQ(folded(0xd7a4), std::u32string(1, 0xd7a4));
}

TEST(Punctuation, IsAsciiSignsAndUnicodeCategoryP) {
  for (char32_t c : std::u32string_view(U"!$+<=>^`|~[_]—…«¿、。！"))
    EXPECT_TRUE(is_punctuation(c)) << std::hex << static_cast<uint32_t>(c);
  for (char32_t c : {U'a', U'0', U' ', U'é', U'€', U'±', U'中', U'😀', U'\x7f'})
    EXPECT_FALSE(is_punctuation(c)) << std::hex << static_cast<uint32_t>(c);
}

TEST(Ideograph, IsHanOnly) {
  for (char32_t c : {U'一', U'中', U'㐀', U'\U00020000', U'\uf900', U'\U0002f800'})
    EXPECT_TRUE(is_ideograph(c)) << std::hex << static_cast<uint32_t>(c);
  for (char32_t c : {U'あ', U'カ', U'한', U'a', U'、'})
    EXPECT_FALSE(is_ideograph(c)) << std::hex << static_cast<uint32_t>(c);
}

TEST(Utf8, EveryCodePointComesBack) {
  for (char32_t c = 0; c <= 0x10ffff; ++c) {
    if (c == 0xd800) c = 0xe000;
    std::string text;
    append_utf8(text, c);
    std::string_view rest = text;
    ASSERT_EQ(take_code_point(rest), c);
    ASSERT_TRUE(rest.empty());
  }
}

TEST(Utf8, WhatIsNoUtf8IsReplacedByteByByte) {
  EXPECT_EQ(decoded("a\xff\x62"), U"a\ufffdb");
  EXPECT_EQ(decoded("\x80"), U"\ufffd");
  EXPECT_EQ(decoded("\xc0\x80"), U"\ufffd\ufffd");                      // overlong
  EXPECT_EQ(decoded("\xe0\x80\x80"), U"\ufffd\ufffd\ufffd");            // overlong
  EXPECT_EQ(decoded("\xed\xa0\x80"), U"\ufffd\ufffd\ufffd");            // a surrogate
  EXPECT_EQ(decoded("\xf4\x90\x80\x80"), U"\ufffd\ufffd\ufffd\ufffd");  // beyond U+10FFFF
  EXPECT_EQ(decoded("\xe4\xb8"), U"\ufffd\ufffd");                      // cut
  EXPECT_EQ(decoded("\xe4\xb8z"), U"\ufffd\ufffdz");
}

}  // namespace
}  // namespace weir::embed
