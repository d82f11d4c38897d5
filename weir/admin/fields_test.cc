// What a request's object may hold, and what is said of the rest.
#include "weir/admin/fields.h"

#include <gtest/gtest.h>

namespace weir::admin {
namespace {

struct Read {
  std::string name = "old";
  std::optional<std::string> team;
  int64_t n = 7;
  std::optional<int64_t> most, usd;
  std::vector<std::string> models;
  std::string verdict;  // code of the error, its parameter
};

Read read(std::string_view text) {
  json::Parser parser;
  json::PaddedBuffer buffer(text);
  auto document = parser.parse(buffer.view());
  EXPECT_TRUE(document) << text;
  Read r;
  Fields fields(*document);
  fields.refuse({"id"});
  fields.read("name", r.name, 1, 5);
  fields.read("team", r.team, 1, 5);
  fields.read("n", r.n, 0, 10);
  fields.read("most", r.most, 0, 10);
  fields.read_dollars("usd", r.usd);
  fields.read("models", r.models, 2);
  auto end = fields.end();
  if (!end)
    r.verdict = std::string(name(end.error().code)) + " " + end.error().param + " " + end.error().reason;
  return r;
}

TEST(Fields, TakesWhatIsThere) {
  Read r = read(R"({"name":"a\u00e9","team":null,"most":10,"usd":"12.5","models":["a","b*"]})");
  EXPECT_EQ(r.verdict, "");
  EXPECT_EQ(r.name, "a\xc3\xa9");
  EXPECT_EQ(r.n, 7);
  EXPECT_EQ(r.most, 10);
  EXPECT_EQ(r.usd, 12'500'000'000);
  EXPECT_EQ(r.models, (std::vector<std::string>{"a", "b*"}));
  EXPECT_EQ(read("{}").verdict, "");
}

TEST(Fields, RefusesTheRestByName) {
  for (auto [text, verdict] : std::vector<std::pair<std::string_view, std::string_view>>{
           {R"({"nam":"a"})", "invalid_request nam unknown_parameter"},
           {R"({"id":"x"})", "permission_denied id protected_field"},
           {R"({"id":"x","zzz":1})", "permission_denied id protected_field"},
           {R"({"name":""})", "invalid_request name invalid_value"},
           {R"({"name":"abcdef"})", "invalid_request name invalid_value"},
           {R"({"name":"a\n"})", "invalid_request name invalid_value"},
           {R"({"name":null})", "invalid_request name invalid_value"},
           {R"({"n":11})", "invalid_request n invalid_value"},
           {R"({"n":"1"})", "invalid_request n invalid_value"},
           {R"({"n":1.0})", "invalid_request n invalid_value"},
           {R"({"usd":12})", "invalid_request usd invalid_value"},
           {R"({"usd":"-1"})", "invalid_request usd invalid_value"},
           {R"({"models":"a"})", "invalid_request models invalid_value"},
           {R"({"models":["a","a"]})", "invalid_request models invalid_value"},
           {R"({"models":["a","b","c"]})", "invalid_request models invalid_value"},
           {R"({"models":[1]})", "invalid_request models invalid_value"}})
    EXPECT_EQ(read(text).verdict, verdict) << text;
}

}  // namespace
}  // namespace weir::admin
