// WaitingRoom: coroutines that wait for their turn, first come, first served. It has places for so many, and
// nobody waits longer than so long: both bounds are its Options'. Who calls whom in is its owner's to decide
// (admission.h). One loop's; it outlives those who wait.
//
// The room is for a rush, not for good. Who waits was begun: its socket and its head are in memory, and some
// hundreds of them in turn leave the processor's caches, so that each costs half as much again (measured:
// docs/performance.md). So while it is crowded, because somebody was refused who will come back, it takes
// kCrowdedPlaces only. It is the idea of CoDel, a queue that does not empty is made shorter, by length; "Fail
// at scale" (Maurer, ACM Queue 2015) does it by time.
//
// All wait equally long at most, so the first is always the next whose time is over: one timer serves all.
#pragma once

#include <algorithm>
#include <coroutine>
#include <cstddef>
#include <cstdint>

#include "weir/base/clock.h"
#include "weir/base/intrusive_list.h"
#include "weir/io/cancel.h"
#include "weir/io/loop.h"

namespace weir::server {

class WaitingRoom final : io::Timer {
 public:
  static constexpr size_t kCrowdedPlaces = 64;

  struct Options {
    size_t places = 1024;
    Duration wait_max = seconds(1);  // and a tick of the timers
  };
  enum class End : uint8_t { kCalled, kTooLong, kLeft };  // kLeft: its scope was cancelled

  explicit WaitingRoom(io::Loop& loop) : loop_(loop) {}
  WaitingRoom(const WaitingRoom&) = delete;
  WaitingRoom& operator=(const WaitingRoom&) = delete;

  void set_options(const Options& options) { options_ = options; }
  bool empty() const { return waiting_ == 0; }
  size_t waiting() const { return waiting_; }
  bool full(MonoTime now) const;
  /// It takes fewer until `time`.
  void crowd_until(MonoTime time) { crowded_until_ = std::max(crowded_until_, time); }

  /// co_await wait(cancel) -> End. Requires: !full().
  class Wait;
  Wait wait(io::Cancel& cancel);

  /// Resumes who has waited longest, from inside this call. Requires: !empty().
  void call();

 private:
  void on_timer() override;
  void end(Wait& wait, End how);
  void take_out(Wait& wait);

  io::Loop& loop_;
  Options options_;
  IntrusiveList<Wait> list_;  // the first came first
  size_t waiting_ = 0;
  MonoTime crowded_until_{};
};

class WaitingRoom::Wait final : public ListNode {
 public:
  Wait(WaitingRoom& room, io::Cancel& cancel) : room_(room), cancel_(cancel), node_(*this) {}
  ~Wait() {
    if (linked()) room_.take_out(*this);  // a frame may be destroyed while it waits
  }
  bool await_ready() const { return cancel_.requested(); }
  void await_suspend(std::coroutine_handle<> h);
  End await_resume() const { return end_; }

 private:
  friend class WaitingRoom;
  struct Node final : io::CancelNode {
    explicit Node(Wait& w) : wait(w) {}
    void on_cancel(io::CancelReason) override { wait.room_.end(wait, End::kLeft); }
    Wait& wait;
  };
  WaitingRoom& room_;
  io::Cancel& cancel_;
  Node node_;
  MonoTime came_{};
  End end_ = End::kLeft;
  std::coroutine_handle<> handle_;
};

inline WaitingRoom::Wait WaitingRoom::wait(io::Cancel& cancel) {
  return {*this, cancel};
}

}  // namespace weir::server
