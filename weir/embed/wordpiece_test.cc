// The reference lists come from the library that the models were trained with: testdata/make_reference.py.
#include "weir/embed/wordpiece.h"

#include <gmock/gmock.h>

#include "weir/embed/test_models.h"

namespace weir::embed {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<TokenId>;

std::string mini_json() {
  return testing::reference_file("mini_tokenizer.json");
}

const WordPiece& mini() {
  static const WordPiece kMini = *WordPiece::parse(mini_json());
  return kMini;
}

/// The mini tokenizer.json with one piece of its text replaced.
Result<WordPiece> parse_with(std::string_view from, std::string_view to) {
  std::string text = mini_json();
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return WordPiece::parse(text.replace(at, from.size(), to));
}

TEST(WordPiece, GivesTheReferenceIds) {
  int rows = 0;
  testing::for_each_row("wordpiece_reference.json", [&](const std::vector<json::Value>& row) {
    std::string text = *row[0].as_string();
    Ids expected;
    for (const json::Value& id : json::elements_of(row[1].raw))
      expected.push_back(*id.as_int());
    EXPECT_EQ(mini().encode(text), expected) << text;
    ++rows;
  });
  EXPECT_GE(rows, 50);
}

TEST(WordPiece, FramesEveryText) {
  EXPECT_THAT(mini().encode(""), ElementsAre(mini().cls(), mini().sep()));
  EXPECT_EQ(mini().encode("hello").front(), mini().cls());
  EXPECT_EQ(mini().encode("hello").back(), mini().sep());
}

TEST(WordPiece, EqualsItselfWhateverTheSpacingCaseAndAccents) {
  EXPECT_EQ(mini().encode("Hello   WORLD"), mini().encode("\thello world\n"));
  EXPECT_EQ(mini().encode("Caf\u00c9"), mini().encode("cafe\u0301"));
}

TEST(WordPiece, BytesThatAreNoUtf8AreDropped) {
  EXPECT_EQ(mini().encode("hel\xfflo wor\x80ld"), mini().encode("hello world"));
  for (int a = 0x80; a < 0x100; ++a)
    for (int b = 0; b < 0x100; ++b) {
      std::string text = {static_cast<char>(a), static_cast<char>(b)};
      for (TokenId id : mini().encode(text))
        ASSERT_LT(static_cast<size_t>(id), mini().size());
    }
}

TEST(WordPiece, LongTextsAreNotCut) {
  std::string text;
  for (int i = 0; i < 5000; ++i)
    text += "hello ";
  EXPECT_EQ(mini().encode(text).size(), 5002U);
}

TEST(WordPiece, RefusesWhatItDoesNotImplement) {
  auto message = [](Result<WordPiece> r) {
    EXPECT_FALSE(r);
    if (r) return std::string();
    EXPECT_EQ(r.error().code, ErrorCode::kConfig);
    return r.error().message;
  };
  EXPECT_THAT(message(WordPiece::parse("")), HasSubstr("tokenizer.json"));
  EXPECT_THAT(message(WordPiece::parse("[]")), HasSubstr("WordPiece"));
  EXPECT_THAT(message(WordPiece::parse(R"({"model":3})")), HasSubstr("WordPiece"));
  std::string whole = mini_json();
  for (size_t cut : {size_t{1}, whole.size() / 2, whole.size() - 3})
    message(WordPiece::parse(whole.substr(0, cut)));
  EXPECT_THAT(message(parse_with(R"("type":"WordPiece","unk)", R"("type":"BPE","unk)")),
              HasSubstr("WordPiece"));
  EXPECT_THAT(message(parse_with(R"("lowercase":true)", R"("lowercase":false)")), HasSubstr("uncased"));
  EXPECT_THAT(message(parse_with(R"("strip_accents":null)", R"("strip_accents":false)")),
              HasSubstr("uncased"));
  EXPECT_THAT(message(parse_with("BertPreTokenizer", "Whitespace")), HasSubstr("pre_tokenizer"));
  EXPECT_THAT(
      message(parse_with(R"("continuing_subword_prefix":"##")", R"("continuing_subword_prefix":"@")")),
      HasSubstr("prefix"));
  EXPECT_THAT(message(parse_with(R"("[SEP]":3)", R"("[SIP]":3)")), HasSubstr("[SEP]"));
  EXPECT_THAT(message(parse_with(R"("[SEP]":3)", R"("[SEP]":30000)")), HasSubstr("ids"));
  EXPECT_THAT(message(parse_with(R"("[SEP]":3)", R"("[SEP]":-1)")), HasSubstr("ids"));
  EXPECT_THAT(message(parse_with(R"("lstrip":false)", R"("lstrip":true)")), HasSubstr("added token"));
  EXPECT_THAT(message(parse_with(R"("max_input_chars_per_word":100)", R"("max_input_chars_per_word":0)")),
              HasSubstr("max_input"));
}

TEST(WordPiece, ReadsTheRealVocabulary) {
  WEIR_NEED_MODELS(models);
  auto tokenizer = WordPiece::parse(testing::read_file(models.tokenizer()));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->size(), 30522U);
  EXPECT_THAT(tokenizer->encode("Hello, world!"), ElementsAre(101, 7592, 1010, 2088, 999, 102));
}

}  // namespace
}  // namespace weir::embed
