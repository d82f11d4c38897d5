// Breaker: whether a target (one model of one provider) is worth asking while its model has another. It opens
// by faults only: what a client did wrong, what it broke off, and a queue of our own never count. One core,
// no clock of its own, no chance of its own.
//
//   closed    asked. `failures` in a row, or half of the last 20 calls: it rests.
//   resting   not asked, for `rest`, which doubles each time it fails again soon. A check of the provider
//             (health.h), or where there are no checks the end of the rest, makes it
//   on trial  one call at a time; its first output closes the breaker, its failure sends it back to rest.
//   closed again it gets a growing share of the requests for `slow_start`.
//
// A target that is merely busy (429, 503 with Retry-After) waits for as long as it asked to; that is no
// fault.
//
// Sources: Nygard, "Release It!", 2nd ed., 2018 (circuit breaker); Envoy's outlier detection and slow start
// (the choice of five failures in a row, and of a rest that grows).
#pragma once

#include <cstdint>
#include <utility>

#include "weir/base/clock.h"
#include "weir/base/settings.h"

namespace weir::upstream {

class Breaker {
 public:
  enum class State : uint8_t { kClosed, kResting, kTrial };

  /// `checked`: somebody calls check() when a rest is over.
  Breaker(const HealthSettings& settings, bool checked) : settings_(settings), checked_(checked) {}

  /// May a request that can go elsewhere be sent to it? `chance`: 64 random bits, for the slow start.
  bool admits(MonoTime now, uint64_t chance);

  /// One call of the target, admitted or not: holds the place of a trial, and tells what became of it. At
  /// most one of succeeded(), failed() and busy(); without any it says nothing about the target.
  class Call {
   public:
    Call() = default;
    Call(Call&& other) noexcept
        : breaker_(std::exchange(other.breaker_, nullptr)), trial_(std::exchange(other.trial_, false)) {}
    Call& operator=(Call&& other) noexcept {
      std::swap(breaker_, other.breaker_);
      std::swap(trial_, other.trial_);
      return *this;
    }
    ~Call() {
      if (trial_) --breaker_->trials_;
    }
    void output(MonoTime now);  // the model's first output came
    void succeeded(MonoTime now);
    void failed(MonoTime now);
    void busy(MonoTime now, Duration retry_after);  // not to be asked for so long

   private:
    friend class Breaker;
    explicit Call(Breaker& b) : breaker_(&b), trial_(b.state_ == State::kTrial) {
      b.trials_ += trial_ ? 1 : 0;
    }
    Breaker* breaker_ = nullptr;
    bool trial_ = false;
  };
  Call begin() { return Call(*this); }

  /// What an active check found.
  void check(MonoTime now, bool alive);
  /// When check() should be called next: the end of a rest that is not over yet.
  bool wants_check(MonoTime now) const { return state_ == State::kResting && now >= until_; }
  MonoTime rests_until() const { return until_; }

  State state() const { return state_; }
  bool waits(MonoTime now) const { return now < busy_until_; }

 private:
  void rest(MonoTime now);
  void close(MonoTime now);
  void count(MonoTime now, bool failure);

  HealthSettings settings_;
  bool checked_;
  State state_ = State::kClosed;
  uint32_t last_ = 0;  // a bit a call, 1: failed; the newest is the lowest
  int known_ = 0;      // of those bits
  int64_t in_a_row_ = 0;
  int trials_ = 0;  // under way
  Duration rest_{};
  MonoTime until_{};      // of the rest
  MonoTime closed_at_{};  // 0: never opened
  MonoTime busy_until_{};
};

}  // namespace weir::upstream
