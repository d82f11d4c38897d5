// What the book says, what the configuration says over it, and what a call costs.
#include "weir/registry/registry.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "weir/base/money.h"
#include "weir/base/service.h"

namespace weir::registry {
namespace {

TEST(Book, EveryRowIsReadWhole) {
  size_t rows = 0, priced = 0;
  std::set<std::string_view> vendors;
  for (const BookVendor& of : book()) {
    EXPECT_TRUE(vendors.insert(of.vendor).second) << of.vendor;
    bool known = of.vendor == "openai" || of.vendor == "anthropic" || of.vendor == "gemini";
    EXPECT_TRUE(known || service(of.vendor)) << of.vendor;
    std::string_view before;
    for (const ModelFacts& facts : of.models) {
      EXPECT_LT(before, facts.model) << of.vendor;
      before = facts.model;
      ++rows;
      bool any = facts.rates.input || facts.rates.output || facts.rates.input_audio;
      EXPECT_TRUE(any || facts.rates.cache_read || facts.rates.batch_input)
          << of.vendor << " " << facts.model;
      priced += facts.rates.input && facts.rates.output;
      if (facts.tier_above > 0) EXPECT_TRUE(facts.tier.input || facts.tier.output) << facts.model;
      if (facts.context_tokens) EXPECT_GT(*facts.context_tokens, 0) << facts.model;
    }
  }
  EXPECT_GT(rows, 1000u);
  EXPECT_GT(priced, rows * 8 / 10);
}

TEST(Book, FindsAModelWithAndWithoutItsVersion) {
  const ModelFacts* gpt = find_in_book("openai", "gpt-4o");
  ASSERT_TRUE(gpt);
  EXPECT_EQ(gpt->context_tokens, 128'000);
  EXPECT_EQ(gpt->output_tokens, 16'384);
  EXPECT_EQ(gpt->rates.input, 2'500'000'000);
  EXPECT_EQ(gpt->rates.cache_read, 1'250'000'000);
  EXPECT_EQ(gpt->rates.output, 10'000'000'000);
  EXPECT_EQ(gpt->rates.batch_input, 1'250'000'000);
  EXPECT_EQ(gpt->tools, true);
  EXPECT_FALSE(gpt->prefill.has_value());
  EXPECT_EQ(find_in_book("openai", "gpt-4o-2031-01-31"), gpt);
  const ModelFacts* sonnet = find_in_book("anthropic", "claude-sonnet-4-5");
  ASSERT_TRUE(sonnet);
  EXPECT_EQ(find_in_book("anthropic", "claude-sonnet-4-5-20991231"), sonnet);
  EXPECT_EQ(sonnet->prefill, true);
  EXPECT_EQ(sonnet->tier_above, 200'000);
  EXPECT_EQ(find_in_book("anthropic", "claude-opus-4-6")->prefill, false);
  for (std::string_view other :
       {"gpt-4", "", "gpt-4o-", "gpt-4o-2024", "gpt-4o-2024-1-31", "GPT-4o", "gpt-4o-12345678901"})
    EXPECT_NE(find_in_book("openai", other), gpt) << other;
  EXPECT_FALSE(find_in_book("anthropic", "gpt-4o"));
  EXPECT_FALSE(find_in_book("", "gpt-4o"));
}

Settings house() {
  Settings s;
  ProviderSettings openai, here, groq, claude, ours;
  openai.name = "openai-eu";
  openai.base_url = *BaseUrl::parse("https://api.openai.com/v1");
  here.name = "here";
  here.base_url = *BaseUrl::parse("http://10.0.0.1:8000/v1");
  groq.name = "fast";
  groq.service = "groq";
  groq.base_url = *BaseUrl::parse("https://proxy.example/v1");
  claude.name = "claude";
  claude.kind = ProviderKind::kAnthropic;
  ours.name = "ours";
  ours.service = "vllm";
  s.providers = {openai, here, groq, claude, ours};
  return s;
}

TEST(Registry, KnowsAProvidersModelsByWhoItIs) {
  Registry registry(house());
  EXPECT_EQ(registry.find("openai-eu", "gpt-4o"), find_in_book("openai", "gpt-4o"));
  EXPECT_FALSE(registry.find("here", "gpt-4o"));  // the name alone says nothing of its price
  EXPECT_FALSE(registry.find("nobody", "gpt-4o"));
  EXPECT_TRUE(registry.find("fast", "llama-3.3-70b-versatile"));
  EXPECT_TRUE(registry.find("claude", "claude-sonnet-4-5"));
  EXPECT_TRUE(registry.unbilled("ours"));
  EXPECT_FALSE(registry.unbilled("here"));
  EXPECT_FALSE(registry.unbilled("nobody"));
}

TEST(Registry, TheConfigurationIsLaidOver) {
  Settings s = house();
  RegistryModelSettings limit, price, pattern, longer;
  limit.provider = price.provider = "openai-eu";
  limit.model = "gpt-4o";
  limit.context_tokens = 64'000;
  price.model = "gpt-4o-mini";
  price.input_nanodollars = 5;
  pattern.provider = longer.provider = "here";
  pattern.model = "llama*";
  pattern.prefill = true;
  longer.model = "llama-3*";
  longer.prefill = false;
  s.registry = {limit, price, pattern, longer};
  Registry registry(s);
  EXPECT_EQ(registry.find("openai-eu", "gpt-4o")->context_tokens, 64'000);
  EXPECT_EQ(registry.find("openai-eu", "gpt-4o")->rates.input, 2'500'000'000);
  EXPECT_EQ(registry.find("openai-eu", "gpt-4o-mini")->rates.input, 5);
  EXPECT_FALSE(registry.find("openai-eu", "gpt-4o-mini")->rates.output);  // nothing of the book's is left
  EXPECT_EQ(registry.find("here", "llama-2")->prefill, true);
  EXPECT_EQ(registry.find("here", "llama-3-8b")->prefill, false);
  EXPECT_FALSE(registry.find("here", "mistral"));
}

ModelFacts priced() {
  ModelFacts f;
  f.rates.input = 3'000'000'000;
  f.rates.output = 15'000'000'000;
  f.rates.cache_read = 300'000'000;
  f.rates.cache_write = 3'750'000'000;
  f.rates.cache_write_1h = 6'000'000'000;
  return f;
}

TEST(Cost, ChargesEachClassOnce) {
  ModelFacts f = priced();
  EXPECT_EQ(cost_nanodollars(f, {.input_tokens = 1000, .output_tokens = 100}), 3'000'000 + 1'500'000);
  EXPECT_EQ(cost_nanodollars(f, {.input_tokens = 1000, .output_tokens = 0, .cached_input_tokens = 400}),
            600 * 3000 + 400 * 300);
  EXPECT_EQ(cost_nanodollars(f, {.input_tokens = 1000,
                                 .output_tokens = 0,
                                 .cached_input_tokens = 400,
                                 .cache_write_tokens = 500,
                                 .cache_write_1h_tokens = 200}),
            100 * 3000 + 400 * 300 + 300 * 3750 + 200 * 6000);
  // Without a price of its own a part costs what the whole does.
  f.rates.cache_read = f.rates.cache_write = f.rates.cache_write_1h = std::nullopt;
  EXPECT_EQ(
      cost_nanodollars(
          f, {.input_tokens = 10, .output_tokens = 0, .cached_input_tokens = 4, .cache_write_tokens = 3}),
      30'000);
  f.rates.reasoning = 1'000'000'000;
  EXPECT_EQ(cost_nanodollars(f, {.input_tokens = 0, .output_tokens = 10, .reasoning_tokens = 4}),
            6 * 15'000 + 4 * 1000);
  // More of a part than of the whole is a server's mistake, not a charge.
  EXPECT_EQ(cost_nanodollars(f, {.input_tokens = 10, .output_tokens = 0, .cached_input_tokens = 40}), 30'000);
}

TEST(Cost, RoundsOnceHalfUp) {
  ModelFacts f;
  f.rates.input = 37'500'000;  // 37.5 nano-dollars a token
  EXPECT_EQ(cost_nanodollars(f, {.input_tokens = 1}), 38);
  EXPECT_EQ(cost_nanodollars(f, {.input_tokens = 2}), 75);
  EXPECT_EQ(cost_nanodollars(f, {.input_tokens = 3}), 113);
  f.rates.input = 1;
  EXPECT_EQ(cost_nanodollars(f, {.input_tokens = 499'999}), 0);
  EXPECT_EQ(cost_nanodollars(f, {.input_tokens = 500'000}), 1);
  f.rates.input = int64_t{1'000'000} * 1'000'000'000;
  EXPECT_EQ(cost_nanodollars(f, {.input_tokens = int64_t{1} << 30}), (int64_t{1} << 30) * 1'000'000'000);
  EXPECT_FALSE(cost_nanodollars(f, {.input_tokens = int64_t{1} << 60}));  // beyond any number, not wrapped
}

TEST(Cost, ALongPromptPaysItsTier) {
  ModelFacts f = priced();
  f.tier_above = 200'000;
  f.tier.input = 6'000'000'000;
  f.tier.output = 22'500'000'000;
  EXPECT_EQ(cost_nanodollars(f, {.input_tokens = 200'000, .output_tokens = 1}), 200'000 * 3000 + 15'000);
  EXPECT_EQ(cost_nanodollars(f, {.input_tokens = 200'001, .output_tokens = 1}),
            int64_t{200'001} * 6000 + 22'500);
}

TEST(Cost, UnknownIsNeverNothing) {
  ModelFacts f = priced();
  EXPECT_FALSE(cost_nanodollars(f, {}));
  EXPECT_FALSE(cost_nanodollars(ModelFacts{}, {.input_tokens = 1, .output_tokens = 1}));
  EXPECT_FALSE(cost_nanodollars(ModelFacts{}, {.input_tokens = 0, .output_tokens = 0}));
  f.rates.output = std::nullopt;
  EXPECT_FALSE(cost_nanodollars(f, {.input_tokens = 1, .output_tokens = 1}));
  EXPECT_EQ(cost_nanodollars(f, {.input_tokens = 1}), 3000);  // embeddings have no output
}

TEST(Money, IsReadAndWrittenExactly) {
  EXPECT_EQ(nanodollars_of("2.5"), 2'500'000'000);
  EXPECT_EQ(nanodollars_of("0.000000001"), 1);
  EXPECT_EQ(nanodollars_of("0"), 0);
  EXPECT_EQ(nanodollars_of("1000000"), int64_t{1'000'000} * 1'000'000'000);
  for (std::string_view bad : {"", ".", "1.", ".5", "-1", "1e3", "1,5", " 1", "1.0000000001", "1000001",
                               "1.2.3", "99999999999999999999"})
    EXPECT_FALSE(nanodollars_of(bad)) << bad;
  EXPECT_EQ(dollars_text(325'000), "0.000325000");
  EXPECT_EQ(dollars_text(12'000'000'001), "12.000000001");
}

}  // namespace
}  // namespace weir::registry
