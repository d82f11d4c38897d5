#include "weir/alerts/budget_marks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::alerts {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kNoon = 1'795'262'400;  // 2026-11-21T12:00:00Z

quota::Moment at(int64_t unix_s = kNoon) {
  return quota::Moment::at(MonoTime{1'000'000'000}, WallTime{unix_s * 1'000'000'000});
}

Limits tokens(BudgetPeriod period, int64_t most) {
  Limits limits;
  limits.budgets.push_back({period, std::nullopt, most});
  return limits;
}

struct Desk {
  quota::MeterTable meters;
  BudgetMarks marks;
  std::vector<std::string> news(int64_t unix_s = kNoon) {
    std::vector<std::string> found;
    for (const BudgetNews& n : marks.look(meters, at(unix_s)))
      found.push_back(std::string(name(n.mark)) + " " + subject_of(n));
    return found;
  }
};

void spend(quota::Meter& meter, int64_t amount, int64_t unix_s = kNoon) {
  ASSERT_FALSE(meter.reserve({amount, 0, 0}, at(unix_s)));
  meter.settle({amount, 0, 0}, {amount, 0, 0}, at(unix_s));
}

TEST(BudgetMarks, TellsEachMarkOnce) {
  Desk d;
  auto meter = d.meters.meter_of("key", "k", tokens(BudgetPeriod::kDay, 100));
  d.meters.meter_of("key", "free", {});
  spend(*meter, 79);
  EXPECT_THAT(d.news(), IsEmpty());
  spend(*meter, 1);
  EXPECT_THAT(d.news(), ElementsAre("warning key k, day"));
  spend(*meter, 19);
  EXPECT_THAT(d.news(), IsEmpty());
  spend(*meter, 1);
  EXPECT_THAT(d.news(), ElementsAre("exhausted key k, day"));
  EXPECT_THAT(d.news(), IsEmpty());
}

TEST(BudgetMarks, BothAtOnceWhereALotIsSpentAtOnce) {
  Desk d;
  spend(*d.meters.meter_of("tenant", "acme", tokens(BudgetPeriod::kTotal, 10)), 10);
  EXPECT_THAT(d.news(), ElementsAre("warning tenant acme, total", "exhausted tenant acme, total"));
}

TEST(BudgetMarks, ARefusalBeyondTheWarningIsTheEndAndOneBeforeItIsNot) {
  Desk d;
  auto meter = d.meters.meter_of("key", "k", tokens(BudgetPeriod::kDay, 100));
  EXPECT_TRUE(meter->reserve({1000, 0, 0}, at())) << "a request that asks for too much";
  EXPECT_THAT(d.news(), IsEmpty());
  auto other = d.meters.meter_of("key", "other", tokens(BudgetPeriod::kDay, 100));
  spend(*other, 90);
  EXPECT_THAT(d.news(), ElementsAre("warning key other, day"));
  EXPECT_TRUE(other->reserve({11, 0, 0}, at()));
  EXPECT_THAT(d.news(), ElementsAre("exhausted key other, day"));
}

TEST(BudgetMarks, TheNextPeriodAndAnotherLimitBeginAnew) {
  Desk d;
  constexpr int64_t kTomorrow = kNoon + 86'400;
  auto meter = d.meters.meter_of("key", "k", tokens(BudgetPeriod::kDay, 100));
  spend(*meter, 90);
  EXPECT_TRUE(meter->reserve({11, 0, 0}, at()));
  EXPECT_THAT(d.news(), ElementsAre("warning key k, day", "exhausted key k, day"));
  EXPECT_THAT(d.news(kTomorrow), IsEmpty());
  spend(*meter, 85, kTomorrow);
  EXPECT_THAT(d.news(kTomorrow), ElementsAre("warning key k, day")) << "the refusal was yesterday's";
  meter->set_limits(tokens(BudgetPeriod::kDay, 105));
  EXPECT_THAT(d.news(kTomorrow), ElementsAre("warning key k, day")) << "another limit";
  meter->set_limits(tokens(BudgetPeriod::kDay, 1000));
  EXPECT_THAT(d.news(kTomorrow), IsEmpty());
}

TEST(BudgetMarks, EachPeriodOfABudgetHasItsOwn) {
  Desk d;
  Limits limits = tokens(BudgetPeriod::kDay, 100);
  limits.budgets.push_back({BudgetPeriod::kMonth, std::nullopt, 1000});
  auto meter = d.meters.meter_of("user", "u", limits);
  spend(*meter, 100);
  EXPECT_THAT(d.news(), ElementsAre("warning user u, day", "exhausted user u, day"));
}

TEST(BudgetMarks, SaysWhatIsSpentOfWhat) {
  Desk d;
  Limits limits;
  limits.budgets.push_back({BudgetPeriod::kDay, 2'000'000'000, std::nullopt});
  auto meter = d.meters.meter_of("key", "k", limits);
  ASSERT_FALSE(meter->reserve({1, 1, 1'700'000'000}, at()));
  meter->settle({1, 1, 1'700'000'000}, {1, 1, 1'700'000'000}, at());
  auto news = d.marks.look(d.meters, at());
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(to_json(news[0], kNoon * 1000),
            R"({"scope":"key","id":"k","tenant":"","period":"day","percent":85,"usd":"2.000000000",)"
            R"("spent_usd":"1.700000000","tokens":null,"spent_tokens":2,"resets":1795305600000})");
}

}  // namespace
}  // namespace weir::alerts
