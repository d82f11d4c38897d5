#include "weir/quota/agent_meters.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

#include "weir/quota/meter_table.h"

namespace weir::quota {
namespace {

Moment at(double mono_s) {
  return Moment::at(MonoTime{static_cast<int64_t>(mono_s * 1e9)}, WallTime{1'795'262'400'000'000'000});
}

Limits each_agent(const Limits& limits) {
  Limits of;
  of.each_agent.push_back(limits);
  return of;
}

TEST(AgentMeters, EachAgentOfAScopeHasItsOwn) {
  MeterTable table;
  auto key = table.meter_of("key", "k", each_agent({.requests_per_minute = 2}), "acme");
  EXPECT_FALSE(key->limited()) << "the key itself is not limited";
  auto planner = key->of_agent("planner", at(100)), writer = key->of_agent("writer", at(100));
  ASSERT_TRUE(planner && writer);
  EXPECT_EQ(key->of_agent("planner", at(100)), planner);
  EXPECT_EQ(planner->scope(), "agent");
  EXPECT_EQ(planner->id(), "planner");
  EXPECT_EQ(planner->tenant(), "acme");
  EXPECT_FALSE(planner->take_request(at(100)));
  EXPECT_FALSE(planner->take_request(at(100)));
  EXPECT_TRUE(planner->take_request(at(100)));
  EXPECT_FALSE(writer->take_request(at(100)));
  auto other = table.meter_of("key", "other", each_agent({.requests_per_minute = 2}));
  EXPECT_NE(other->of_agent("planner", at(100)), planner) << "a name is its scope's";
  EXPECT_TRUE(table.limited().empty()) << "nothing of it is leased";
}

TEST(AgentMeters, WithoutLimitsThereAreNone) {
  MeterTable table;
  auto key = table.meter_of("key", "k", {.requests_per_minute = 1});
  EXPECT_FALSE(key->per_agent());
  EXPECT_EQ(key->of_agent("planner", at(100)), nullptr);
}

TEST(AgentMeters, LimitsThatChangeKeepTheirCounts) {
  MeterTable table;
  auto key = table.meter_of("key", "k", each_agent({.streams = 1}));
  auto planner = key->of_agent("planner", at(100));
  EXPECT_FALSE(planner->take_stream(at(100)));
  EXPECT_TRUE(planner->take_stream(at(100)));
  table.meter_of("key", "k", each_agent({.streams = 2}));
  EXPECT_EQ(key->of_agent("planner", at(100)), planner);
  EXPECT_FALSE(planner->take_stream(at(100)));
  EXPECT_TRUE(planner->take_stream(at(100)));
  table.meter_of("key", "k", {});
  EXPECT_FALSE(key->per_agent());
  EXPECT_EQ(key->of_agent("planner", at(100)), nullptr);
  EXPECT_FALSE(planner->limited()) << "who was let in by it is not held any more";
}

TEST(AgentMeters, NamesHaveABoundAndTheRestSharesOne) {
  AgentMeters agents("acme");
  agents.set_limits({.requests_per_minute = 1});
  for (size_t i = 0; i < AgentMeters::kNamesMax; ++i)
    EXPECT_FALSE(agents.of(fmt::format("agent-{}", i), at(100))->take_request(at(100)));
  auto one = agents.of("one more", at(100)), two = agents.of("two more", at(100));
  EXPECT_EQ(one, two);
  EXPECT_EQ(agents.names(), AgentMeters::kNamesMax);
  EXPECT_FALSE(one->take_request(at(100)));
  EXPECT_TRUE(two->take_request(at(100)));
  EXPECT_TRUE(agents.of("agent-7", at(100))->take_request(at(100))) << "who has a place keeps it";
  // A minute later their cells are empty: they are as if they had never been.
  EXPECT_FALSE(agents.of("agent-7", at(150))->take_stream(at(150)));
  EXPECT_NE(agents.of("three more", at(161)), one);
  EXPECT_EQ(agents.names(), 2u) << "agent-7 has a stream under way";
}

TEST(AgentMeters, WhatIsInUseIsNotForgotten) {
  AgentMeters agents("");
  agents.set_limits({.streams = 1});
  auto held = agents.of("held", at(1));
  for (size_t i = 1; i < AgentMeters::kNamesMax; ++i)
    agents.of(fmt::format("agent-{}", i), at(1));
  agents.of("new", at(100));
  EXPECT_EQ(agents.of("held", at(100)), held);
  EXPECT_EQ(agents.names(), 2u);
}

TEST(AgentMeters, ManyThreadsMayAskAtOnce) {
  MeterTable table;
  auto key = table.meter_of("key", "k", each_agent({.requests_per_minute = 50}));
  std::atomic<int> taken{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        taken += !key->of_agent("planner", at(100))->take_request(at(100));
        if (i % 10 == 0) table.meter_of("key", "k", each_agent({.requests_per_minute = 50}));
      }
    });
  threads.clear();
  EXPECT_EQ(taken, 50);
}

}  // namespace
}  // namespace weir::quota
