// Which targets have a breaker, and how the checks of their providers bring them back: with providers that
// say what the test wants, on a real loop.
#include "weir/upstream/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weir/io/net/test_loop.h"

namespace weir::upstream {
namespace {

using io::Task;
using io::net::TestLoop;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using State = Breaker::State;

class Checked final : public Provider {
 public:
  explicit Checked(std::string name) : name_(std::move(name)) {}
  std::string_view name() const override { return name_; }
  Task<Result<void>> call(const Attempt&, io::Cancel&) override { co_return Result<void>{}; }
  Task<bool> alive(io::Cancel& cancel) override {
    ++asked;
    changed.notify();
    if (hangs) {
      io::Event never;
      co_await never.wait(cancel);
      left = true;
    }
    co_return well;
  }
  void retire() override {}

  bool well = true;
  bool hangs = false;
  bool left = false;  // its hanging check was called off
  int asked = 0;
  io::Event changed;

 private:
  const std::string name_;
};

Settings two_targets(milliseconds check) {
  Settings settings;
  settings.health.check = check;
  settings.health.failures = 1;
  settings.health.rest = milliseconds(1);
  ModelSettings model;
  model.name = "m";
  for (std::string_view provider : {"a", "b"})
    model.targets.push_back({.provider = std::string(provider), .model = "x"});
  settings.models.push_back(model);
  return settings;
}

ModelSettings one_target(std::string name, std::vector<std::string> fallbacks = {}) {
  ModelSettings model;
  model.name = name;
  model.targets.push_back({.provider = "a", .model = name + "-up"});
  model.fallbacks = std::move(fallbacks);
  return model;
}

TEST(Health, OnlyWhatHasAnAlternativeHasABreaker) {
  TestLoop t;
  Settings settings;
  settings.models = {one_target("alone"), one_target("first", {"second"}), one_target("second")};
  Health health(t.loop(), settings);
  EXPECT_EQ(health.find("a", "alone-up"), nullptr);
  EXPECT_NE(health.find("a", "first-up"), nullptr);
  EXPECT_NE(health.find("a", "second-up"), nullptr);  // as the fallback of the first
  EXPECT_EQ(health.find("b", "first-up"), nullptr);
}

// A gateway's part: two providers under check, and what is told of them.
struct House {
  House(TestLoop& t, milliseconds check)
      : loop(t.loop()), settings(two_targets(check)), health(loop, settings) {
    for (std::string_view name : {"a", "b"})
      providers.push_back(std::make_unique<Checked>(std::string(name)));
  }
  Checked& at(size_t i) { return static_cast<Checked&>(*providers[i]); }
  void start() { health.start(providers, tasks, nullptr); }
  void fail(std::string_view provider) {
    health.find(provider, "x")->begin().failed(loop.now());
    health.look_again();
  }
  /// Until it was asked so often and what it said was noted: both happen on the loop's same turn.
  Task<void> asked(Checked& provider, int times) {
    io::Cancel cancel;
    while (provider.asked < times)
      co_await provider.changed.wait(cancel);
    io::Event turn;
    loop.post([&turn] { turn.notify(); });
    co_await turn.wait(cancel);
  }
  Task<void> stop() {
    health.stop();
    co_await tasks.idle();
  }

  io::Loop& loop;
  Settings settings;
  Health health;
  std::vector<std::unique_ptr<Provider>> providers;
  io::TaskGroup tasks;
};

Task<void> comes_back(TestLoop& t) {
  House house(t, milliseconds(3'600'000));
  house.start();
  house.fail("a");
  EXPECT_THAT(house.health.resting(), ElementsAre("the model x of provider a rests because it failed"));
  // Not an hour later but when its rest is over.
  co_await house.asked(house.at(0), 1);
  EXPECT_EQ(house.at(1).asked, 0);  // nothing is known against it
  co_await house.stop();
  EXPECT_EQ(house.health.find("a", "x")->state(), State::kTrial);
  EXPECT_THAT(house.health.resting(), IsEmpty());
}

TEST(Health, ARestThatIsOverIsFollowedByACheck) {
  TestLoop t;
  t.run(comes_back(t));
}

Task<void> stays_away(TestLoop& t) {
  House house(t, milliseconds(3'600'000));
  house.at(0).well = false;
  house.start();
  house.fail("a");
  co_await house.asked(house.at(0), 3);  // each failed check is followed by another rest, and another check
  EXPECT_EQ(house.health.find("a", "x")->state(), State::kResting);
  house.at(0).well = true;
  co_await house.asked(house.at(0), 4);
  co_await house.stop();
  EXPECT_EQ(house.health.find("a", "x")->state(), State::kTrial);
}

TEST(Health, WhoDoesNotAnswerTheCheckRestsOn) {
  TestLoop t;
  t.run(stays_away(t));
}

Task<void> regularly(TestLoop& t) {
  House house(t, milliseconds(1));
  house.at(1).well = false;
  house.start();
  co_await house.asked(house.at(0), 2);
  co_await house.asked(house.at(1), 2);
  co_await house.stop();
  // Nobody called it: the check alone found out.
  EXPECT_EQ(house.health.find("b", "x")->state(), State::kResting);
  EXPECT_EQ(house.health.find("a", "x")->state(), State::kClosed);
}

TEST(Health, ProvidersAreCheckedWithoutAnyFailure) {
  TestLoop t;
  t.run(regularly(t));
}

Task<void> switched_off(TestLoop& t) {
  House house(t, milliseconds(0));
  house.start();
  EXPECT_EQ(house.tasks.running(), 0U);
  house.fail("a");
  Breaker* breaker = house.health.find("a", "x");
  EXPECT_EQ(breaker->state(), State::kResting);
  // Then a request finds out, when the rest is over.
  EXPECT_TRUE(breaker->admits(breaker->rests_until(), 0));
  EXPECT_EQ(breaker->state(), State::kTrial);
  co_return;
}

TEST(Health, WithoutChecksARequestFindsOut) {
  TestLoop t;
  t.run(switched_off(t));
}

Task<void> ends(TestLoop& t) {
  House house(t, milliseconds(1));
  house.at(0).hangs = true;
  house.start();
  co_await house.asked(house.at(0), 1);
  co_await house.stop();  // would wait for ever
  EXPECT_TRUE(house.at(0).left);
  EXPECT_EQ(house.health.find("a", "x")->state(),
            State::kClosed);  // a check that was called off says nothing
}

TEST(Health, AnEndCallsOffTheCheckUnderWay) {
  TestLoop t;
  t.run(ends(t));
}

}  // namespace
}  // namespace weir::upstream
