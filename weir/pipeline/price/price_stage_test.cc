// What an exchange cost: each call at the price of the model that was asked.
#include "weir/pipeline/price/price_stage.h"

#include <gtest/gtest.h>

#include "weir/pipeline/testing.h"

namespace weir::pipeline {
namespace {

using exchange::Usage;
using testing::Asked;

// A provider "a" at 1 and 10 nano-dollars a token, "b" at 2 and 20, "free" that nobody charges for.
Settings priced() {
  Settings s;
  for (std::string_view name : {"a", "b", "free", "unknown"}) {
    ProviderSettings provider;
    provider.name = name;
    if (name == "free") provider.kind = ProviderKind::kLocal;
    s.providers.push_back(provider);
  }
  for (auto [name, factor] : {std::pair{"a", 1}, std::pair{"b", 2}}) {
    RegistryModelSettings model;
    model.provider = name;
    model.model = "m";
    model.input_nanodollars = factor * 1'000'000;
    model.output_nanodollars = factor * 10'000'000;
    s.registry.push_back(model);
  }
  return s;
}

struct Bill {
  std::optional<int64_t> nanodollars;
  bool unpriced;
  friend bool operator==(const Bill&, const Bill&) = default;
};

Bill bill(std::string_view provider, Usage all, std::vector<exchange::SpentCall> spent = {}) {
  static Settings settings;
  settings = priced();
  Bill said;
  io::net::TestLoop t;
  PriceStage stage(settings);
  Asked asked(t.loop());
  asked.exchange.outcome.provider = provider;
  asked.exchange.outcome.provider_model = "m";
  asked.exchange.usage = all;
  asked.exchange.spent = std::move(spent);
  stage.after(asked.exchange);
  return {asked.exchange.cost.nanodollars, asked.exchange.cost.unpriced};
}

const Usage kThree{.input_tokens = 100, .output_tokens = 10};

TEST(Price, IsTheModelsThatAnswered) {
  EXPECT_EQ(bill("a", kThree), (Bill{200, false}));
  EXPECT_EQ(bill("b", kThree), (Bill{400, false}));
  EXPECT_EQ(bill("a", {}), (Bill{std::nullopt, false}));
  EXPECT_EQ(bill("free", kThree), (Bill{std::nullopt, false}));
  EXPECT_EQ(bill("unknown", kThree), (Bill{std::nullopt, true}));
}

TEST(Price, OfAnAnswerThatAnotherWentOnWithIsTheSumOfBoth) {
  const Usage first{.input_tokens = 40, .output_tokens = 4};
  EXPECT_EQ(bill("b", kThree, {{"a", "m", first}}), (Bill{40 + 40 + 120 + 120, false}));
  EXPECT_EQ(bill("free", kThree, {{"a", "m", first}}), (Bill{80, false}));
  EXPECT_EQ(bill("a", kThree, {{"free", "m", first}}), (Bill{60 + 60, false}));
  // A part without a price is an alarm, not a sum that lacks it.
  EXPECT_EQ(bill("a", kThree, {{"unknown", "m", first}}), (Bill{std::nullopt, true}));
}

}  // namespace
}  // namespace weir::pipeline
