#include "weir/pipeline/quota/quota_stage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weir/pipeline/limited.h"
#include "weir/pipeline/quota/worst_case.h"
#include "weir/pipeline/testing.h"
#include "weir/quota/meter_table.h"

namespace weir::pipeline {
namespace {

using exchange::Dialect;
using testing::Asked;
using ::testing::HasSubstr;
using testing::run;

// "river" of provider "p": a dollar a million tokens in, ten out; "lake" of "free" has no price.
Settings settings() {
  Settings s;
  s.providers.push_back({.name = "p"});
  s.providers.push_back({.name = "free"});
  RegistryModelSettings river{.provider = "p", .model = "river"};
  river.input_nanodollars = 1'000'000'000;
  river.output_nanodollars = 10'000'000'000;
  river.output_tokens = 2000;
  river.context_tokens = 50'000;
  s.registry.push_back(river);
  return s;
}

struct Limited {
  Limited(io::Loop& loop, const Limits& limits, std::string body = R"({"max_tokens":100})") : asked(loop) {
    identity->name = "k";
    identity->meters.push_back(meters.meter_of("key", "k", limits));
    identity->meters.push_back(meters.meter_of("tenant", "t", {}));
    ask(std::move(body));
    asked.exchange.principal.identity = identity;
    asked.exchange.route.targets = {{"p", "river", {}}};
  }
  void ask(std::string body) {
    exchange::ModelRequest& r = asked.exchange.request;
    r.body = json::PaddedBuffer(body);
    r.body_bytes = body.size();
    WEIR_ASSERT(r.parse(parser).has_value());
  }
  quota::Meter::BudgetView budget() {
    return identity->meters[0]->budgets(moment_of(asked.exchange.loop)).front();
  }
  json::Parser parser;
  quota::MeterTable meters;
  std::shared_ptr<exchange::Identity> identity = std::make_shared<exchange::Identity>();
  Asked asked;
};

Limits total(int64_t nanodollars, std::optional<int64_t> tokens = {}) {
  Limits limits;
  limits.budgets.push_back({BudgetPeriod::kTotal, nanodollars, tokens});
  return limits;
}

TEST(WorstCase, IsWhatTheRequestMayUseAtMost) {
  run([](io::Loop& loop) -> io::Task<void> {
    registry::Registry registry(settings());
    Limited l(loop, {});
    exchange::Exchange& x = l.asked.exchange;
    auto worst = [&](std::string body) {
      l.ask(std::move(body));
      return worst_case(x, registry).amounts;
    };
    std::string body = R"({"max_tokens":100})";
    EXPECT_EQ(worst(body).output_tokens, 100);
    EXPECT_EQ(worst(body).input_tokens, static_cast<int64_t>(body.size()));
    EXPECT_EQ(worst(body).nanodollars, 1'000 * static_cast<int64_t>(body.size()) + 10'000 * 100);
    EXPECT_EQ(worst(R"({"max_tokens":100,"max_completion_tokens":7})").output_tokens, 7);
    EXPECT_EQ(worst(R"({"max_tokens":100,"n":3})").output_tokens, 300);
    EXPECT_EQ(worst("{}").output_tokens, 2000) << "the model's own limit";
    EXPECT_EQ(worst(R"({"a":{"image_url":"https://x/y.png"}})").input_tokens, 50'000)
        << "it is not in the body";
    EXPECT_EQ(worst(R"({"a":")" + std::string(60'000, 'x') + R"("})").input_tokens, 50'000);

    EXPECT_EQ(worst(R"({"a":"an \"image_url\" in a text"})").input_tokens, 34) << "a word is not a name";

    x.dialect = Dialect::kResponses;
    EXPECT_EQ(worst(R"({"max_output_tokens":8})").output_tokens, 8);
    x.dialect = Dialect::kGemini;
    EXPECT_EQ(worst(R"({"generationConfig":{"maxOutputTokens":9,"candidateCount":2}})").output_tokens, 18);
    x.dialect = Dialect::kOllama;
    EXPECT_EQ(worst(R"({"options":{"num_predict":11}})").output_tokens, 11);
    EXPECT_EQ(worst(R"({"options":{"num_predict":-1}})").output_tokens, 2000);
    x.dialect = Dialect::kAnthropic;
    EXPECT_EQ(worst(R"({"max_tokens":12})").output_tokens, 12);

    x.route.targets = {{"free", "lake", {}}, {"p", "river", {}}};
    EXPECT_EQ(worst("{}").output_tokens, 4096) << "nothing is known of one of them";
    EXPECT_EQ(worst(R"({"max_tokens":100})").nanodollars, 1'000 * 18 + 10'000 * 100) << "the dearest counts";
    x.route.targets.resize(1);
    EXPECT_EQ(worst("{}").nanodollars, 0);
    co_return;
  });
}

TEST(QuotaStage, ReservesAndSettles) {
  run([](io::Loop& loop) -> io::Task<void> {
    Settings s = settings();
    QuotaStage stage(s);
    Limited l(loop, total(1'100'000));
    exchange::Exchange& x = l.asked.exchange;
    EXPECT_TRUE(co_await stage.before(x));
    EXPECT_EQ(l.budget().reserved_nanodollars, 1'018'000);
    x.usage.input_tokens = 6;
    x.usage.output_tokens = 20;
    x.cost.nanodollars = 206'000;
    stage.after(x);
    EXPECT_EQ(l.budget().reserved_nanodollars, 0);
    EXPECT_EQ(l.budget().spent_nanodollars, 206'000);
    EXPECT_EQ(l.budget().spent_tokens, 26);

    Limited again(loop, total(1'100'000));
    again.identity->meters[0] = l.identity->meters[0];
    auto no = co_await stage.before(again.asked.exchange);
    WEIR_ASSERT(!no);
    EXPECT_EQ(no.error().code, ErrorCode::kRateLimited);
    EXPECT_EQ(no.error().reason, "insufficient_quota");
    EXPECT_THAT(no.error().safe, HasSubstr("this key"));
    EXPECT_EQ(again.asked.exchange.reserved.refused_scope, "key");
    EXPECT_EQ(again.asked.exchange.reserved.refused_limit, "budget");
    stage.after(again.asked.exchange);
    EXPECT_EQ(l.budget().spent_nanodollars, 206'000);
    EXPECT_EQ(l.budget().reserved_nanodollars, 0);
  });
}

TEST(QuotaStage, CountsWhatNothingLimitsAndWarnsFromFourFifthsOn) {
  run([](io::Loop& loop) -> io::Task<void> {
    Settings s = settings();
    QuotaStage stage(s);
    Limited l(loop, {});
    EXPECT_TRUE(co_await stage.before(l.asked.exchange));
    EXPECT_FALSE(l.asked.exchange.reserved.held);
    l.asked.exchange.cost.nanodollars = 83'000'000;
    stage.after(l.asked.exchange);
    l.identity->meters[0]->set_limits(total(100'000'000));
    EXPECT_EQ(l.budget().spent_nanodollars, 83'000'000)
        << "a budget that is set later knows what was spent before";
    Limited next(loop, {});
    next.identity->meters[0] = l.identity->meters[0];
    EXPECT_TRUE(co_await stage.before(next.asked.exchange));
    EXPECT_EQ(next.asked.exchange.reserved.warning, "key total 83%");
    stage.after(next.asked.exchange);
  });
}

TEST(QuotaStage, AStreamPlaceIsGivenBackWhateverHappens) {
  run([](io::Loop& loop) -> io::Task<void> {
    Settings s = settings();
    QuotaStage stage(s);
    Limits limits = total(1'100'000);
    limits.streams = 1;
    Limited l(loop, limits);
    l.asked.exchange.request.stream = true;
    EXPECT_TRUE(co_await stage.before(l.asked.exchange));
    Limited second(loop, {});
    second.identity->meters[0] = l.identity->meters[0];
    second.asked.exchange.request.stream = true;
    auto no = co_await stage.before(second.asked.exchange);
    WEIR_ASSERT(!no);
    EXPECT_EQ(no.error().reason, "rate_limit_exceeded");
    EXPECT_EQ(no.error().retry_after_s, 1);
    stage.after(second.asked.exchange);
    EXPECT_EQ(l.identity->meters[0]->streams(), 1);
    stage.after(l.asked.exchange);
    EXPECT_EQ(l.identity->meters[0]->streams(), 0);

    // A place that was taken by one whose budget then did not cover it.
    Limited third(loop, {}, R"({"max_tokens":2000})");
    third.identity->meters[0] = l.identity->meters[0];
    third.asked.exchange.request.stream = true;
    EXPECT_FALSE(co_await stage.before(third.asked.exchange));
    stage.after(third.asked.exchange);
    EXPECT_EQ(l.identity->meters[0]->streams(), 0);
  });
}

TEST(QuotaStage, AStreamThatSaysMoreThanItMayReservesMoreAndEndsWhereNothingIsLeft) {
  run([](io::Loop& loop) -> io::Task<void> {
    Settings s = settings();
    QuotaStage stage(s);
    Limited l(loop, total(1'018'000 + 2 * 5'120'000 + 100));  // the reservation, and twice 512 tokens
    exchange::Exchange& x = l.asked.exchange;
    x.request.stream = true;
    EXPECT_TRUE(co_await stage.before(x));
    int relayed = 0;
    exchange::StreamEvent event{.raw = "data: {}\n\n", .data = "{}"};
    while (!x.cut && relayed < 5000) {
      stage.tap()->on_event(x, event);
      ++relayed;
    }
    WEIR_ASSERT(x.cut.has_value());
    EXPECT_EQ(relayed, 100 + 16 + 2 * 512 + 1);
    EXPECT_EQ(x.cut->reason, "insufficient_quota");
    x.usage.output_tokens = relayed;
    x.cost.nanodollars = 11'000'000;
    stage.after(x);
    EXPECT_EQ(l.budget().reserved_nanodollars, 0);
    EXPECT_EQ(l.budget().spent_nanodollars, 11'000'000);
  });
}

}  // namespace
}  // namespace weir::pipeline
