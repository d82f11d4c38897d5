#include "weir/base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <set>
#include <sstream>

#include "weir/base/json_edit_model.h"
#include "weir/base/json_write.h"

namespace weir::json {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A document that stays alive with its parser.
struct Parsed {
  explicit Parsed(std::string_view text, ParseLimits limits = {})
      : buffer(text), result(parser.parse(buffer.view(), limits)) {}
  const Document& operator*() const { return *result; }
  const Document* operator->() const { return &*result; }
  PaddedBuffer buffer;
  Parser parser;
  Result<Document> result;
};

std::string reason(std::string_view text) {
  Parsed p(text);
  return p.result ? "accepted" : p.result.error().reason;
}

std::string message(std::string_view text) {
  Parsed p(text);
  return p.result ? "accepted" : p.result.error().message;
}

std::string nested(int depth) {
  return std::string(static_cast<size_t>(depth), '[') + std::string(static_cast<size_t>(depth), ']');
}

TEST(Json, MembersInOrderWithExactBytes) {
  Parsed p(" {\"model\" : \"m\", \"n\":-1.5e3,\"t\":true ,\"x\":null,\"a\":[1, {\"b\":2}],\"o\":{ }} \n");
  ASSERT_TRUE(p.result);
  EXPECT_EQ(p->type, Type::kObject);
  EXPECT_EQ(p->root.raw.front(), '{');
  EXPECT_EQ(p->root.raw.back(), '}');
  std::vector<std::string_view> keys, raws;
  for (const Member& m : p->members) {
    keys.push_back(m.key);
    raws.push_back(m.value.raw);
    std::string_view whole = p->bytes.substr(m.begin, m.end - m.begin);
    EXPECT_EQ(whole.front(), '"');
    EXPECT_TRUE(whole.ends_with(m.value.raw));
  }
  EXPECT_THAT(keys, ElementsAre("model", "n", "t", "x", "a", "o"));
  EXPECT_THAT(raws, ElementsAre("\"m\"", "-1.5e3", "true", "null", "[1, {\"b\":2}]", "{ }"));
  EXPECT_EQ(p->find("n")->as_double(), -1500.0);
  EXPECT_EQ(p->find("n")->as_int(), std::nullopt);
  EXPECT_EQ(p->find("t")->as_bool(), true);
  EXPECT_EQ(p->find("x")->type, Type::kNull);
  EXPECT_EQ(p->find("nothing"), nullptr);
  EXPECT_EQ(p->member("t")->value.raw, "true");
}

TEST(Json, TopLevelMayBeAnything) {
  for (auto [text, type] : {std::pair{"1", Type::kNumber},
                            {"\"a\"", Type::kString},
                            {"[]", Type::kArray},
                            {"null", Type::kNull},
                            {" false ", Type::kBool},
                            {"{}", Type::kObject}}) {
    Parsed p(text);
    ASSERT_TRUE(p.result) << text;
    EXPECT_EQ(p->type, type) << text;
    EXPECT_TRUE(p->members.empty());
  }
}

TEST(Json, Numbers) {
  auto value = [](std::string_view raw) { return Value{Type::kNumber, raw}; };
  EXPECT_EQ(value("9223372036854775807").as_int(), INT64_MAX);
  EXPECT_EQ(value("-9223372036854775808").as_int(), INT64_MIN);
  EXPECT_EQ(value("9223372036854775808").as_int(), std::nullopt);
  EXPECT_EQ(value("2.0").as_int(), std::nullopt);
  EXPECT_EQ(value("-0").as_int(), 0);
  EXPECT_EQ(value("0.25").as_double(), 0.25);
  EXPECT_EQ(value("1e400").as_double(), std::nullopt);
  EXPECT_EQ((Value{Type::kString, "\"1\""}).as_int(), std::nullopt);
  EXPECT_EQ(reason("1e400"), "accepted");
  for (std::string_view bad :
       {"01", "-", "1.", ".5", "1e", "1e+", "+1", "0x1", "1_0", "NaN", "-Infinity", "- 1", "1.e1", "00"})
    EXPECT_EQ(reason(bad), "invalid_json") << bad;
}

TEST(Json, Strings) {
  Parsed p(R"(["plain","a\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00",""])");
  ASSERT_TRUE(p.result);
  auto elements = elements_of(p->root.raw);
  ASSERT_EQ(elements.size(), 3u);
  EXPECT_EQ(elements[0].as_plain_string(), "plain");
  EXPECT_EQ(elements[0].as_string(), "plain");
  EXPECT_EQ(elements[1].as_plain_string(), std::nullopt);
  const std::string unescaped = "a\"\\/\b\f\n\r\tA\u00e9\u20ac\U0001F600";
  EXPECT_EQ(elements[1].as_string(), unescaped);
  EXPECT_TRUE(elements[1].is_string(unescaped));
  EXPECT_FALSE(elements[1].is_string(unescaped + "x"));
  EXPECT_FALSE(elements[1].is_string(unescaped.substr(0, unescaped.size() - 1)));
  EXPECT_EQ(elements[2].as_plain_string(), "");
  EXPECT_TRUE(elements[2].is_string(""));
  std::string out = "before ";
  EXPECT_TRUE(elements[1].append_string_to(out));
  EXPECT_EQ(out, "before " + unescaped);
  EXPECT_FALSE(p->root.append_string_to(out));
}

TEST(Json, RefusesBadStrings) {
  EXPECT_THAT(message("\"\\ud83d\""), HasSubstr("surrogate"));
  EXPECT_THAT(message("\"\\ude00\""), HasSubstr("surrogate"));
  EXPECT_THAT(message("\"\\ud83d\\u0041\""), HasSubstr("surrogate"));
  EXPECT_THAT(message("\"\\ud83d\\ue000\""), HasSubstr("surrogate"));
  EXPECT_THAT(message("\"\\ud83d\\ud83d\""), HasSubstr("surrogate"));
  EXPECT_THAT(message("{\"\\ud83d\":1}"), HasSubstr("surrogate"));
  EXPECT_THAT(message("\"a\nb\""), HasSubstr("control character"));
  EXPECT_THAT(message(std::string_view("\"a\0b\"", 5)), HasSubstr("control character"));
  EXPECT_THAT(message("\"\\x\""), HasSubstr("escape"));
  EXPECT_THAT(message("\"\\u12g4\""), HasSubstr("escape"));
  EXPECT_EQ(message("\"open"), "invalid JSON at byte 5: it ends too early");
  EXPECT_EQ(reason("\"open\\\""), "invalid_json");
  EXPECT_EQ(message("[\"ok\", \"\xC3\x28\"]"), "invalid JSON at byte 8: the text is not UTF-8");
  for (std::string_view bad :
       {"\"\x80\"", "\"\xC0\xAF\"", "\"\xE0\x80\xAF\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"",
        "\"\xF8\x88\x80\x80\x80\"", "\"\xE2\x82\"", "\xEF\xBB\xBF{}"})
    EXPECT_EQ(reason(bad), "invalid_json") << bad;
}

// Strings of every length and special bytes at every place: the scan's blocks and their ends.
TEST(Json, FaultsAtEveryOffset) {
  for (size_t n = 0; n < 150; ++n) {
    std::string text(n, 'x');
    EXPECT_EQ(reason('"' + text + '"'), "accepted");
    EXPECT_EQ(message('"' + text), fmt::format("invalid JSON at byte {}: it ends too early", n + 1));
    for (size_t i = 0; i < n; ++i) {
      std::string bad = '"' + text + '"';
      bad[i + 1] = '\x1f';
      ASSERT_THAT(message(bad), HasSubstr(fmt::format("at byte {}: a control", i + 1)));
      bad[i + 1] = '\x80';
      ASSERT_THAT(message(bad), HasSubstr(fmt::format("at byte {}: the text is not UTF-8", i + 1)));
    }
  }
}

TEST(Json, RefusesStructureAndTrailingBytes) {
  for (std::string_view bad : {"",           " ",
                               "{",          "[",
                               "[1",         "[1,",
                               "[1,]",       "[,1]",
                               "{\"a\"}",    "{\"a\":}",
                               "{\"a\":1,}", "{a:1}",
                               "{\"a\" 1}",  "{} {}",
                               "[]]",        "1 2",
                               "tru",        "nul",
                               "falsee",     "True",
                               "[1 2]",      "{\"a\":1 \"b\":2}",
                               "[1}",        "{\"a\":1]",
                               "// c\n1",    "\v1",
                               "{1:1}"})
    EXPECT_EQ(reason(bad), "invalid_json") << bad;
  EXPECT_EQ(message("{} x"), "invalid JSON at byte 3: nothing may follow the document");
  EXPECT_EQ(reason(std::string_view("1\0", 2)), "invalid_json");
}

TEST(Json, WhatLiesBehindTheDocumentDoesNotCount) {
  PaddedBuffer buffer(std::string_view("[1234]  \"more\"}"));
  Parser parser;
  EXPECT_TRUE(parser.parse(buffer.view().substr(0, 6)));
  EXPECT_FALSE(parser.parse(buffer.view().substr(0, 5)));
  EXPECT_FALSE(parser.parse(buffer.view().substr(0, 11)));
}

// Members cost memory and a comparison each: a body of nothing else is refused before it costs much.
TEST(Json, Members) {
  auto object = [](int members) {
    std::string text = "{";
    for (int i = 0; i < members; ++i)
      text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":0";
    return text + "}";
  };
  EXPECT_EQ(Parsed(object(1024))->members.size(), 1024u);
  EXPECT_EQ(reason(object(1025)), "invalid_json");
  EXPECT_EQ(reason("[" + object(65'536) + "]"), "accepted");
  EXPECT_EQ(reason("[" + object(65'537) + "]"), "invalid_json");
}

TEST(Json, Depth) {
  EXPECT_EQ(reason(nested(64)), "accepted");
  EXPECT_EQ(message(nested(65)), "JSON nested deeper than 64 levels at byte 64");
  EXPECT_EQ(message(std::string(100'000, '[')), "JSON nested deeper than 64 levels at byte 64");
  EXPECT_EQ(reason(nested(65)), "invalid_json");
  Parsed two("{\"a\":[1]}", {.depth_max = 2});
  EXPECT_TRUE(two.result);
  Parsed one("{\"a\":[1]}", {.depth_max = 1});
  ASSERT_FALSE(one.result);
  EXPECT_EQ(one.result.error().message, "JSON nested deeper than 1 levels at byte 5");
  Parsed none("1", {.depth_max = 0});
  EXPECT_TRUE(none.result);
}

TEST(Json, DuplicateKeysAnywhere) {
  EXPECT_EQ(reason(R"({"a":1,"b":2,"a":3})"), "duplicate_key");
  EXPECT_THAT(message(R"({"x":[{"mode\u006c":1,"model":2}]})"), HasSubstr("\"model\""));
  EXPECT_EQ(reason(R"({"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]})"), "accepted");
  EXPECT_EQ(reason(R"({"":1,"":2})"), "duplicate_key");
  EXPECT_EQ(reason(R"({"key-one-long-enough":1,"key-two-long-enough":2})"), "accepted");
  for (int count : {2, 31, 32, 33, 34, 1000}) {
    std::string text = "{\"first\":0";
    for (int i = 1; i < count; ++i)
      text += fmt::format(",\"k{}\":{{\"first\":1}}", i);
    EXPECT_EQ(reason(text + "}"), "accepted") << count;
    for (std::string_view again : {"first", "k1"})
      EXPECT_EQ(reason(text + fmt::format(",\"{}\":0}}", again)), "duplicate_key") << count;
    EXPECT_EQ(reason(text + ",\"\\u0066irst\":0}"), "duplicate_key") << count;
    EXPECT_EQ(reason(text + ",\"" + std::string(200, 'z') + "\":0,\"" + std::string(200, 'z') + "\":0}"),
              "duplicate_key");
  }
}

// Keys alike in everything a cheap fingerprint looks at. Slow only if comparing were quadratic: 30,000 keys
// would then be 450 million comparisons of 80 bytes, and this test the slowest of the house.
TEST(Json, CraftedKeysAreToldApart) {
  std::string text = "[{\"a\":1";
  for (int i = 0; i < 30'000; ++i)
    text += fmt::format(",\"{}{:010}{}\":1", std::string(35, 'x'), i, std::string(35, 'x'));
  EXPECT_EQ(reason(text + "}]"), "accepted");
  EXPECT_EQ(
      reason(text + fmt::format(",\"{}{:010}{}\":1}}]", std::string(35, 'x'), 29'999, std::string(35, 'x'))),
      "duplicate_key");
}

TEST(Json, EscapedKeysStayUntilTheNextParse) {
  std::string text = "{";
  std::string longer(20, 'k');  // more than one chunk of keys
  for (int i = 0; i < 1000; ++i)
    text += fmt::format("{}\"\\u006b{}{}\":{}", i ? "," : "", longer, i, i);
  Parsed p(text + "}");
  ASSERT_TRUE(p.result);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(p->members[static_cast<size_t>(i)].key, fmt::format("k{}{}", longer, i));
    ASSERT_EQ(p->members[static_cast<size_t>(i)].value.as_int(), i);
  }
  PaddedBuffer next(std::string_view("{\"\\u0061\":1}"));
  auto again = p.parser.parse(next.view());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->members[0].key, "a");
}

TEST(Json, MembersAndElementsOfInnerValues) {
  Parsed p(R"({"o": { "role" : "user", "\u0063ontent":[ 1 , "]" ,{"x":"}"} ], "e":{}, "f":[ ] }})");
  ASSERT_TRUE(p.result);
  std::string_view raw = p->find("o")->raw;
  Members members = members_of(raw);
  ASSERT_EQ(members.size(), 4u);
  EXPECT_EQ(members[0].key, "role");
  EXPECT_TRUE(members[0].value.is_string("user"));
  EXPECT_EQ(raw.substr(members[0].begin, members[0].end - members[0].begin), "\"role\" : \"user\"");
  EXPECT_EQ(members[1].key, "content");
  EXPECT_EQ(members.find("content")->type, Type::kArray);
  auto elements = elements_of(members[1].value.raw);
  ASSERT_EQ(elements.size(), 3u);
  EXPECT_EQ(elements[1].as_plain_string(), "]");
  EXPECT_EQ(elements[2].raw, "{\"x\":\"}\"}");
  EXPECT_TRUE(members_of(members.find("e")->raw).empty());
  EXPECT_TRUE(elements_of(members.find("f")->raw).empty());
  EXPECT_EQ(members.find("missing"), nullptr);
}

TEST(Json, FindInFrames) {
  std::string_view frame =
      R"( {"id":"x","n":3,"choices":[{"delta":{"content":"a\"}"}}],"us\u0061ge":{"t":1},"z":null})";
  EXPECT_EQ(find_in(frame, "n")->as_int(), 3);
  EXPECT_EQ(find_in(frame, "choices")->raw, R"([{"delta":{"content":"a\"}"}}])");
  EXPECT_EQ(find_in(find_in(frame, "usage")->raw, "t")->as_int(), 1);
  EXPECT_EQ(find_in(frame, "z")->type, Type::kNull);
  EXPECT_FALSE(find_in(frame, "delta"));
  EXPECT_FALSE(find_in(frame, ""));
}

// Every prefix and every damaged byte of a frame, in memory of exactly its size: sanitizers watch the reads.
TEST(Json, FindInGarbageReadsNothingOutside) {
  const std::string frame =
      R"({"a":"\u00e9\n","b":[1,{"c":"]"}],"d":tru,"e":-1.5 ,"f" : {"g":null}, "h":"long enough for blocks of 16"})";
  std::mt19937 random(7);
  int found = 0;
  auto probe = [&](const std::string& text) {
    auto exact = std::make_unique<char[]>(text.size());
    std::memcpy(exact.get(), text.data(), text.size());
    std::string_view bytes(exact.get(), text.size());
    for (std::string_view key : {"a", "b", "e", "f", "h", "\xff"}) {
      auto value = find_in(bytes, key);
      if (!value) continue;
      ++found;
      ASSERT_GE(value->raw.data(), bytes.data());
      ASSERT_LE(value->raw.data() + value->raw.size(), bytes.data() + bytes.size());
      value->as_string();
      value->as_double();
      value->is_string("é\n");
      members_of(value->raw);
      elements_of(value->raw);
    }
  };
  for (size_t n = 0; n <= frame.size(); ++n)
    probe(frame.substr(0, n));
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = frame;
    for (int k = 0; k < 3; ++k)
      damaged[random() % damaged.size()] = "\"\\{}[],:u0 \xff"[random() % 12];
    probe(damaged);
  }
  EXPECT_GT(found, 1000);
  EXPECT_FALSE(find_in("", "a"));
  EXPECT_FALSE(find_in(std::string_view(), "a"));
  EXPECT_FALSE(find_in("{\"a\":", "a"));
  EXPECT_FALSE(find_in("[\"a\",1]", "a"));
}

TEST(Json, PaddedBufferGrowsAndKeepsPadding) {
  PaddedBuffer b;
  EXPECT_TRUE(b.view().empty());
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    b.append("0123456789");
    expected += "0123456789";
  }
  EXPECT_EQ(b.view(), expected);
  volatile char last = b.data()[b.capacity() + kPadding - 1];  // readable: sanitizers watch
  (void)last;
  b.resize_uninitialized(3);
  EXPECT_EQ(b.view(), "012");
  b.resize_uninitialized(40'000);
  EXPECT_EQ(b.size(), 40'000u);
  EXPECT_EQ(b.view().substr(0, 3), "012");
  PaddedBuffer moved = std::move(b);
  EXPECT_EQ(moved.size(), 40'000u);
  EXPECT_TRUE(b.empty());  // NOLINT(bugprone-use-after-move)
  moved.clear();
  EXPECT_GE(moved.capacity(), 40'000u);
  moved.release();
  EXPECT_EQ(moved.capacity(), 0u);
  PaddedBuffer exact;
  exact.reserve(100);
  const char* at = exact.data();
  exact.append(std::string(100, 'x'));
  EXPECT_EQ(exact.data(), at);
}

// ---- Edits

TEST(JsonEdits, ReplaceKeepsEverythingElse) {
  Parsed p(R"( {"model" : "a", "unknown":{"x":[1,2]} ,"t":0.1} )");
  Edits edits(p->bytes);
  EXPECT_TRUE(edits.empty());
  EXPECT_EQ(edits.str(), p->bytes);
  edits.replace(p->find("model")->raw, "\"longer\"");
  edits.replace(p->find("t")->raw, "1");
  EXPECT_EQ(edits.str(), R"( {"model" : "longer", "unknown":{"x":[1,2]} ,"t":1} )");
  EXPECT_EQ(edits.size(), edits.str().size());
  EXPECT_FALSE(edits.empty());
}

TEST(JsonEdits, RemovalTakesTheRightComma) {
  std::string_view text = R"({ "a":1 , "b":2 ,"c":3 })";
  auto without = [&](std::string_view keys) {
    Parsed p(text);
    Edits edits(p->bytes);
    for (char key : keys)
      edits.remove_member(*p->member(std::string_view(&key, 1)));
    return edits.str();
  };
  EXPECT_EQ(without("a"), R"({ "b":2 ,"c":3 })");
  EXPECT_EQ(without("b"), R"({ "a":1 , "c":3 })");
  EXPECT_EQ(without("c"), R"({ "a":1 , "b":2  })");
  EXPECT_EQ(without("ab"), R"({ "c":3 })");
  EXPECT_EQ(without("cb"), R"({ "a":1  })");
  EXPECT_EQ(without("ca"), R"({ "b":2  })");
  EXPECT_EQ(without("cba"), R"({  })");
  EXPECT_EQ(without("aa"), R"({ "b":2 ,"c":3 })");
}

TEST(JsonEdits, InsertionsIntoFullEmptyAndEmptiedContainers) {
  Parsed p(R"({"o":{},"l":[],"k":{"x":1},"m":[ 1 ]})");
  Edits edits(p->bytes);
  auto raw = [&](std::string_view key) { return p->find(key)->raw; };
  edits.append_member(raw("o"), "\"z\":2");
  edits.insert_first_member(raw("o"), "\"y\":1");
  edits.insert_first_element(raw("l"), "1");
  edits.insert_first_element(raw("l"), "2");
  Members inner = members_of(raw("k"));
  edits.remove_member(inner[0]);
  edits.insert_first_member(raw("k"), "\"w\":0");
  edits.append_element(raw("m"), "2");
  edits.insert_first_element(raw("m"), "0");
  edits.insert_first_member(p->root.raw, "\"first\":true");
  EXPECT_EQ(edits.str(), R"({"first":true,"o":{"y":1,"z":2},"l":[1,2],"k":{"w":0},"m":[0, 1 ,2]})");
}

TEST(JsonEdits, TheOuterEditWins) {
  Parsed p(R"({"o":{"x":1,"l":[1]},"k":1})");
  Members inner = members_of(p->find("o")->raw);
  Edits edits(p->bytes);
  edits.replace(inner[0].value.raw, "2");
  edits.append_element(inner[1].value.raw, "2");
  edits.replace(p->find("o")->raw, "\"gone\"");
  edits.replace(p->find("k")->raw, "2");
  edits.replace(p->find("k")->raw, "3");
  EXPECT_EQ(edits.str(), R"({"o":"gone","k":3})");
  edits.remove_member(*p->member("o"));
  EXPECT_EQ(edits.str(), R"({"k":3})");
}

// Random documents, random edits, against a model that rewrites the whole tree.
class RandomDocument {
 public:
  explicit RandomDocument(uint32_t seed) : random_(seed) {}
  std::string text() {
    std::string out;
    space(out);
    value(out, 0);
    space(out);
    return out;
  }
  uint32_t choose(uint32_t n) { return static_cast<uint32_t>(random_() % n); }

 private:
  void space(std::string& out) {
    for (uint32_t n = choose(6); n >= 4; n = choose(6))
      out += " \n\t\r"[choose(4)];
  }
  void value(std::string& out, int depth) {
    static constexpr std::string_view kScalars[] = {
        "1", "-0.5e+7", "true", "null", "\"a,]}\"", "\"\\\"\\u00e9\\\\\"", "\"\xC3\xA9\"", "\"\""};
    uint32_t kind = choose(depth > 4 ? 2 : 6);
    if (kind < 2) {
      out += kScalars[choose(std::size(kScalars))];
      return;
    }
    bool object = kind < 4;
    out += object ? '{' : '[';
    space(out);
    for (uint32_t i = 0, n = choose(5); i < n; ++i) {
      if (i > 0) {
        out += ',';
        space(out);
      }
      if (object) {
        out += fmt::format("\"{}{}\"", choose(3) == 0 ? "\\u006b" : "k", i);
        space(out);
        out += ':';
        space(out);
      }
      value(out, depth + 1);
      space(out);
    }
    out += object ? '}' : ']';
  }
  std::mt19937 random_;
};

TEST(JsonEdits, EditedDocumentsReadAsTheModelSays) {
  for (uint32_t seed = 0; seed < 20'000; ++seed) {
    RandomDocument random(seed);
    Parsed p(random.text());
    ASSERT_TRUE(p.result) << p.buffer.view() << "\n" << p.result.error().message;
    EditModel model([&](uint32_t n) { return random.choose(n); });
    std::string wrong = model.check(*p.result);
    ASSERT_EQ(wrong, "") << "seed " << seed << ": " << p.buffer.view();
  }
}

// ---- the public conformance files

std::filesystem::path data_dir() {
  if (const char* dir = std::getenv("WEIR_DATA")) return dir;
  std::filesystem::path from_source = std::filesystem::path(__FILE__).parent_path() / "../../../shared/data";
  return std::filesystem::exists(from_source) ? from_source : "../shared/data";
}

TEST(JsonConformance, JSONTestSuite) {
  std::filesystem::path dir = data_dir() / "security/json/test_parsing";
  if (!std::filesystem::is_directory(dir)) {
    std::cout << "skipped: no data (" << dir << ")\n";
    GTEST_SKIP() << "no data";
  }
  // Valid by RFC 8259, refused here: who reads the first of two equal keys and who reads the last would see
  // different requests.
  const std::set<std::string> duplicates = {"y_object_duplicated_key.json",
                                            "y_object_duplicated_key_and_value.json"};
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    std::string file = entry.path().filename();
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    std::string verdict = reason(text.str());
    ++files;
    if (duplicates.contains(file))
      EXPECT_EQ(verdict, "duplicate_key") << file;
    else if (file.starts_with("y_"))
      EXPECT_EQ(verdict, "accepted") << file;
    else if (file.starts_with("n_"))
      EXPECT_NE(verdict, "accepted") << file;
  }
  std::cout << "files " << files << "\n";
  EXPECT_GE(files, 300);
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// Files that parsers read without a fault and make different things of. Here each is refused, or keeps its
// bytes.
TEST(JsonConformance, WhatParsersTransformKeepsItsBytes) {
  std::filesystem::path dir = data_dir() / "security/json/test_transform";
  if (!std::filesystem::is_directory(dir)) {
    std::cout << "skipped: no data (" << dir << ")\n";
    GTEST_SKIP() << "no data";
  }
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    std::string file = entry.path().filename(), text = content_of(entry.path());
    SCOPED_TRACE(file);
    ++files;
    if (file.starts_with("object_same_key")) {
      EXPECT_EQ(reason(text), "duplicate_key");
    } else if (file.contains("invalid_codepoint")) {
      EXPECT_EQ(reason(text), "invalid_json");
    } else {
      Parsed p(text);
      ASSERT_TRUE(p.result);
      EXPECT_EQ(Edits(p->bytes).str(), text);
      if (p->type == Type::kObject) {
        ASSERT_EQ(p->members.size(), 2u);  // two spellings of one letter are two keys: nothing is normalised
        EXPECT_NE(p->members[0].key, p->members[1].key);
        continue;
      }
      auto elements = elements_of(p->root.raw);
      ASSERT_EQ(elements.size(), 1u);
      EXPECT_EQ("[" + std::string(elements[0].raw) + "]", text.substr(0, text.find_last_not_of("\n") + 1));
      if (file.contains("NULL")) EXPECT_EQ(elements[0].as_string(), std::string("A\0B", 3));
      if (file.contains("9223372036854775809") || file.contains("9223372036854775808.") ||
          file.contains("10000000000000000999"))
        EXPECT_EQ(elements[0].as_int().has_value(),
                  file.contains("-9223372036854775808"));  // no wrap, no double
    }
  }
  std::cout << "files " << files << "\n";
  EXPECT_EQ(files, 22);
}

TEST(JsonConformance, ALargeDocumentOfManyScripts) {
  std::filesystem::path path = data_dir() / "security/json/twitter.json";
  if (!std::filesystem::exists(path)) {
    std::cout << "skipped: no data (" << path << ")\n";
    GTEST_SKIP() << "no data";
  }
  std::string text = content_of(path);
  Parsed p(text);
  ASSERT_TRUE(p.result) << p.result.error().message;
  EXPECT_EQ(elements_of(p->find("statuses")->raw).size(), 100u);
  // Cut anywhere it is none, and the fault is at its end.
  for (size_t n = 0; n < text.size(); n += 9973)
    EXPECT_EQ(reason(text.substr(0, n)), "invalid_json") << n;
}

}  // namespace
}  // namespace weir::json
