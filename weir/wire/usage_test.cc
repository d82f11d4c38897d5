// Usage is read by one reader a dialect, for streams and whole answers alike. Here: what these readers make
// of real answers of many providers (../shared/data/usage_payloads), against the numbers that another library
// reads off them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "weir/wire/wire.h"

namespace weir::wire {
namespace {

using exchange::Dialect;
using exchange::Usage;

std::optional<json::Value> find(std::string_view raw, std::initializer_list<std::string_view> path) {
  std::optional<json::Value> value;
  for (std::string_view key : path) {
    value = json::find_in(raw, key);
    if (!value || value->type != json::Type::kObject) break;
    raw = value->raw;
  }
  return value;
}

struct Reader {
  Dialect dialect;
  std::string_view provider;              // whose answers the other library takes it for
  std::vector<std::string_view> flavors;  // the first that it knows
  bool (*takes)(std::string_view body);   // by the answer's shape
};
const Reader kReaders[] = {
    {Dialect::kOpenAi,
     "openai",
     {"chat", "embeddings"},
     [](std::string_view body) { return find(body, {"usage", "prompt_tokens"}).has_value(); }},
    {Dialect::kResponses,
     "openai",
     {"responses"},
     [](std::string_view body) {
       auto usage = find(body, {"usage"});
       return usage && (json::find_in(usage->raw, "input_tokens_details") ||
                        json::find_in(usage->raw, "output_tokens_details"));
     }},
    {Dialect::kAnthropic,
     "anthropic",
     {"default"},
     [](std::string_view body) { return find(body, {"usage", "input_tokens"}).has_value(); }},
    {Dialect::kGemini,
     "google",
     {"default"},
     [](std::string_view body) { return find(body, {"usageMetadata"}).has_value(); }},
};

// The numbers of the other library; empty: it knows none.
std::string_view numbers_of(const json::Value& entry, const Reader& reader) {
  for (std::string_view flavor : reader.flavors)
    for (const json::Value& extracted : json::elements_of(json::find_in(entry.raw, "extracted")->raw))
      for (const json::Value& by : json::elements_of(json::find_in(extracted.raw, "extractors")->raw))
        if (json::find_in(by.raw, "provider_id")->is_string(reader.provider) &&
            json::find_in(by.raw, "api_flavor")->is_string(flavor))
          return json::find_in(extracted.raw, "usage")->raw;
  return {};
}

void compare(const Usage& read, std::string_view numbers, std::string_view body) {
  auto same = [&](const std::optional<int64_t>& mine, std::string_view key) {
    auto theirs = json::find_in(numbers, key);
    EXPECT_EQ(mine.value_or(0), theirs ? theirs->as_int().value_or(-1) : 0) << key << " of " << body;
  };
  same(read.input_tokens, "input_tokens");
  same(read.output_tokens, "output_tokens");
  same(read.cached_input_tokens, "cache_read_tokens");
  same(read.cache_write_tokens, "cache_write_tokens");
  same(read.reasoning_tokens, "output_reasoning_tokens");
}

TEST(Usage, OfRealAnswers) {
  std::filesystem::path data = std::filesystem::path(__FILE__).parent_path() / "../../../shared/data";
  if (const char* dir = std::getenv("WEIR_DATA")) data = dir;
  std::ifstream file(data / "usage_payloads/usages.json");
  if (!file) GTEST_SKIP() << "skipped: no data";
  std::stringstream text;
  text << file.rdbuf();
  json::PaddedBuffer padded(text.str());
  json::Parser parser, inner;
  auto all = parser.parse(padded.view());
  ASSERT_TRUE(all);
  std::map<std::string, int> compared;
  int others = 0;
  for (const json::Value& entry : json::elements_of(all->root.raw)) {
    auto body = json::find_in(entry.raw, "body");
    ASSERT_TRUE(body);
    json::PaddedBuffer bytes(body->raw);
    auto document = inner.parse(bytes.view());
    ASSERT_TRUE(document);
    bool taken = false;
    for (const Reader& reader : kReaders) {
      std::string_view numbers = numbers_of(entry, reader);
      if (!reader.takes(body->raw) || numbers.empty()) continue;
      auto read = wire_of(reader.dialect).usage_of(*document);
      ASSERT_TRUE(read) << body->raw;
      compare(*read, numbers, body->raw);
      ++compared[std::string(exchange::name(reader.dialect))];
      taken = true;
    }
    if (taken) continue;
    // Bedrock's own and Cohere's own shapes: dialects that weir does not speak.
    auto usage = find(body->raw, {"usage"});
    bool foreign =
        !usage || json::find_in(usage->raw, "inputTokens") || json::find_in(usage->raw, "billed_units");
    EXPECT_TRUE(foreign) << body->raw;
    ++others;
  }
  EXPECT_GE(compared["openai"], 280);
  EXPECT_GE(compared["responses"], 190);
  EXPECT_GE(compared["anthropic"], 300);
  EXPECT_GE(compared["gemini"], 318);
  EXPECT_LE(others, 176);
  for (const auto& [dialect, count] : compared)
    std::cout << dialect << ": " << count << " answers\n";
  std::cout << "of dialects that are not spoken: " << others << "\n";
}

}  // namespace
}  // namespace weir::wire
