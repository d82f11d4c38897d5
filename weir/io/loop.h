// Loop: one core's world. Everything that belongs to a core hangs on its loop; code above reaches the clock,
// timers, network, disk, processes and randomness only through it, so the same code runs on io/net (real) and
// io/sim. All methods are called on the loop's own thread, but for post().
#pragma once

#include <coroutine>
#include <functional>
#include <optional>
#include <utility>

#include "weir/base/clock.h"
#include "weir/io/cancel.h"
#include "weir/io/disk.h"
#include "weir/io/network.h"
#include "weir/io/process.h"
#include "weir/io/random.h"
#include "weir/io/timer.h"

namespace weir::io {

class Loop {
 public:
  virtual ~Loop() = default;

  virtual int index() const = 0;  // 0 .. cores-1
  virtual MonoTime now() const = 0;
  /// now() as it was last read in this turn of the loop. For timers, which are coarser than a turn is long:
  /// half of a request's looks at the clock were for them.
  virtual MonoTime recent() const { return now(); }
  virtual WallTime wall_now() const = 0;
  virtual TimerWheel& timers() = 0;
  virtual Network& network() = 0;
  virtual Disk& disk() = 0;
  virtual Processes& processes() = 0;
  virtual Random& random() = 0;

  /// Runs `job` on this loop, later. Thread-safe.
  virtual void post(std::move_only_function<void()> job) = 0;
  /// Runs `work` on a worker thread, then `done` on this loop. For work that blocks or takes long.
  virtual void offload(std::move_only_function<void()> work, std::move_only_function<void()> done) = 0;
  /// Ends run() of this loop once it returns to it. Thread-safe.
  virtual void stop() = 0;

  /// How long an event that is ready waits until this loop comes to it, as far as is known at `now`. Measured
  /// only while somebody asks: a call sends a probe through the loop's own queue (at most one in 2 ms) and
  /// answers what the last one found, or how long it has been waiting when that is longer. Zero when nobody
  /// asked lately, and where work takes no time (simulated).
  virtual Duration delay(MonoTime now) {
    (void)now;
    return {};
  }

  void arm(Timer& timer, Duration after) { timers().arm(timer, recent(), after); }
};

/// co_await sleep(loop, duration, cancel) -> false when cancelled.
class SleepWait final : Timer, CancelNode {
 public:
  SleepWait(Loop& loop, Duration after, Cancel& cancel) : loop_(loop), after_(after), cancel_(cancel) {}
  bool await_ready() const { return cancel_.requested(); }
  void await_suspend(std::coroutine_handle<> h) {
    waiter_ = h;
    loop_.arm(*this, after_);
    cancel_.add(*this);
  }
  bool await_resume() const { return !cancel_.requested(); }

 private:
  void on_timer() override {
    CancelNode::unlink();
    waiter_.resume();
  }
  void on_cancel(CancelReason) override {
    disarm();
    waiter_.resume();
  }
  Loop& loop_;
  Duration after_;
  Cancel& cancel_;
  std::coroutine_handle<> waiter_;
};

inline SleepWait sleep(Loop& loop, Duration after, Cancel& cancel) {
  return {loop, after, cancel};
}

/// co_await offload(loop, work): runs `work` on a worker thread and resumes here with its value. Not
/// cancellable: the work holds references into this frame, so the frame waits for it.
template <class Work>
class OffloadWait {
 public:
  using Value = std::invoke_result_t<Work&>;
  OffloadWait(Loop& loop, Work work) : loop_(loop), work_(std::move(work)) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    loop_.offload([this] { value_.emplace(work_()); }, [h] { h.resume(); });
  }
  Value await_resume() { return std::move(*value_); }

 private:
  Loop& loop_;
  Work work_;
  std::optional<Value> value_;
};
template <class Work>
OffloadWait<Work> offload(Loop& loop, Work work) {
  return {loop, std::move(work)};
}

/// A one-shot or repeated signal between coroutines of one loop: wait() resumes when notified or cancelled.
class Event {
 public:
  /// Resumes every waiter, from inside this call.
  void notify() {
    IntrusiveList<Waiter> all;
    all.splice(waiters_);
    while (!all.empty())
      all.pop_front().wake();
  }
  bool has_waiters() const { return !waiters_.empty(); }

  class Waiter final : public ListNode {
   public:
    Waiter(Event& event, Cancel& cancel) : event_(event), cancel_(cancel), node_(*this) {}
    bool await_ready() const { return cancel_.requested(); }
    void await_suspend(std::coroutine_handle<> h) {
      handle_ = h;
      event_.waiters_.push_back(*this);
      cancel_.add(node_);
    }
    bool await_resume() const { return !cancel_.requested(); }  // false: cancelled

   private:
    friend class Event;
    struct Node final : CancelNode {
      explicit Node(Waiter& w) : waiter(w) {}
      void on_cancel(CancelReason) override {
        waiter.unlink();
        waiter.handle_.resume();
      }
      Waiter& waiter;
    };
    void wake() {
      node_.unlink();
      handle_.resume();
    }
    Event& event_;
    Cancel& cancel_;
    Node node_;
    std::coroutine_handle<> handle_;
  };
  Waiter wait(Cancel& cancel) { return {*this, cancel}; }

 private:
  IntrusiveList<Waiter> waiters_;
};

}  // namespace weir::io
