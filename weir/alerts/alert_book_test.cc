#include "weir/alerts/alert_book.h"

#include <gtest/gtest.h>

namespace weir::alerts {
namespace {

AlertRuleSettings rule(std::string name = "errors", int64_t above = 5) {
  AlertRuleSettings r;
  r.name = std::move(name);
  r.above_billionths = above * 1'000'000'000;
  r.hold = seconds(60);
  return r;
}

// A book whose clock a test moves by itself.
struct Scene {
  AlertBook book;
  AlertRuleSettings settings = rule();
  int64_t at_s = 1000;

  std::vector<Alert> see(std::vector<Reading> readings, int64_t after_s = 10) {
    at_s += after_s;
    return book.take(settings, readings, {at_s * 1'000'000'000}, {at_s * 1'000'000'000});
  }
  std::vector<Alert> see(double value, int64_t after_s = 10) { return see({{"", "", value}}, after_s); }
};

TEST(AlertBook, FiresOnceAfterItsTimeAndIsOverOnce) {
  Scene s;
  EXPECT_TRUE(s.see(9).empty());  // 1010
  EXPECT_TRUE(s.see(12, 59).empty());
  EXPECT_TRUE(s.book.burning().empty());
  auto fired = s.see(8, 1);
  ASSERT_EQ(fired.size(), 1u);
  EXPECT_EQ(fired[0].ended_unix_ms, 0);
  EXPECT_EQ(fired[0].since_unix_ms, 1'010'000);
  EXPECT_EQ(fired[0].fired_unix_ms, 1'070'000);
  EXPECT_EQ(fired[0].value, 8);
  EXPECT_EQ(fired[0].above, 5);
  for (int i = 0; i < 100; ++i)
    EXPECT_TRUE(s.see(7).empty());
  EXPECT_EQ(s.book.burning().size(), 1u);
  EXPECT_TRUE(s.see(5).empty());  // the limit itself is not above it
  EXPECT_TRUE(s.see(1, 59).empty());
  auto over = s.see(1, 1);
  ASSERT_EQ(over.size(), 1u);
  EXPECT_EQ(over[0].ended_unix_ms, s.at_s * 1000);
  EXPECT_EQ(over[0].value, 12);  // the worst
  EXPECT_TRUE(s.book.burning().empty());
  for (int i = 0; i < 100; ++i)
    EXPECT_TRUE(s.see(1).empty());
}

TEST(AlertBook, AValueThatGoesUpAndDownSaysNothing) {
  Scene s;
  for (int i = 0; i < 50; ++i)
    EXPECT_TRUE(s.see(i % 2 ? 9 : 1, 50).empty());
  s.see(9);
  ASSERT_EQ(s.see(9, 60).size(), 1u);
  for (int i = 0; i < 50; ++i)
    EXPECT_TRUE(s.see(i % 2 ? 9 : 1, 50).empty());
  EXPECT_EQ(s.book.burning().size(), 1u);
}

TEST(AlertBook, WithoutAHoldItFiresAtOnce) {
  Scene s;
  s.settings.hold = milliseconds(0);
  EXPECT_EQ(s.see(6).size(), 1u);
  EXPECT_EQ(s.see(4).size(), 1u);
  EXPECT_EQ(s.see(6).size(), 1u);
}

TEST(AlertBook, EachSubjectIsAnAlertOfItsOwn) {
  Scene s;
  s.settings.hold = milliseconds(0);
  auto fired = s.see({{"model a", "", 9}, {"model b", "", 1}, {"model c", "t", 7}});
  ASSERT_EQ(fired.size(), 2u);
  EXPECT_EQ(fired[0].subject, "model a");
  EXPECT_EQ(fired[1].tenant, "t");
  // One is gone, one falls, one rises.
  auto changed = s.see({{"model b", "", 6}, {"model c", "t", 2}});
  ASSERT_EQ(changed.size(), 3u);
  EXPECT_EQ(s.book.burning().size(), 1u);
  EXPECT_EQ(s.book.burning()[0].subject, "model b");
}

TEST(AlertBook, NoReadingIsNotAbove) {
  Scene s;
  s.see(9);
  ASSERT_EQ(s.see(9, 60).size(), 1u);
  EXPECT_TRUE(s.see(std::vector<Reading>{}).empty());
  EXPECT_EQ(s.see(std::vector<Reading>{}, 60).size(), 1u);
}

TEST(AlertBook, ARuleThatIsGoneEndsItsAlerts) {
  Scene s;
  s.settings.hold = milliseconds(0);
  s.see(9);
  EXPECT_TRUE(s.book.keep_only(std::vector{rule("errors"), rule("other")}, {}).empty());
  auto over = s.book.keep_only(std::vector{rule("other")}, {2'000'000'000'000});
  ASSERT_EQ(over.size(), 1u);
  EXPECT_EQ(over[0].ended_unix_ms, 2'000'000);
  EXPECT_TRUE(s.book.burning().empty());
}

TEST(AlertBook, WhatBurnedBeforeDoesNotFireAgain) {
  Scene s;
  Alert alert;
  alert.rule = "errors";
  alert.value = 20;
  alert.fired_unix_ms = 5;
  s.book.restore(alert);
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(s.see(9).empty());
  EXPECT_EQ(s.book.burning().at(0).fired_unix_ms, 5);
  s.see(1);
  EXPECT_EQ(s.see(1, 60).size(), 1u);
}

TEST(AlertBook, AChangedLimitCountsFromNowOn) {
  Scene s;
  s.settings.hold = milliseconds(0);
  s.see(9);
  s.settings = rule("errors", 10);
  s.settings.hold = milliseconds(0);
  EXPECT_EQ(s.see(9).size(), 1u);  // over
}

TEST(AlertBook, TheNumberOfSubjectsIsBounded) {
  Scene s;
  s.settings.hold = milliseconds(0);
  std::vector<Reading> many;
  for (size_t i = 0; i < 2 * AlertBook::kSubjectsMax; ++i)
    many.push_back({"model " + std::to_string(i), "", 9});
  EXPECT_EQ(s.see(many).size(), AlertBook::kSubjectsMax);
}

}  // namespace
}  // namespace weir::alerts
