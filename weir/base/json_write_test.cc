#include "weir/base/json_write.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "weir/base/json.h"

namespace weir::json {
namespace {

std::string as_json(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

TEST(JsonWrite, Escapes) {
  EXPECT_EQ(as_json(""), R"("")");
  EXPECT_EQ(as_json("plain"), R"("plain")");
  EXPECT_EQ(as_json("a\"b\\c/d\n\r\t\b\f"), R"("a\"b\\c/d\n\r\t\b\f")");
  EXPECT_EQ(as_json(std::string_view("\0\x1f\x7f", 3)), "\"\\u0000\\u001f\x7f\"");
  EXPECT_EQ(as_json("é€😀"), "\"é€😀\"");
}

TEST(JsonWrite, RepairsUtf8) {
  EXPECT_EQ(as_json("a\xff"
                    "b"),
            "\"a\u{FFFD}b\"");
  EXPECT_EQ(as_json("\xE2\x82"), "\"\u{FFFD}\"");
  EXPECT_EQ(as_json("\xC0\xAFx"), "\"\u{FFFD}x\"");
  EXPECT_EQ(as_json("\xED\xA0\x80"), "\"\u{FFFD}\"");
  EXPECT_EQ(as_json("ok \xC3\xA9 \xC3\n"), "\"ok é \u{FFFD}\\n\"");
}

// Whatever goes in, what comes out is JSON, and text that is UTF-8 reads back as it was.
TEST(JsonWrite, EveryPairOfBytesReadsBack) {
  Parser parser;
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      std::string text = {static_cast<char>(a), static_cast<char>(b)};
      PaddedBuffer bytes(as_json(text));
      auto document = parser.parse(bytes.view());
      ASSERT_TRUE(document) << a << " " << b;
      if (a < 0x80 && b < 0x80) ASSERT_EQ(document->root.as_string(), text);
    }
  }
}

TEST(JsonWrite, Documents) {
  std::string out;
  Writer w(out);
  w.begin_object().member("id", "x").member("n", -3).member("u", UINT64_MAX).member("ok", true);
  w.key("list").begin_array().value(1).value("two").null().begin_object().end_object().value(0.5).end_array();
  w.key("raw")
      .raw("[1,2]")
      .key("empty")
      .begin_array()
      .end_array()
      .member("text", std::string("a\"b"))
      .end_object();
  EXPECT_EQ(out, R"({"id":"x","n":-3,"u":18446744073709551615,"ok":true,"list":[1,"two",null,{},0.5],)"
                 R"("raw":[1,2],"empty":[],"text":"a\"b"})");
}

TEST(JsonWrite, Numbers) {
  auto text = [](double v) {
    std::string out;
    append_number(out, v);
    return out;
  };
  EXPECT_EQ(text(0.1), "0.1");
  EXPECT_EQ(text(1e300), "1e+300");
  EXPECT_EQ(text(-0.0), "-0");
  EXPECT_EQ(text(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(text(std::nan("")), "null");
  for (double v : {1.0 / 3, 123456789.125, 5e-324, 1.7976931348623157e308})
    EXPECT_EQ(std::strtod(text(v).c_str(), nullptr), v);
}

}  // namespace
}  // namespace weir::json
