// RetryBudget: asking a target again costs a token; each request brings a part of one, time brings a few. So
// retries add at most that part to the load, however much fails. One core. Source: Finagle's retry budget
// (a token bucket of 20 % of the requests and a floor of some a second).
#pragma once

#include <algorithm>
#include <cstdint>

#include "weir/base/clock.h"

namespace weir::upstream {

class RetryBudget {
 public:
  static constexpr int64_t kFloorPerSecond = 2;
  static constexpr int64_t kTokensMax = 100;

  explicit RetryBudget(int64_t percent) : percent_(percent) {}

  /// A request came.
  void deposit() { cents_ = std::min(cents_ + percent_, kTokensMax * kToken); }
  /// May a target be asked again?
  bool take(MonoTime now) {
    // The floor fills up to a second's worth, and not beyond what the requests brought.
    constexpr int64_t kFloor = kFloorPerSecond * kToken;
    if (percent_ > 0 && cents_ < kFloor) {
      double grown = static_cast<double>(kFloor) * std::min(to_seconds(now - last_), 1.0);
      cents_ = std::min(cents_ + static_cast<int64_t>(grown), kFloor);
    }
    last_ = now;
    if (cents_ < kToken) return false;
    cents_ -= kToken;
    return true;
  }

 private:
  static constexpr int64_t kToken = 100;
  int64_t percent_;
  int64_t cents_ = 0;  // hundredths of a token
  MonoTime last_{};
};

}  // namespace weir::upstream
