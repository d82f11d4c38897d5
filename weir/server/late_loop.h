// For tests: LateLoop, whose time and delay are what the test says, and DelayedLoop, a real one whose delay
// is.
#pragma once

#include <cstdlib>
#include <span>
#include <vector>

#include "weir/io/loop.h"

namespace weir::server {

struct CountingRandom final : io::Random {
  uint64_t next() override { return count += 0x9E3779B97F4A7C15; }
  void secret(std::span<unsigned char>) override { std::abort(); }
  uint64_t count = 0;
};

struct LateLoop final : io::Loop {
  int index() const override { return 0; }
  MonoTime now() const override { return time; }
  WallTime wall_now() const override { return {}; }
  io::TimerWheel& timers() override { return wheel; }
  io::Network& network() override { std::abort(); }
  io::Disk& disk() override { std::abort(); }
  io::Processes& processes() override { std::abort(); }
  io::Random& random() override { return chance; }
  void post(std::move_only_function<void()> job) override { jobs.push_back(std::move(job)); }
  void offload(std::move_only_function<void()>, std::move_only_function<void()>) override { std::abort(); }
  void stop() override {}
  Duration delay(MonoTime) override { return late; }

  void pass(Duration by) {
    time = time + by;
    wheel.advance(time);
  }
  /// What was posted, not what that posts.
  void run_jobs() {
    std::vector<std::move_only_function<void()>> due = std::move(jobs);
    jobs.clear();
    for (auto& job : due)
      job();
  }

  MonoTime time{1'000'000'000'000};
  io::TimerWheel wheel{time};
  Duration late{};
  CountingRandom chance;
  std::vector<std::move_only_function<void()>> jobs;
};

struct DelayedLoop final : io::Loop {
  explicit DelayedLoop(io::Loop& i) : inner(i) {}
  int index() const override { return inner.index(); }
  MonoTime now() const override { return inner.now(); }
  WallTime wall_now() const override { return inner.wall_now(); }
  io::TimerWheel& timers() override { return inner.timers(); }
  io::Network& network() override { return inner.network(); }
  io::Disk& disk() override { return inner.disk(); }
  io::Processes& processes() override { return inner.processes(); }
  io::Random& random() override { return inner.random(); }
  void post(std::move_only_function<void()> job) override { inner.post(std::move(job)); }
  void offload(std::move_only_function<void()> work, std::move_only_function<void()> done) override {
    inner.offload(std::move(work), std::move(done));
  }
  void stop() override { inner.stop(); }
  Duration delay(MonoTime) override { return late; }

  io::Loop& inner;
  Duration late{};
};

}  // namespace weir::server
