// Task<T>: a lazy coroutine awaited by its parent, so a child never outlives its caller. Resumption is
// symmetric transfer: a chain of a thousand awaits uses no stack. Runs on one loop only; not thread-safe.
//   Task<Result<int>> f(Cancel& cancel);
//   int n = CO_TRY(co_await f(cancel));
// detach() starts one that nobody awaits; it must own everything it touches (pass values, not references),
// and its lifetime is counted by the TaskGroup it is given. A capturing lambda is never a coroutine (its
// captures die first).
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "weir/base/assert.h"
#include "weir/io/frame_pool.h"

namespace weir::io {

template <class T>
class [[nodiscard]] Task;

namespace detail {

struct FinalAwait {
  bool await_ready() noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return h.promise().continuation;
  }
  void await_resume() noexcept {}
};

struct PromiseBase {
  static void* operator new(size_t bytes) { return FramePool::allocate(bytes); }
  static void operator delete(void* frame, size_t bytes) { FramePool::release(frame, bytes); }

  std::coroutine_handle<> continuation = std::noop_coroutine();
  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwait final_suspend() noexcept { return {}; }
  // Exceptions are caught where third-party code throws them; one that gets here is a defect (or out of
  // memory).
  [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& v) {
    value.emplace(std::forward<U>(v));
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() {}
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;

  Task() = default;
  explicit Task(std::coroutine_handle<promise_type> h) : handle_(h) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) noexcept {
    handle_.promise().continuation = parent;
    return handle_;
  }
  T await_resume() {
    if constexpr (!std::is_void_v<T>) {
      WEIR_ASSERT(handle_.promise().value.has_value());
      return std::move(*handle_.promise().value);
    }
  }

 private:
  std::coroutine_handle<promise_type> handle_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

/// Counts detached tasks so that their owner can wait for the last one. Single loop; outlives its tasks.
class TaskGroup {
 public:
  size_t running() const { return running_; }

  /// Starts the task now, on this stack, until its first suspension.
  void start(Task<void> task) {
    ++running_;
    run(*this, std::move(task));
  }

  /// Resumes when no task runs. At most one waiter at a time.
  auto idle() {
    struct Awaiter {
      TaskGroup& group;
      bool await_ready() const { return group.running_ == 0; }
      void await_suspend(std::coroutine_handle<> h) {
        WEIR_ASSERT(!group.waiter_);
        group.waiter_ = h;
      }
      void await_resume() {}
    };
    return Awaiter{*this};
  }

 private:
  struct Detached {
    struct promise_type {
      Detached get_return_object() { return {}; }
      std::suspend_never initial_suspend() noexcept { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }
      void return_void() {}
      [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
    };
  };
  static Detached run(TaskGroup& group, Task<void> task) {
    {
      Task<void> mine = std::move(task);
      co_await mine;
    }  // the frame and all it owned is gone before the group hears of it
    group.finished();
  }
  void finished() {
    if (--running_ == 0 && waiter_) std::exchange(waiter_, {}).resume();
  }

  size_t running_ = 0;
  std::coroutine_handle<> waiter_;
};

}  // namespace weir::io
