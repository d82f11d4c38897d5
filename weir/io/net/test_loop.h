// For tests: runs one coroutine on a fresh real loop, to its end.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "weir/io/net/runtime.h"
#include "weir/io/task.h"

namespace weir::io::net {

class TestLoop {
 public:
  explicit TestLoop(int cores = 1) {
    auto made = Runtime::create({.cores = cores});
    WEIR_ASSERT(made);
    runtime_ = std::move(*made);
  }
  Runtime& runtime() { return *runtime_; }
  Loop& loop(int i = 0) { return runtime_->loop(i); }
  Network& network() { return loop().network(); }

  /// Blocks until the task ended; then every loop is stopped. Once a TestLoop.
  void run(Task<void> task) {
    TaskGroup group;
    loop().post([&] { group.start(then_stop(*runtime_, std::move(task))); });
    runtime_->run();
    EXPECT_EQ(group.running(), 0u);
  }

 private:
  static Task<void> then_stop(Runtime& runtime, Task<void> task) {
    co_await task;
    runtime.stop_all();
  }
  std::unique_ptr<Runtime> runtime_;
};

}  // namespace weir::io::net
