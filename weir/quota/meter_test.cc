#include "weir/quota/meter.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "weir/base/time_text.h"
#include "weir/quota/meter_table.h"

namespace weir::quota {
namespace {

constexpr int64_t kNoon = 1'795'262'400;  // 2026-11-21T12:00:00Z

Moment at(double mono_s, int64_t unix_s = kNoon) {
  return Moment::at(MonoTime{static_cast<int64_t>(mono_s * 1e9)}, WallTime{unix_s * 1'000'000'000});
}

Limits with_budget(BudgetPeriod period, std::optional<int64_t> money, std::optional<int64_t> tokens = {}) {
  Limits limits;
  limits.budgets.push_back({period, money, tokens});
  return limits;
}

struct One : Meter {
  explicit One(const Limits& limits, const store::SpentInPeriods& spent = {})
      : Meter("key", "k", "t", spent, at(1000)) {
    set_limits(limits);
  }
};

TEST(Moment, KnowsItsPeriods) {
  Moment noon = at(1);
  EXPECT_EQ(noon.day_begins_s(), kNoon - 43'200);
  EXPECT_EQ(rfc3339(WallTime{noon.month_begins_s() * 1'000'000'000}).substr(0, 19), "2026-11-01T00:00:00");
  EXPECT_EQ(noon.seconds_left(BudgetPeriod::kDay), 43'200);
  EXPECT_EQ(noon.seconds_left(BudgetPeriod::kMonth), 9 * 86'400 + 43'200);
  EXPECT_EQ(noon.seconds_left(BudgetPeriod::kTotal), 0);
  EXPECT_EQ(at(1, kNoon + 41 * 86'400).seconds_left(BudgetPeriod::kMonth), 30 * 86'400 + 43'200)
      << "December ends the year";
}

TEST(Meter, GivesAMinutesRequestsAtOnceAndThenAsManyAsFlowOut) {
  One meter({.requests_per_minute = 60});
  for (int i = 0; i < 60; ++i)
    EXPECT_FALSE(meter.take_request(at(1000)));
  auto no = meter.take_request(at(1000));
  ASSERT_TRUE(no);
  EXPECT_EQ(no->limit, Limit::kRequests);
  EXPECT_EQ(no->retry_after_s, 1);
  EXPECT_FALSE(meter.take_request(at(1001)));
  EXPECT_TRUE(meter.take_request(at(1001)));
  meter.give_back_request();
  EXPECT_FALSE(meter.take_request(at(1001)));
  int served = 0;
  for (double t = 1001; t < 1121; t += 0.01)
    served += !meter.take_request(at(t));
  EXPECT_EQ(served, 119);
}

TEST(Meter, TokensAreReservedAtTheirWorstAndSettled) {
  One meter({.input_tokens_per_minute = 1000, .output_tokens_per_minute = 600});
  ASSERT_FALSE(meter.reserve({400, 600, 0}, at(1000)));
  auto no = meter.reserve({400, 1, 0}, at(1000));
  ASSERT_TRUE(no);
  EXPECT_EQ(no->limit, Limit::kOutputTokens);
  meter.settle({400, 600, 0}, {300, 20, 0}, at(1000));
  ASSERT_FALSE(meter.reserve({700, 580, 0}, at(1000)))
      << "what was not used came back, and the refused took nothing";
  no = meter.reserve({1, 0, 0}, at(1000));
  ASSERT_TRUE(no);
  EXPECT_EQ(no->limit, Limit::kInputTokens);
  EXPECT_EQ(no->retry_after_s, 1);
}

// Otherwise nobody could ever ask for it.
TEST(Meter, ARequestLargerThanAMinuteWaitsForAnEmptyCellAndOwesTheRest) {
  One meter({.output_tokens_per_minute = 100});
  ASSERT_FALSE(meter.reserve({0, 5000, 0}, at(1000)));
  EXPECT_TRUE(meter.reserve({0, 1, 0}, at(1000)));
  meter.settle({0, 5000, 0}, {0, 300, 0}, at(1001));
  EXPECT_TRUE(meter.reserve({0, 1, 0}, at(1100)));
  EXPECT_FALSE(meter.reserve({0, 1, 0}, at(1121)))
      << "three minutes' worth were used; one may always lie ahead";
}

TEST(Meter, CountsStreams) {
  One meter({.streams = 2});
  EXPECT_FALSE(meter.take_stream(at(1000)));
  EXPECT_FALSE(meter.take_stream(at(1000)));
  EXPECT_EQ(meter.take_stream(at(1000))->limit, Limit::kStreams);
  meter.give_back_stream();
  EXPECT_FALSE(meter.take_stream(at(1000)));
  EXPECT_EQ(meter.streams(), 2);
}

TEST(Meter, ABudgetEndsAtItsLimit) {
  One meter(with_budget(BudgetPeriod::kTotal, 100));
  ASSERT_FALSE(meter.reserve({0, 0, 60}, at(1000)));
  auto no = meter.reserve({0, 0, 41}, at(1000));
  ASSERT_TRUE(no);
  EXPECT_EQ(no->limit, Limit::kBudget);
  EXPECT_FALSE(no->tokens);
  EXPECT_EQ(no->retry_after_s, 0) << "a total has no end";
  meter.settle({0, 0, 60}, {0, 0, 59}, at(1000));
  ASSERT_FALSE(meter.reserve({0, 0, 41}, at(1000)));
  EXPECT_TRUE(meter.reserve({0, 0, 1}, at(1000)));
  EXPECT_FALSE(meter.reserve({5, 5, 0}, at(1000))) << "what costs nothing is no matter of money";
}

TEST(Meter, TheLowestBudgetDecides) {
  Limits limits = with_budget(BudgetPeriod::kMonth, 1000, 500);
  limits.budgets.push_back({BudgetPeriod::kDay, 100, {}});
  One meter(limits);
  ASSERT_FALSE(meter.reserve({0, 0, 100}, at(1000)));
  auto no = meter.reserve({0, 0, 1}, at(1000));
  ASSERT_TRUE(no);
  EXPECT_EQ(no->period, BudgetPeriod::kDay);
  EXPECT_EQ(no->retry_after_s, 43'200);
  no = meter.reserve({400, 101, 0}, at(1000));
  ASSERT_TRUE(no);
  EXPECT_EQ(no->period, BudgetPeriod::kMonth);
  EXPECT_TRUE(no->tokens);
  meter.settle({0, 0, 100}, {0, 0, 100}, at(1000));
  EXPECT_FALSE(meter.reserve({0, 0, 100}, at(1000, kNoon + 86'400))) << "a new day";
}

TEST(Meter, AReservationOverTheEndOfAPeriodCountsInTheNext) {
  One meter(with_budget(BudgetPeriod::kDay, 100));
  ASSERT_FALSE(meter.reserve({0, 0, 40}, at(1000)));
  meter.settle({0, 0, 40}, {0, 0, 40}, at(1000));
  ASSERT_FALSE(meter.reserve({0, 0, 60}, at(1000)));
  Moment tomorrow = at(1000, kNoon + 86'400);
  EXPECT_TRUE(meter.reserve({0, 0, 41}, tomorrow));
  meter.settle({0, 0, 60}, {0, 0, 10}, tomorrow);
  EXPECT_EQ(meter.budgets(tomorrow).front().spent_nanodollars, 10);
  EXPECT_FALSE(meter.reserve({0, 0, 90}, tomorrow));
  EXPECT_TRUE(meter.reserve({0, 0, 1}, tomorrow));
}

// A30: a clock that is set back gives nobody a second budget, and rates do not look at it.
TEST(Meter, A30AClockThatJumpsRefillsNothing) {
  Limits limits = with_budget(BudgetPeriod::kDay, 100);
  limits.requests_per_minute = 1;
  One meter(limits);
  ASSERT_FALSE(meter.take_request(at(1000)));
  ASSERT_FALSE(meter.reserve({0, 0, 100}, at(1000)));
  meter.settle({0, 0, 100}, {0, 0, 100}, at(1000));
  for (int64_t jump : {-3600, 3600, -86'400, -400 * 86'400}) {
    EXPECT_TRUE(meter.reserve({0, 0, 1}, at(1001, kNoon + jump))) << jump;
    EXPECT_TRUE(meter.take_request(at(1001, kNoon + jump))) << jump;
  }
  Moment tomorrow = at(1001, kNoon + 86'400);
  ASSERT_FALSE(meter.reserve({0, 0, 100}, tomorrow)) << "the next day begins once";
  meter.settle({0, 0, 100}, {0, 0, 100}, tomorrow);
  EXPECT_TRUE(meter.reserve({0, 0, 1}, at(1002)));
  EXPECT_TRUE(meter.reserve({0, 0, 1}, at(1003, kNoon + 86'400)));
  EXPECT_FALSE(meter.take_request(at(1060))) << "never all-deny";
}

TEST(Meter, BeginsWithWhatWasSpent) {
  Limits limits = with_budget(BudgetPeriod::kDay, 100);
  limits.budgets.push_back({BudgetPeriod::kMonth, 1000, {}});
  limits.budgets.push_back({BudgetPeriod::kTotal, 10'000, {}});
  One meter(limits, {{90, 1}, {990, 2}, {9'000, 3}});
  auto views = meter.budgets(at(1000));
  ASSERT_EQ(views.size(), 3u);
  EXPECT_EQ(views[0].spent_nanodollars, 90);
  EXPECT_EQ(views[1].spent_nanodollars, 990);
  EXPECT_EQ(views[2].spent_nanodollars, 9'000);
  EXPECT_EQ(views[2].spent_tokens, 3);
  EXPECT_FALSE(meter.reserve({0, 0, 10}, at(1000)));
  EXPECT_TRUE(meter.reserve({0, 0, 1}, at(1000)));
  auto share = meter.share(at(1000), 80);
  ASSERT_TRUE(share);
  EXPECT_EQ(share->percent, 99);
  EXPECT_EQ(share->period, BudgetPeriod::kMonth);
  EXPECT_FALSE(meter.share(at(1000), 100));
}

TEST(Meter, LimitsChangeAndCountsStay) {
  One meter({});
  EXPECT_FALSE(meter.limited());
  ASSERT_FALSE(meter.reserve({10, 10, 70}, at(1000)));
  meter.set_limits(with_budget(BudgetPeriod::kMonth, 100));
  EXPECT_TRUE(meter.limited());
  EXPECT_TRUE(meter.reserve({0, 0, 31}, at(1000))) << "what was reserved before the limit came counts";
  meter.settle({10, 10, 70}, {10, 10, 70}, at(1000));
  EXPECT_TRUE(meter.reserve({0, 0, 31}, at(1000)));
  meter.set_limits(with_budget(BudgetPeriod::kMonth, 101));
  EXPECT_FALSE(meter.reserve({0, 0, 31}, at(1000)));
  meter.set_limits(with_budget(BudgetPeriod::kMonth, 10));
  EXPECT_TRUE(meter.reserve({0, 0, 1}, at(1000)));
}

TEST(Meters, AllOrNone) {
  MeterTable table;
  std::vector<std::shared_ptr<Meter>> meters{
      table.meter_of("key", "k", with_budget(BudgetPeriod::kTotal, 1000)),
      table.meter_of("tenant", "t", with_budget(BudgetPeriod::kTotal, 100))};
  auto no = reserve(meters, {1, 2, 101}, at(1000));
  ASSERT_TRUE(no);
  EXPECT_EQ(no->meter, meters[1].get());
  EXPECT_EQ(meters[0]->budgets(at(1000)).front().reserved_nanodollars, 0);
  ASSERT_FALSE(reserve(meters, {1, 2, 100}, at(1000)));
  settle(meters, {1, 2, 100}, {1, 1, 50}, at(1000));
  EXPECT_EQ(meters[0]->budgets(at(1000)).front().spent_nanodollars, 50);
  EXPECT_EQ(table.with_budgets(at(1000), 10).size(), 2u);
}

TEST(MeterTable, KeepsCountsOverReloadsAndBeginsWithTheLedgerAndTheRings) {
  MeterTable table;
  store::SpentByScope spent;
  spent["key"]["team-a"] = {{10, 0}, {20, 0}, {30, 0}};
  table.begin_with(std::move(spent), at(1000));
  telemetry::Event waiting{.event_class = telemetry::EventClass::kUsage,
                           .received_unix_ns = kNoon * 1'000'000'000,
                           .ended_us = 5,
                           .input_tokens = 7,
                           .output_tokens = -1,
                           .cost_nanodollars = 5};
  waiting.text(telemetry::EventText::kPrincipal) = "team-a";
  waiting.text(telemetry::EventText::kTenant) = "t";
  table.add_waiting(waiting);
  waiting.received_unix_ns -= int64_t{86'400} * 1'000'000'000;
  table.add_waiting(waiting);
  waiting.event_class = telemetry::EventClass::kTelemetry;
  table.add_waiting(waiting);
  auto views = table.meter_of("key", "team-a", with_budget(BudgetPeriod::kDay, 100))->budgets(at(1000));
  EXPECT_EQ(views.front().spent_nanodollars, 15);
  EXPECT_EQ(views.front().spent_tokens, 7);
  views = table.meter_of("key", "team-a", with_budget(BudgetPeriod::kMonth, 100))->budgets(at(1000));
  EXPECT_EQ(views.front().spent_nanodollars, 30);
  views = table.meter_of("tenant", "t", with_budget(BudgetPeriod::kTotal, 100))->budgets(at(1000));
  EXPECT_EQ(views.front().spent_nanodollars, 10);
}

// The property: whatever threads do, and whenever the day changes, no budget is ever passed, and in the end
// what is spent is what was settled.
TEST(MeterProperty, ManyThreadsNeverPassABudget) {
  for (unsigned round = 0; round < 6; ++round) {
    MeterTable table;
    constexpr int64_t kKey = 300'000, kTenant = 500'000;
    std::vector<std::vector<std::shared_ptr<Meter>>> identities;
    for (int k = 0; k < 3; ++k)
      identities.push_back(
          {table.meter_of("key", std::to_string(k), with_budget(BudgetPeriod::kDay, kKey, kKey)),
           table.meter_of("tenant", "t", with_budget(BudgetPeriod::kDay, kTenant))});
    std::atomic<int64_t> day{0}, settled{0};
    std::array<std::atomic<int64_t>, 3> settled_of{};
    std::atomic<bool> passed{false}, refused{false};
    auto work = [&](unsigned seed) {
      std::mt19937 random(seed);
      for (int i = 0; i < 20'000; ++i) {
        if (seed == round * 10 && i == 10'000) day = 1;
        Moment now = at(1000, kNoon + 86'400 * day.load());
        size_t k = random() % 3;
        Amounts worst{static_cast<int64_t>(random() % 50), static_cast<int64_t>(random() % 50),
                      static_cast<int64_t>(random() % 400)};
        if (reserve(identities[k], worst, now)) {
          refused = true;
          continue;
        }
        Amounts used{worst.input_tokens, worst.output_tokens ? worst.output_tokens - 1 : 0,
                     worst.nanodollars ? static_cast<int64_t>(random()) % worst.nanodollars : 0};
        if (used.nanodollars < 0) used.nanodollars = -used.nanodollars;
        settle(identities[k], worst, used, now);
        settled += used.nanodollars;
        settled_of[k] += used.nanodollars;
        for (const auto& meter : identities[k])
          for (const Meter::BudgetView& view : meter->budgets(now))
            if (view.spent_nanodollars > *view.budget.nanodollars ||
                (view.budget.tokens && view.spent_tokens > *view.budget.tokens))
              passed = true;
      }
    };
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 8; ++t)
      threads.emplace_back(work, round * 10 + t);
    threads.clear();
    EXPECT_FALSE(passed);
    EXPECT_TRUE(refused) << "the budgets were never reached: this proves nothing";
    // In all, as a total that nobody limits.
    for (size_t k = 0; k < 3; ++k) {
      identities[k][0]->set_limits(with_budget(BudgetPeriod::kTotal, 1));
      auto view = identities[k][0]->budgets(at(1000)).front();
      EXPECT_EQ(view.spent_nanodollars, settled_of[k].load());
      EXPECT_EQ(view.reserved_nanodollars, 0);
      EXPECT_EQ(view.reserved_tokens, 0);
    }
    identities[0][1]->set_limits(with_budget(BudgetPeriod::kTotal, 1));
    EXPECT_EQ(identities[0][1]->budgets(at(1000)).front().spent_nanodollars, settled.load());
  }
}

}  // namespace
}  // namespace weir::quota
