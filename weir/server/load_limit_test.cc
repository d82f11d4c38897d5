// The limit on made-up times: the loop's delay is what each test says it is.
#include "weir/server/load_limit.h"

#include <gtest/gtest.h>

namespace weir::server {
namespace {

constexpr Duration kTarget = milliseconds(50);

struct Scene {
  Scene() { limit.set_target(kTarget); }
  /// One interval in which `under_way` requests stand and the delay is at least `delay`. Refusals in it.
  int interval(Duration delay, size_t under_way) {
    int refused = 0;
    for (int i = 0; i < 10; ++i) {
      refused += !limit.admits(now, delay + milliseconds(i % 3), under_way);
      now = now + LoadLimit::kInterval / 10;
    }
    return refused;
  }
  LoadLimit limit;
  MonoTime now{1'000'000'000'000};
};

TEST(LoadLimit, RefusesNobodyWhileTheLoopIsOnTime) {
  Scene s;
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(s.interval(kTarget, 100'000), 0);
  EXPECT_EQ(s.limit.limit(), LoadLimit::kNone);
}

TEST(LoadLimit, ScalesWhatIsUnderWayByTargetOverDelay) {
  Scene s;
  s.interval(milliseconds(100), 2000);
  s.interval(milliseconds(100), 1000);
  EXPECT_EQ(s.limit.limit(), 1000u);
  s.interval(milliseconds(62), 1000);
  EXPECT_EQ(s.limit.limit(), 500u);  // of the interval before, a half at most
  EXPECT_EQ(s.interval(kTarget, 499), 0);
  EXPECT_GT(s.interval(kTarget, 1000), 0);
}

TEST(LoadLimit, ABurstThatIsWorkedOffIsNoOverload) {
  Scene s;
  for (int i = 0; i < 10; ++i) {
    s.limit.admits(s.now, milliseconds(500), 3000);
    s.interval(milliseconds(1), 3000);
  }
  EXPECT_EQ(s.limit.limit(), LoadLimit::kNone);
}

TEST(LoadLimit, LongRequestsThatEndSlowlyDoNotPullItDown) {
  Scene s;
  for (int i = 0; i < 40; ++i)
    s.interval(milliseconds(60), 6000);  // they are all still there
  EXPECT_NEAR(static_cast<double>(s.limit.limit()), 5000, 1);
}

TEST(LoadLimit, NeverGoesBelowTheFloor) {
  Scene s;
  for (int i = 0; i < 40; ++i)
    s.interval(seconds(10), LoadLimit::kFloor - 1);
  EXPECT_EQ(s.limit.limit(), LoadLimit::kFloor);
  EXPECT_EQ(s.interval(seconds(10), LoadLimit::kFloor - 1), 0);
}

TEST(LoadLimit, GrowsAgainWhileItBindsAndIsForgottenWhenItDoesNot) {
  Scene s;
  for (int i = 0; i < 3; ++i)
    s.interval(milliseconds(100), 800);
  EXPECT_EQ(s.limit.limit(), 400u);
  s.interval(milliseconds(1), 400);  // closes the last late one, and is full
  size_t before = s.limit.limit();
  s.interval(milliseconds(1), 0);
  EXPECT_EQ(s.limit.limit(), before + before / 8);
  for (int i = 0; i < 20; ++i)
    s.interval(milliseconds(1), 10);
  EXPECT_EQ(s.limit.limit(), LoadLimit::kNone);
}

TEST(LoadLimit, WhatWasSeenBeforeAPauseIsOld) {
  Scene s;
  s.interval(milliseconds(100), 800);
  s.now = s.now + seconds(5);
  EXPECT_EQ(s.interval(milliseconds(1), 800), 0);
  EXPECT_EQ(s.limit.limit(), LoadLimit::kNone);
}

TEST(LoadLimit, ALoopWhoseRoundsAreLongerThanAnIntervalIsLate) {
  Scene s;
  size_t under_way = 8000;
  for (int round = 0; round < 10; ++round) {
    s.limit.admits(s.now, milliseconds(900), under_way);
    s.limit.admits(s.now + milliseconds(1), milliseconds(900), under_way);
    s.now = s.now + milliseconds(900);
    under_way = std::min(under_way, s.limit.limit());
  }
  EXPECT_LT(s.limit.limit(), 500u);
}

TEST(LoadLimit, AMachineThatStandsStillOnceIsNoOverload) {
  Scene s;
  s.interval(milliseconds(1), 800);
  s.now = s.now + milliseconds(900);
  EXPECT_TRUE(s.limit.admits(s.now, milliseconds(900), 800));
  EXPECT_EQ(s.interval(milliseconds(1), 800), 0);
  EXPECT_EQ(s.interval(milliseconds(1), 800), 0);
}

TEST(LoadLimit, WithoutATargetThereIsNone) {
  Scene s;
  s.interval(seconds(1), 800);
  s.interval(seconds(1), 800);
  EXPECT_EQ(s.limit.limit(), 400u);
  s.limit.set_target(Duration(0));
  s.interval(seconds(1), 800);
  s.interval(seconds(1), 800);
  EXPECT_EQ(s.limit.limit(), LoadLimit::kNone);
}

}  // namespace
}  // namespace weir::server
