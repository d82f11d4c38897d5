#include "weir/io/net/net_loop.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "weir/io/net/test_loop.h"
#include "weir/io/net/test_network.h"

namespace weir::io::net {
namespace {

Task<void> sleeps(Loop& loop) {
  Cancel cancel;
  for (auto wait : {milliseconds(0), milliseconds(1), milliseconds(30), milliseconds(9)}) {
    MonoTime before = loop.now();
    EXPECT_TRUE(co_await sleep(loop, wait, cancel));
    EXPECT_GE(loop.now() - before, wait);
  }
  Cancel cancelled;
  cancelled.request(CancelReason::kAbandoned);
  EXPECT_FALSE(co_await sleep(loop, seconds(1000), cancelled));
}

TEST(NetLoopTest, SleepsNoShorterThanAsked) {
  TestLoop host;
  host.run(sleeps(host.loop()));
}

struct Note final : Timer {
  void on_timer() override {
    order->push_back(id);
    fired->notify();
  }
  std::vector<int>* order = nullptr;
  Event* fired = nullptr;
  int id = 0;
};

// The alarm is set again when something earlier is armed, and after each firing.
Task<void> earlier(Loop& loop) {
  Cancel cancel;
  std::vector<int> order;
  Event fired;
  Note notes[3];
  int id = 0;
  for (int ms : {1'000'000, 120, 40}) {
    notes[id].order = &order;
    notes[id].fired = &fired;
    notes[id].id = id;
    loop.arm(notes[id++], milliseconds(ms));
  }
  while (order.size() < 2)
    co_await fired.wait(cancel);
  EXPECT_EQ(order, (std::vector{2, 1}));
}

TEST(NetLoopTest, WakesForTheEarliestTimer) {
  TestLoop host;
  host.run(earlier(host.loop()));
}

Task<void> late(Loop& loop) {
  MonoTime start = loop.now();
  EXPECT_EQ(loop.delay(start), Duration(0));              // sends the probe
  EXPECT_GE(loop.delay(start + seconds(3)), seconds(3));  // which waits for as long
  while (loop.now() - start < milliseconds(30)) {         // and nothing else happens here meanwhile
  }
  co_await turns(loop, 3);
  EXPECT_GE(loop.delay(start + milliseconds(1)), milliseconds(30));
  EXPECT_EQ(loop.delay(start + seconds(60)), Duration(0));  // that is long ago
}

// What a probe found is known for a while from when it came back, however long it took.
Task<void> very_late(Loop& loop) {
  MonoTime start = loop.now();
  loop.delay(start);
  while (loop.now() - start < milliseconds(260)) {
  }
  co_await turns(loop, 3);
  EXPECT_GE(loop.delay(loop.now()), milliseconds(260));
}

TEST(NetLoopTest, TellsHowLateItIs) {
  TestLoop host;
  host.run(late(host.loop()));
  host.run(very_late(host.loop()));
}

TEST(NetLoopTest, PostsFromManyThreadsArriveOnceAndInEachThreadsOrder) {
  TestLoop host(2);
  constexpr int kThreads = 4, kJobs = 2000;
  std::vector<std::vector<int>> got(kThreads);
  std::atomic<int> left = kThreads * kJobs;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kJobs; ++i)
        host.loop(t % 2).post([&, t, i] {
          got[t].push_back(i);
          if (--left == 0) host.runtime().stop_all();
        });
    });
  host.runtime().run();
  for (auto& thread : threads)
    thread.join();
  for (auto& jobs : got) {
    EXPECT_EQ(jobs.size(), static_cast<size_t>(kJobs));
    EXPECT_TRUE(std::ranges::is_sorted(jobs));
  }
}

TEST(NetLoopTest, EachLoopHasItsIndexAndItsThread) {
  TestLoop host(3);
  auto main_thread = std::this_thread::get_id();
  ASSERT_EQ(host.runtime().size(), 3);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  int seen = 0;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(host.loop(i).index(), i);
    host.loop(i).post([&, i] {
      std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
      if (i == 0) EXPECT_EQ(std::this_thread::get_id(), main_thread);
      if (++seen == 3) host.runtime().stop_all();
    });
  }
  host.runtime().run();
  EXPECT_EQ(threads.size(), 3u);
}

// Two loops hand a number back and forth, each touching only its own counter.
TEST(NetLoopTest, LoopsTalkByPosting) {
  TestLoop host(2);
  int bounces[2] = {0, 0};
  std::function<void(int)> bounce = [&](int at) {
    if (++bounces[at] == 1000 && at == 1) return host.runtime().stop_all();
    host.loop(1 - at).post([&, at] { bounce(1 - at); });
  };
  host.loop(0).post([&] { bounce(0); });
  host.runtime().run();
  EXPECT_EQ(bounces[0], 1000);
  EXPECT_EQ(bounces[1], 1000);
}

Task<void> offloads(Loop& loop) {
  auto here = std::this_thread::get_id();
  auto there = co_await offload(loop, [] { return std::this_thread::get_id(); });
  EXPECT_NE(here, there);
  EXPECT_EQ(here, std::this_thread::get_id());
}

TEST(NetLoopTest, OffloadedWorkRunsElsewhereAndComesBack) {
  TestLoop host;
  host.run(offloads(host.loop()));
}

TEST(NetLoopTest, ManyOffloadsAllComeBack) {
  TestLoop host;
  std::atomic<int> worked = 0;
  int done = 0;
  host.loop().post([&] {
    for (int i = 0; i < 200; ++i)
      host.loop().offload([&] { ++worked; },
                          [&] {
                            if (++done == 200) host.runtime().stop_all();
                          });
  });
  host.runtime().run();
  EXPECT_EQ(worked, 200);
  EXPECT_EQ(done, 200);
}

TEST(NetLoopTest, WorkNeverCollectedIsDropped) {
  auto owned = std::make_shared<int>(1);
  {
    TestLoop host;
    host.loop().offload([owned] {}, [owned] { ADD_FAILURE() << "the loop never ran"; });
    host.loop().post([owned] { ADD_FAILURE() << "the loop never ran"; });
  }
  EXPECT_EQ(owned.use_count(), 1);
}

TEST(RuntimeTest, SignalsArriveOnLoopZero) {
  TestLoop host(2);
  auto main_thread = std::this_thread::get_id();
  std::vector<int> got;
  host.runtime().on_signals([&](int signo) {
    got.push_back(signo);
    EXPECT_EQ(std::this_thread::get_id(), main_thread);
    if (got.size() == 1) raise(SIGTERM);
    if (got.size() == 2) host.runtime().stop_all();
  });
  host.loop(1).post([] {
    kill(getpid(), SIGHUP);
    raise(SIGPIPE);  // ignored
  });
  host.runtime().run();
  EXPECT_EQ(got, (std::vector{SIGHUP, SIGTERM}));
}

TEST(RuntimeTest, StoppedBeforeItRanItReturnsAtOnce) {
  TestLoop host(2);
  host.runtime().stop_all();
  host.runtime().run();
}

TEST(RandomTest, StreamsDifferAndSecretsFillTheirSpan) {
  TestLoop a, b;
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    seen.insert(a.loop().random().next());
    seen.insert(b.loop().random().next());
  }
  EXPECT_EQ(seen.size(), 2000u);
  std::array<unsigned char, 300> one{}, two{};
  a.loop().random().secret(one);
  a.loop().random().secret(two);
  EXPECT_NE(one, two);
  EXPECT_LT(std::ranges::count(one, 0), 20);
}

}  // namespace
}  // namespace weir::io::net
