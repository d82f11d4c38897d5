#include "weir/server/waiting_room.h"

#include "weir/base/assert.h"

namespace weir::server {

void WaitingRoom::Wait::await_suspend(std::coroutine_handle<> h) {
  handle_ = h;
  came_ = room_.loop_.recent();
  room_.list_.push_back(*this);
  ++room_.waiting_;
  cancel_.add(node_);
  if (!room_.armed()) room_.loop_.arm(room_, room_.options_.wait_max);
}

bool WaitingRoom::full(MonoTime now) const {
  size_t places = options_.places;
  if (now < crowded_until_) places = std::min(places, kCrowdedPlaces);
  return waiting_ >= places;
}

void WaitingRoom::take_out(Wait& wait) {
  wait.unlink();
  wait.node_.unlink();
  if (--waiting_ == 0) disarm();
}

void WaitingRoom::end(Wait& wait, End how) {
  take_out(wait);
  wait.end_ = how;
  wait.handle_.resume();
}

void WaitingRoom::call() {
  WEIR_ASSERT(!empty());
  end(list_.front(), End::kCalled);
}

void WaitingRoom::on_timer() {
  MonoTime now = loop_.now();
  while (!list_.empty() && now - list_.front().came_ >= options_.wait_max)
    end(list_.front(), End::kTooLong);
  if (!list_.empty()) loop_.arm(*this, options_.wait_max - (now - list_.front().came_));
}

}  // namespace weir::server
