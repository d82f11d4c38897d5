#include "weir/pipeline/admit/admit_stage.h"

#include <gtest/gtest.h>

#include <memory>

#include "weir/pipeline/testing.h"
#include "weir/quota/meter_table.h"

namespace weir::pipeline {
namespace {

using testing::Asked;

struct Caller {
  Caller(io::Loop& loop, std::string_view key, std::string_view peer) : asked(loop) {
    if (!key.empty()) asked.exchange.principal = exchange::Principal::with_key(std::string(key));
    asked.exchange.peer = peer;
  }
  Asked asked;
};

// Enters; the reason it was refused for, "" when it was not.
io::Task<std::string> enter(AdmitStage& stage, Caller& caller) {
  auto said = co_await stage.before(caller.asked.exchange);
  if (said) co_return "";
  EXPECT_EQ(said.error().code, ErrorCode::kRateLimited);
  EXPECT_EQ(said.error().retry_after_s, 1);
  co_return said.error().reason;
}

constexpr std::string_view kRefused = "too_many_requests";

TEST(Admit, LimitsEachKeyWhereverItComesFrom) {
  testing::run([](io::Loop& loop) -> io::Task<void> {
    AdmitStage stage(2);
    Caller first(loop, "a", "10.0.0.1"), second(loop, "a", "10.0.0.2"), third(loop, "a", "10.0.0.3");
    Caller other(loop, "b", "10.0.0.1");
    EXPECT_EQ(co_await enter(stage, first), "");
    EXPECT_EQ(co_await enter(stage, second), "");
    EXPECT_EQ(co_await enter(stage, third), kRefused);
    EXPECT_EQ(co_await enter(stage, other), "");
    // after() runs for the refused one too and must not give back what it never had.
    stage.after(third.asked.exchange);
    Caller fourth(loop, "a", "10.0.0.4");
    EXPECT_EQ(co_await enter(stage, fourth), kRefused);
    stage.after(fourth.asked.exchange);
    stage.after(first.asked.exchange);
    Caller fifth(loop, "a", "10.0.0.4");
    EXPECT_EQ(co_await enter(stage, fifth), "");
  });
}

TEST(Admit, AnAgentHasItsOwnRateWhereAgentsHaveOne) {
  testing::run([](io::Loop& loop) -> io::Task<void> {
    AdmitStage stage(0);
    Limits limits;
    limits.each_agent.push_back({});
    limits.each_agent.front().requests_per_minute = 1;
    quota::MeterTable meters;
    auto identity = std::make_shared<exchange::Identity>();
    identity->name = "k";
    identity->meters.push_back(meters.meter_of("key", "k", limits));
    const Header planner{"X-Weir-Agent", "planner"}, writer{"x-weir-agent", "writer"};
    auto ask = [&](HeaderList headers) {
      auto caller = std::make_unique<Caller>(loop, "", "10.0.0.1");
      caller->asked.exchange.principal.identity = identity;
      caller->asked.exchange.headers = headers;
      return caller;
    };
    auto first = ask({&planner, 1}), second = ask({&planner, 1}), other = ask({&writer, 1}), none = ask({});
    EXPECT_TRUE(co_await stage.before(first->asked.exchange));
    auto refused = co_await stage.before(second->asked.exchange);
    EXPECT_FALSE(refused);
    if (!refused) EXPECT_EQ(refused.error().reason, "rate_limit_exceeded");
    EXPECT_EQ(second->asked.exchange.reserved.refused_scope, "agent");
    EXPECT_TRUE(co_await stage.before(other->asked.exchange));
    EXPECT_EQ(other->asked.exchange.principal.name(), "k");
    EXPECT_TRUE(co_await stage.before(none->asked.exchange));
    EXPECT_EQ(none->asked.exchange.principal.identity, identity) << "nothing is made for who names no agent";
    EXPECT_EQ(identity->meters.size(), 1u);
  });
}

TEST(Admit, LimitsAddressesThatSendNoKey) {
  testing::run([](io::Loop& loop) -> io::Task<void> {
    AdmitStage stage(1);
    Caller here(loop, "", "10.0.0.1"), again(loop, "", "10.0.0.1"), there(loop, "", "10.0.0.2");
    Caller key_of_that_name(loop, "10.0.0.1", "10.0.0.1"), key(loop, "anonymous", "10.0.0.1");
    EXPECT_EQ(co_await enter(stage, here), "");
    EXPECT_EQ(co_await enter(stage, again), kRefused);
    EXPECT_EQ(co_await enter(stage, there), "");
    EXPECT_EQ(co_await enter(stage, key_of_that_name), "");
    EXPECT_EQ(co_await enter(stage, key), "");
  });
}

}  // namespace
}  // namespace weir::pipeline
