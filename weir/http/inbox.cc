#include "weir/http/inbox.h"

#include <algorithm>

namespace weir::http {

void Inbox::reserve(size_t n) {
  if (room() >= n) return;
  size_t held = size();
  if (capacity_ - held >= n) {
    std::memmove(storage_.data(), storage_.data() + begin_, held);
  } else {
    size_t capacity = std::max({kInitialBytes, capacity_ * 2, held + n});
    json::PaddedBuffer bigger;
    bigger.reserve(capacity);
    bigger.resize_uninitialized(capacity);
    if (held > 0) std::memcpy(bigger.data(), storage_.data() + begin_, held);
    storage_ = std::move(bigger);
    capacity_ = capacity;
  }
  begin_ = 0;
  end_ = held;
}

void Inbox::let_go() {
  if (!empty() || capacity_ == 0) return;
  usual_ = std::clamp(capacity_, kInitialBytes, kBurstBytes);
  storage_.release();
  capacity_ = 0;
}

std::span<char> Inbox::read_into() {
  if (room() == 0) reserve(usual_);
  return {storage_.data() + end_, room()};
}

json::PaddedBuffer Inbox::take_front(size_t n) {
  if (begin_ != 0 || end_ != n) {
    json::PaddedBuffer copy(bytes().substr(0, n));
    consume(n);
    return copy;
  }
  json::PaddedBuffer all = std::move(storage_);
  all.resize_uninitialized(n);
  capacity_ = begin_ = end_ = 0;
  return all;
}

bool Inbox::start() {
  auto now = stream_.start_read({}, *this);
  if (!now) {
    reading_ = true;
    return true;
  }
  take(*now);
  return false;
}

void Inbox::take(io::IoResult result) {
  reading_ = false;
  if (result.ok()) {
    filled_ = result.bytes == room();
    end_ += result.bytes;
  } else {
    status_ = result.status;
  }
}

void Inbox::arm() {
  if (reading_ || status_ != io::IoStatus::kOk) return;
  let_go();
  if (!empty() && room() == 0) return;
  if (!start() && watcher) watcher->on_inbox(status_);
}

void Inbox::on_done(io::IoResult result) {
  take(result);
  if (waiter_) {
    More* w = std::exchange(waiter_, nullptr);
    w->CancelNode::unlink();
    w->disarm();
    w->handle_.resume();
  } else if (watcher) {
    watcher->on_inbox(status_);
  }
}

bool Inbox::More::await_ready() {
  if (cancel_.requested()) return true;
  inbox_.let_go();
  if (inbox_.reading_) return false;
  if (inbox_.status_ != io::IoStatus::kOk) return true;
  bool burst = inbox_.filled_ && inbox_.capacity_ < kBurstBytes;
  if (!inbox_.empty())
    inbox_.reserve(burst ? std::max(inbox_.capacity_, kInitialBytes)
                         : std::max<size_t>(1, kInitialBytes / 4));
  return !inbox_.start();
}

void Inbox::More::await_suspend(std::coroutine_handle<> h) {
  WEIR_ASSERT(!inbox_.waiter_);
  handle_ = h;
  inbox_.waiter_ = this;
  cancel_.add(*this);
  if (loop_) loop_->arm(*this, timeout_);
}

void Inbox::More::on_timer() {
  timed_out_ = true;
  CancelNode::unlink();
  inbox_.waiter_ = nullptr;
  handle_.resume();
}

io::IoStatus Inbox::More::await_resume() {
  if (timed_out_) return io::IoStatus::kTimedOut;
  if (cancel_.requested()) return io::IoStatus::kCancelled;
  return inbox_.status_;
}

bool TimedWrite::await_ready() {
  if (cancel_.requested()) {
    status_ = io::IoStatus::kCancelled;
    return true;
  }
  auto now = stream_.start_write(pieces_, *this);
  if (!now) return false;
  status_ = now->status;
  return true;
}

void TimedWrite::await_suspend(std::coroutine_handle<> h) {
  handle_ = h;
  cancel_.add(*this);
  loop_.arm(*this, timeout_);
}

void TimedWrite::on_done(io::IoResult result) {
  CancelNode::unlink();
  disarm();
  status_ = result.status;
  handle_.resume();
}

}  // namespace weir::http
