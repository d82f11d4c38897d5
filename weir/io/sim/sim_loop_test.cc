#include "weir/io/sim/sim_loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "weir/io/sim/test_universe.h"

namespace weir::io::sim {
namespace {

Task<void> sleeps(Loop& loop) {
  Cancel cancel;
  for (auto wait : {milliseconds(0), milliseconds(1), milliseconds(30), milliseconds(3'600'000)}) {
    MonoTime before = loop.now();
    EXPECT_TRUE(co_await sleep(loop, wait, cancel));
    EXPECT_GE(loop.now() - before, wait);
    EXPECT_LE(loop.now() - before, wait + 2 * Duration(TimerWheel::kTickNs));
  }
  Cancel cancelled;
  cancelled.request(CancelReason::kAbandoned);
  EXPECT_FALSE(co_await sleep(loop, seconds(1000), cancelled));
}

TEST(SimLoopTest, SleepsNoShorterThanAskedAndOneTickLonger) {
  TestUniverse world;
  bool ended = false;
  struct Run {
    static Task<void> then(Loop& loop, bool* end) {
      co_await sleeps(loop);
      *end = true;
    }
  };
  world.start(Run::then(world.client(), &ended));
  EXPECT_TRUE(world->run_until([&] { return ended; }, std::chrono::hours(2)));
}

struct Note final : Timer {
  void on_timer() override { order->push_back(id); }
  std::vector<int>* order = nullptr;
  int id = 0;
};

TEST(SimLoopTest, WakesForTheEarliestTimerAndCountsTheArmed) {
  TestUniverse world;
  std::vector<int> order;
  Note notes[4];
  int id = 0;
  for (int ms : {1'000'000, 120, 40, 8}) {
    notes[id].order = &order;
    notes[id].id = id;
    world.client().arm(notes[id++], milliseconds(ms));
  }
  notes[3].disarm();
  EXPECT_EQ(world->census().timers, 3u);
  world->run_for(seconds(1));
  EXPECT_EQ(order, (std::vector{2, 1}));
  EXPECT_EQ(world->census().timers, 1u);
  world->run_for(seconds(1000));
  EXPECT_EQ(world->census().timers, 0u);
}

TEST(SimLoopTest, PostsArriveOnceInOrderAndNeverFromInside) {
  TestUniverse world;
  std::vector<int> got;
  bool inside = true;
  for (int i = 0; i < 1000; ++i)
    world.client().post([&, i] {
      EXPECT_FALSE(inside);
      got.push_back(i);
      if (i % 100 == 0) world.client().post([&, i] { got.push_back(1000 + i); });
    });
  inside = false;
  EXPECT_EQ(world->census().jobs, 1000u);
  world->run_for(seconds(1));
  ASSERT_EQ(got.size(), 1010u);
  EXPECT_TRUE(std::ranges::is_sorted(got));
  EXPECT_EQ(world->census().jobs, 0u);
}

TEST(SimLoopTest, LoopsTakeTurnsInAnOrderOfTheSeed) {
  std::set<std::string> orders;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    TestUniverse world(seed);
    std::string order;
    world.client(0).post([&] { order += 'a'; });
    world.client(1).post([&] { order += 'b'; });
    world->run_for(seconds(1));
    orders.insert(order);
  }
  EXPECT_EQ(orders, (std::set<std::string>{"ab", "ba"}));
}

Task<void> offloads(Universe* universe, Loop* loop, int* done) {
  MonoTime before = universe->now();
  MonoTime there = co_await offload(*loop, [universe] { return universe->now(); });
  EXPECT_GT(there, before);
  EXPECT_GT(universe->now(), there);
  EXPECT_LE(there - before, universe->faults().disk_latency_max);
  ++*done;
}

TEST(SimLoopTest, OffloadedWorkRunsLaterAndComesBack) {
  TestUniverse world;
  int done = 0;
  for (int i = 0; i < 200; ++i)
    world.start(offloads(&*world, &world.client(), &done));
  EXPECT_EQ(world->census().jobs, 200u);
  world.finish();
  EXPECT_EQ(done, 200);
  EXPECT_EQ(world->census().jobs, 0u);
}

TEST(SimLoopTest, WorkMayBeSlow) {
  Faults faults;
  faults.slow_disk = 0.5;
  TestUniverse world(1, faults);
  int slow = 0, done = 0;
  MonoTime begin = world->now();
  for (int i = 0; i < 400; ++i)
    world.client().offload([&] { slow += world->now() - begin > faults.disk_latency_max; }, [&] { ++done; });
  world->run_for(seconds(3));
  EXPECT_EQ(done, 400);
  EXPECT_GT(slow, 150);
  EXPECT_LT(slow, 250);
}

TEST(SimLoopTest, WorkNeverCollectedIsDropped) {
  auto owned = std::make_shared<int>(1);
  {
    TestUniverse world;
    world.client().offload([owned] {}, [owned] { ADD_FAILURE() << "the loop never ran"; });
    world.client().post([owned] { ADD_FAILURE() << "the loop never ran"; });
    world->at(seconds(1), [owned] { ADD_FAILURE() << "time stood still"; });
    EXPECT_EQ(owned.use_count(), 5);
  }
  EXPECT_EQ(owned.use_count(), 1);
}

TEST(SimLoopTest, AStoppedLoopRunsNothing) {
  TestUniverse world;
  bool other = false;
  world.client(0).post([] { ADD_FAILURE() << "stopped"; });
  world.client(1).post([&] { other = true; });
  world.client(0).stop();
  world->run_for(seconds(1));
  EXPECT_TRUE(other);
}

TEST(SimLoopTest, WallTimeJumpsAndMonotonicTimeDoesNot) {
  TestUniverse world;
  MonoTime mono = world.client().now();
  int64_t wall = world.client().wall_now().unix_ns;
  EXPECT_EQ(wall / 1'000'000'000 / 86400 / 365, 2026 - 1970);
  world.client_machine.jump_clock(-seconds(3600));
  EXPECT_EQ(world.client().wall_now().unix_ns - wall, -3'600'000'000'000);
  EXPECT_EQ(world.client().now(), mono);
  world->run_for(seconds(10));
  EXPECT_EQ(world.client().wall_now().unix_ns - wall, -3'590'000'000'000);
  EXPECT_EQ(world.client().now() - mono, seconds(10));
  EXPECT_NE(world.server().wall_now(), world.client(1).wall_now());
}

TEST(SimLoopTest, HasNoProgramsAndChanceOfItsOwn) {
  TestUniverse world, same;
  auto made = world.client().processes().spawn({.program = "llama-server"}, [](ExitStatus) {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kIo);
  EXPECT_NE(made.error().message.find("no programs in the simulation"), std::string::npos);
  EXPECT_EQ(world.client().processes().cpu_count(), 2);
  EXPECT_EQ(world.client().processes().environment("PATH"), "");
  std::set<uint64_t> seen;
  for (int i = 0; i < 100; ++i) {
    for (Loop* loop : {&world.client(0), &world.client(1), &world.server(0)})
      seen.insert(loop->random().next());
    EXPECT_TRUE(seen.contains(same.client().random().next())) << "the seed decides";
  }
  EXPECT_EQ(seen.size(), 300u);
  std::array<unsigned char, 300> one{}, two{};
  world.client().random().secret(one);
  world.client().random().secret(two);
  EXPECT_NE(one, two);
}

}  // namespace
}  // namespace weir::io::sim
