// A coarse hierarchical timer wheel: 4 levels of 64 slots, 8 ms a tick (level 3 turns every 37 h). Arming and
// disarming are a few instructions and no system call, so every wait can have its own timeout. A timer fires
// at most one tick late and never early. Source: Varghese and Lauck, "Hashed and hierarchical timing wheels",
// SOSP 1987, scheme 7. One wheel a loop; not thread-safe. The loop calls advance() and asks next() how long
// it may sleep.
#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "weir/base/clock.h"
#include "weir/base/intrusive_list.h"
#include "weir/io/cancel.h"

namespace weir::io {

class TimerWheel;

/// Something to be told at a time. Disarms itself when destroyed.
class Timer : public ListNode {
 public:
  bool armed() const { return linked(); }
  void disarm() { unlink(); }

 protected:
  ~Timer() = default;
  virtual void on_timer() = 0;

 private:
  friend class TimerWheel;
  uint64_t due_tick_ = 0;
};

class TimerWheel {
 public:
  static constexpr int64_t kTickNs = 8'000'000;

  explicit TimerWheel(MonoTime now);

  /// Fires `timer` once, `after` from `now` (rounded up to a tick). Re-arms it when it was armed.
  void arm(Timer& timer, MonoTime now, Duration after);

  /// Fires everything due by `now`.
  void advance(MonoTime now);

  /// When advance() should be called next, if anything is armed; may be earlier than the first timer, never
  /// later.
  std::optional<MonoTime> next() const;

  /// How many timers are armed; walks them all.
  size_t armed();

  /// Called by arm() when the new timer is due before everything armed so far; the loop shortens its sleep.
  std::function<void(MonoTime)> on_earlier;

 private:
  static constexpr int kLevels = 4;
  static constexpr int kSlotBits = 6;
  static constexpr int kSlots = 1 << kSlotBits;

  void place(Timer& timer);
  void cascade(int level);

  int64_t origin_ns_;
  uint64_t tick_ = 0;  // every timer due at or before this tick has fired
  uint64_t wake_tick_ = UINT64_MAX;
  std::array<std::array<IntrusiveList<Timer>, kSlots>, kLevels> slots_;
};

/// Cancels a scope unless it is destroyed (or disarmed) in time: a phase timer.
class Timeout final : public Timer {
 public:
  Timeout(Cancel& scope, CancelReason reason) : scope_(scope), reason_(reason) {}

 private:
  void on_timer() override { scope_.request(reason_); }
  Cancel& scope_;
  CancelReason reason_;
};

}  // namespace weir::io
