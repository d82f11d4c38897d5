#include "weir/upstream/breaker.h"

#include <algorithm>
#include <bit>

namespace weir::upstream {
namespace {

constexpr int kWindow = 20;      // calls that are remembered
constexpr int kLeastShare = 10;  // percent of the requests, at the beginning of a slow start

}  // namespace

bool Breaker::admits(MonoTime now, uint64_t chance) {
  if (waits(now)) return false;
  if (state_ == State::kResting && !checked_ && now >= until_) state_ = State::kTrial;
  if (state_ == State::kTrial) return trials_ == 0;
  if (state_ == State::kResting) return false;
  if (closed_at_.ns == 0 || now - closed_at_ >= settings_.slow_start) return true;
  double share = to_seconds(now - closed_at_) / to_seconds(settings_.slow_start) * 100;
  return static_cast<double>(chance % 100) < std::max<double>(share, kLeastShare);
}

void Breaker::Call::output(MonoTime now) {
  if (breaker_ && breaker_->state_ == State::kTrial) breaker_->close(now);
}

void Breaker::Call::succeeded(MonoTime now) {
  output(now);
  if (breaker_ && breaker_->state_ == State::kClosed) breaker_->count(now, false);
}

void Breaker::Call::failed(MonoTime now) {
  if (!breaker_) return;
  if (breaker_->state_ == State::kTrial)
    breaker_->rest(now);
  else if (breaker_->state_ == State::kClosed)  // calls from before a rest say nothing new
    breaker_->count(now, true);
}

void Breaker::Call::busy(MonoTime now, Duration retry_after) {
  if (breaker_) breaker_->busy_until_ = std::max(breaker_->busy_until_, now + retry_after);
}

void Breaker::check(MonoTime now, bool alive) {
  if (!alive) {
    if (state_ != State::kResting || now >= until_) rest(now);
    return;
  }
  if (wants_check(now)) state_ = State::kTrial;
}

void Breaker::rest(MonoTime now) {
  // It failed soon after it was back: it rests longer.
  bool again = closed_at_.ns == 0 ? rest_ > Duration{} : now - closed_at_ < settings_.rest_max;
  rest_ = std::min<Duration>(again && rest_ > Duration{} ? rest_ * 2 : Duration(settings_.rest),
                             settings_.rest_max);
  until_ = now + rest_;
  state_ = State::kResting;
}

void Breaker::close(MonoTime now) {
  state_ = State::kClosed;
  closed_at_ = now;
  last_ = 0;
  known_ = 0;
  in_a_row_ = 0;
}

void Breaker::count(MonoTime now, bool failure) {
  last_ = ((last_ << 1) | (failure ? 1U : 0U)) & ((1U << kWindow) - 1);
  known_ = std::min(known_ + 1, kWindow);
  in_a_row_ = failure ? in_a_row_ + 1 : 0;
  if (!failure) return;
  bool half = known_ == kWindow && std::popcount(last_) * 2 >= kWindow;
  if (in_a_row_ >= settings_.failures || half) rest(now);
}

}  // namespace weir::upstream
