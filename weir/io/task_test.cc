#include "weir/io/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "weir/base/result.h"
#include "weir/io/loop.h"

namespace weir::io {
namespace {

// Suspends until resume() is called.
struct Gate {
  std::coroutine_handle<> waiter;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> h) { waiter = h; }
  void await_resume() {}
  void open() { std::exchange(waiter, {}).resume(); }
};

Task<int> value(int n) {
  co_return n;
}

Task<int> sum_down(int n) {
  if (n == 0) co_return 0;
  co_return n + co_await sum_down(n - 1);
}

Task<void> store(int* into, Task<int> task) {
  *into = co_await task;
}

TEST(TaskTest, IsLazyAndHandsItsValueToTheParent) {
  int result = 0;
  TaskGroup group;
  Task<void> task = store(&result, value(7));
  EXPECT_EQ(result, 0);
  group.start(std::move(task));
  EXPECT_EQ(result, 7);
  EXPECT_EQ(group.running(), 0u);
}

// Symmetric transfer: resuming a parent uses no stack. (Sanitizers and -O0 turn tail calls off.)
TEST(TaskTest, ALongLoopOfAwaitsUsesNoStack) {
  static auto loop = [](int* sum) -> Task<void> {
    for (int i = 0; i < 1'000'000; ++i)
      *sum += co_await value(1);
  };
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "sanitizers keep every frame";
#endif
#endif
  int sum = 0;
  TaskGroup group;
  group.start(loop(&sum));
  EXPECT_EQ(sum, 1'000'000);
}

TEST(TaskTest, ChainsOfAThousandWork) {
  int result = 0;
  TaskGroup group;
  group.start(store(&result, sum_down(1000)));
  EXPECT_EQ(result, 500'500);
}

Task<Result<int>> fails() {
  co_return fail(ErrorCode::kNotFound, "no such thing");
}
Task<Result<int>> passes_up() {
  CO_TRY(int n, co_await fails());
  co_return n + 1;
}
Task<void> keep_code(ErrorCode* into) {
  auto result = co_await passes_up();
  *into = result.error().code;
}

TEST(TaskTest, CoTryPassesErrorsUp) {
  ErrorCode code = ErrorCode::kInternal;
  TaskGroup group;
  group.start(keep_code(&code));
  EXPECT_EQ(code, ErrorCode::kNotFound);
}

Task<void> hold(Gate* gate, std::shared_ptr<int> owned) {
  co_await *gate;
  EXPECT_EQ(*owned, 5);
}

TEST(TaskTest, ADetachedTaskOwnsItsArgumentsUntilItsEnd) {
  Gate gate;
  auto owned = std::make_shared<int>(5);
  TaskGroup group;
  group.start(hold(&gate, owned));
  EXPECT_EQ(group.running(), 1u);
  EXPECT_EQ(owned.use_count(), 2);
  gate.open();
  EXPECT_EQ(group.running(), 0u);
  EXPECT_EQ(owned.use_count(), 1);
}

TEST(TaskTest, ATaskNeverStartedFreesItsArguments) {
  Gate gate;
  auto owned = std::make_shared<int>(5);
  {
    Task<void> task = hold(&gate, owned);
  }
  EXPECT_EQ(owned.use_count(), 1);
}

Task<void> await_idle(TaskGroup* group, bool* idle) {
  co_await group->idle();
  *idle = true;
}

TEST(TaskTest, TheGroupTellsWhenTheLastTaskEnded) {
  Gate one, two;
  TaskGroup group, watching;
  auto nothing = std::make_shared<int>(5);
  group.start(hold(&one, nothing));
  group.start(hold(&two, nothing));
  bool idle = false;
  watching.start(await_idle(&group, &idle));
  one.open();
  EXPECT_FALSE(idle);
  two.open();
  EXPECT_TRUE(idle);
  idle = false;
  watching.start(await_idle(&group, &idle));
  EXPECT_TRUE(idle);
}

Task<void> wait_event(Event* event, Cancel* cancel, std::vector<bool>* results) {
  results->push_back(co_await event->wait(*cancel));
}

TEST(EventTest, WakesEveryWaiterOnceAndHonoursCancel) {
  Event event;
  Cancel kept, dropped;
  TaskGroup group;
  std::vector<bool> kept_results, dropped_results;
  group.start(wait_event(&event, &kept, &kept_results));
  group.start(wait_event(&event, &kept, &kept_results));
  group.start(wait_event(&event, &dropped, &dropped_results));
  dropped.request(CancelReason::kAbandoned);
  EXPECT_EQ(dropped_results, std::vector{false});
  EXPECT_TRUE(event.has_waiters());
  event.notify();
  EXPECT_EQ(kept_results, (std::vector{true, true}));
  EXPECT_FALSE(event.has_waiters());
  kept.request(CancelReason::kShutdown);
  EXPECT_EQ(kept_results.size(), 2u);
  group.start(wait_event(&event, &kept, &kept_results));  // cancelled before it waits
  EXPECT_EQ(kept_results.back(), false);
  EXPECT_EQ(group.running(), 0u);
}

}  // namespace
}  // namespace weir::io
