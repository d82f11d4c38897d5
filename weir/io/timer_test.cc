#include "weir/io/timer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <vector>

namespace weir::io {
namespace {

struct Alarm final : Timer {
  void on_timer() override {
    ++fired;
    if (then) then();
  }
  int fired = 0;
  std::function<void()> then;
};

constexpr Duration kTick(TimerWheel::kTickNs);

TEST(TimerTest, FiresAfterItsTimeAndNotBefore) {
  MonoTime start{1'234'567};
  TimerWheel wheel(start);
  Alarm alarm;
  wheel.arm(alarm, start, milliseconds(100));
  EXPECT_TRUE(alarm.armed());
  wheel.advance(start + milliseconds(99));
  EXPECT_EQ(alarm.fired, 0);
  wheel.advance(start + milliseconds(100) + kTick);
  EXPECT_EQ(alarm.fired, 1);
  EXPECT_FALSE(alarm.armed());
  EXPECT_FALSE(wheel.next());
}

TEST(TimerTest, ZeroAndNegativeWaitsFireAtTheNextTick) {
  TimerWheel wheel(MonoTime{0});
  Alarm zero, negative;
  wheel.arm(zero, {0}, Duration(0));
  wheel.arm(negative, {0}, Duration(-5));
  wheel.advance(MonoTime{0} + kTick);
  EXPECT_EQ(zero.fired, 1);
  EXPECT_EQ(negative.fired, 1);
}

TEST(TimerTest, DisarmedOrDestroyedTimersNeverFire) {
  TimerWheel wheel(MonoTime{0});
  Alarm disarmed;
  wheel.arm(disarmed, {0}, milliseconds(50));
  disarmed.disarm();
  auto destroyed = std::make_unique<Alarm>();
  wheel.arm(*destroyed, {0}, milliseconds(50));
  destroyed.reset();
  wheel.advance(MonoTime{0} + seconds(1));
  EXPECT_EQ(disarmed.fired, 0);
}

TEST(TimerTest, AFiringTimerMayArmItselfAndDestroyOthers) {
  TimerWheel wheel(MonoTime{0});
  Alarm first;
  auto other = std::make_unique<Alarm>();
  first.then = [&] {
    other.reset();
    if (first.fired < 3) wheel.arm(first, {first.fired * 8 * TimerWheel::kTickNs}, kTick * 8);
  };
  wheel.arm(first, {0}, kTick * 8);
  wheel.arm(*other, {0}, kTick * 8);
  wheel.advance(MonoTime{0} + kTick * 100);
  EXPECT_EQ(first.fired, 3);
}

TEST(TimerTest, SaysWhenSomethingEarlierIsArmed) {
  TimerWheel wheel(MonoTime{0});
  std::vector<int64_t> told;
  wheel.on_earlier = [&](MonoTime at) { told.push_back(at.ns / TimerWheel::kTickNs); };
  Alarm late, later, early;
  wheel.arm(late, {0}, kTick * 50);
  wheel.arm(later, {0}, kTick * 60);
  wheel.arm(early, {0}, kTick * 20);
  EXPECT_EQ(told, (std::vector<int64_t>{50, 20}));
  ASSERT_TRUE(wheel.next());
  EXPECT_EQ(wheel.next()->ns, 20 * TimerWheel::kTickNs);
}

TEST(TimerTest, ATimeoutCancelsItsScope) {
  TimerWheel wheel(MonoTime{0});
  Cancel scope;
  Timeout timeout(scope, CancelReason::kHeadersTimeout);
  wheel.arm(timeout, {0}, seconds(1));
  wheel.advance(MonoTime{0} + milliseconds(900));
  EXPECT_FALSE(scope.requested());
  wheel.advance(MonoTime{0} + milliseconds(1100));
  EXPECT_EQ(scope.reason(), CancelReason::kHeadersTimeout);
}

// Against a plain list of due times: random arms (from one tick to beyond the wheel's reach), re-arms,
// disarms and steps of time. Never early; fired by every advance at least a tick past the due time; next()
// never later than the earliest timer.
void against_reference(uint64_t seed, int steps) {
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  constexpr int kTimers = 200;
  int64_t now = static_cast<int64_t>(random() % 1'000'000'000'000);
  TimerWheel wheel(MonoTime{now});
  struct Checked final : Timer {
    void on_timer() override {
      EXPECT_GE(*now, due) << "early";
      due = -1;
    }
    int64_t due = -1;
    const int64_t* now = nullptr;
  };
  std::vector<Checked> timers(kTimers);
  for (Checked& timer : timers)
    timer.now = &now;
  auto magnitude = [&](int bits_max) {
    return static_cast<int64_t>(random() >> (64 - 1 - random() % bits_max));
  };
  for (int step = 0; step < steps; ++step) {
    Checked& timer = timers[random() % kTimers];
    switch (random() % 8) {
      case 0:
        timer.disarm();
        timer.due = -1;
        break;
      case 1:
      case 2: {
        now += magnitude(step % 64 == 0 ? 47 : 27);  // now and then days, mostly up to 0.1 s
        wheel.advance(MonoTime{now});
        for (Checked& one : timers) {
          ASSERT_EQ(one.armed(), one.due >= 0);
          if (one.armed()) {
            ASSERT_LT(now - one.due, TimerWheel::kTickNs) << "late";
          }
        }
        break;
      }
      default: {
        int64_t after = magnitude(48);  // up to 78 hours
        wheel.arm(timer, MonoTime{now}, Duration(after));
        timer.due = now + after;
        break;
      }
    }
    int64_t earliest = INT64_MAX;
    for (Checked& one : timers)
      if (one.due >= 0) earliest = std::min(earliest, one.due);
    auto next = wheel.next();
    ASSERT_EQ(next.has_value(), earliest != INT64_MAX);
    if (next) {
      ASSERT_LE(next->ns - earliest, TimerWheel::kTickNs);
    }
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(TimerTest, AgreesWithAPlainListOfDueTimes) {
  for (uint64_t seed = 1; seed <= 20; ++seed)
    against_reference(seed, 3000);
}

}  // namespace
}  // namespace weir::io
