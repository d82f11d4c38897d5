// When a target rests, and how it comes back: on a clock of the test's own.
#include "weir/upstream/breaker.h"

#include <gtest/gtest.h>

#include "weir/upstream/retry_budget.h"

namespace weir::upstream {
namespace {

using State = Breaker::State;

struct Clock {
  MonoTime now{1'000'000'000};
  void pass(Duration d) { now = now + d; }
};

HealthSettings settings() {
  HealthSettings s;
  s.failures = 3;
  s.rest = milliseconds(1000);
  s.rest_max = milliseconds(4000);
  s.slow_start = milliseconds(10'000);
  return s;
}

void fail_once(Breaker& b, Clock& c) {
  b.begin().failed(c.now);
}

void open(Breaker& b, Clock& c) {
  for (int i = 0; i < 3; ++i)
    fail_once(b, c);
}

TEST(Breaker, FailuresInARowMakeItRest) {
  Breaker b(settings(), true);
  Clock c;
  fail_once(b, c);
  fail_once(b, c);
  b.begin().succeeded(c.now);
  fail_once(b, c);
  fail_once(b, c);
  EXPECT_TRUE(b.admits(c.now, 0));
  fail_once(b, c);
  EXPECT_EQ(b.state(), State::kResting);
  EXPECT_FALSE(b.admits(c.now, 0));
}

TEST(Breaker, HalfOfTheLastTwentyDoToo) {
  Breaker b(settings(), true);
  Clock c;
  int calls = 0;
  while (b.state() == State::kClosed && calls < 100) {
    if (calls++ % 2 == 0)
      b.begin().succeeded(c.now);
    else
      fail_once(b, c);
  }
  EXPECT_EQ(calls, 20);
}

TEST(Breaker, WhatSaysNothingChangesNothing) {
  Breaker b(settings(), true);
  Clock c;
  for (int i = 0; i < 100; ++i)
    b.begin();
  EXPECT_EQ(b.state(), State::kClosed);
  open(b, c);
  c.pass(seconds(1));
  b.check(c.now, true);
  {
    Breaker::Call left = b.begin();
  }
  EXPECT_EQ(b.state(), State::kTrial);
  EXPECT_TRUE(b.admits(c.now, 0));  // the place of the trial is free again
}

TEST(Breaker, ACheckAfterTheRestAllowsOneTrial) {
  Breaker b(settings(), true);
  Clock c;
  open(b, c);
  EXPECT_FALSE(b.wants_check(c.now));
  b.check(c.now, true);  // too early: it has its rest
  EXPECT_EQ(b.state(), State::kResting);
  c.pass(milliseconds(1000));
  EXPECT_TRUE(b.wants_check(c.now));
  EXPECT_FALSE(b.admits(c.now, 0));
  b.check(c.now, true);
  EXPECT_TRUE(b.admits(c.now, 0));
  Breaker::Call trial = b.begin();
  EXPECT_FALSE(b.admits(c.now, 0));
  trial.output(c.now);
  EXPECT_EQ(b.state(), State::kClosed);
}

TEST(Breaker, WithoutChecksTheEndOfTheRestDoes) {
  Breaker b(settings(), false);
  Clock c;
  open(b, c);
  c.pass(milliseconds(999));
  EXPECT_FALSE(b.admits(c.now, 0));
  c.pass(milliseconds(1));
  EXPECT_TRUE(b.admits(c.now, 0));
  EXPECT_EQ(b.state(), State::kTrial);
}

TEST(Breaker, EachFailedTrialDoublesTheRest) {
  Breaker b(settings(), true);
  Clock c;
  open(b, c);
  for (int expected : {1000, 2000, 4000, 4000}) {
    EXPECT_EQ(b.rests_until() - c.now, milliseconds(expected));
    c.pass(milliseconds(expected));
    b.check(c.now, true);
    fail_once(b, c);
  }
  c.pass(seconds(4));
  b.check(c.now, false);  // nobody there
  EXPECT_EQ(b.rests_until() - c.now, milliseconds(4000));
  c.pass(seconds(4));
  b.check(c.now, true);
  b.begin().succeeded(c.now);
  c.pass(seconds(60));
  open(b, c);
  EXPECT_EQ(b.rests_until() - c.now, milliseconds(1000)) << "it was well for long";
}

TEST(Breaker, CallsFromBeforeTheRestSayNothing) {
  Breaker b(settings(), true);
  Clock c;
  Breaker::Call old = b.begin(), older = b.begin();
  open(b, c);
  MonoTime until = b.rests_until();
  old.failed(c.now);
  older.succeeded(c.now);
  EXPECT_EQ(b.state(), State::kResting);
  EXPECT_EQ(b.rests_until(), until);
}

TEST(Breaker, BackAgainItsShareGrows) {
  Breaker b(settings(), true);
  Clock c;
  open(b, c);
  c.pass(seconds(1));
  b.check(c.now, true);
  b.begin().succeeded(c.now);
  EXPECT_TRUE(b.admits(c.now, 9));
  EXPECT_FALSE(b.admits(c.now, 10));
  c.pass(seconds(5));
  EXPECT_TRUE(b.admits(c.now, 49));
  EXPECT_FALSE(b.admits(c.now, 50));
  c.pass(seconds(5));
  EXPECT_TRUE(b.admits(c.now, 99));
}

TEST(Breaker, ABusyOneGetsTheTimeItAskedFor) {
  Breaker b(settings(), true);
  Clock c;
  b.begin().busy(c.now, seconds(7));
  EXPECT_FALSE(b.admits(c.now, 0));
  EXPECT_EQ(b.state(), State::kClosed);
  c.pass(seconds(7));
  EXPECT_TRUE(b.admits(c.now, 0));
}

TEST(Breaker, ACheckThatFindsNobodyEndsAGoodTime) {
  Breaker b(settings(), true);
  Clock c;
  b.check(c.now, true);
  EXPECT_EQ(b.state(), State::kClosed);
  b.check(c.now, false);
  EXPECT_EQ(b.state(), State::kResting);
}

TEST(RetryBudget, IsAPartOfTheRequestsAndAFloor) {
  RetryBudget budget(20);
  MonoTime now{1'000'000'000'000};
  int taken = 0;
  for (int i = 0; i < 100; ++i)
    taken += budget.take(now);
  EXPECT_EQ(taken, 2);  // the floor of a second
  for (int i = 0; i < 1000; ++i)
    budget.deposit();
  for (int i = 0; i < 1000; ++i)
    taken += budget.take(now);
  EXPECT_EQ(taken, 2 + 100);  // no more than this is saved up
  for (int i = 0; i < 50; ++i)
    budget.deposit();
  for (int i = 0; i < 50; ++i)
    taken += budget.take(now);
  EXPECT_EQ(taken, 2 + 100 + 10);
  taken = 0;
  for (int second = 0; second < 10; ++second) {
    now = now + seconds(1);
    for (int i = 0; i < 10; ++i)
      taken += budget.take(now);
  }
  EXPECT_EQ(taken, 20);
  RetryBudget none(0);
  EXPECT_FALSE(none.take(now));
}

}  // namespace
}  // namespace weir::upstream
