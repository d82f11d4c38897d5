// co_await for an operation of a stream that is not a read or a write: connecting, shaking hands.
#pragma once

#include <coroutine>
#include <optional>

#include "weir/io/stream.h"

namespace weir::io::net {

/// `start(completion)` answers as Stream::start_read() does; a cancelled scope aborts `stream`.
template <class Start>
class OperationWait final : Completion, CancelNode {
 public:
  OperationWait(Stream& stream, Cancel& cancel, Start start)
      : stream_(stream), cancel_(cancel), start_(std::move(start)) {}
  bool await_ready() {
    if (cancel_.requested()) result_ = {IoStatus::kCancelled, 0};
    return cancel_.requested();
  }
  bool await_suspend(std::coroutine_handle<> h) {
    waiter_ = h;
    if (auto now = start_(static_cast<Completion&>(*this))) {
      result_ = *now;
      return false;
    }
    cancel_.add(*this);
    return true;
  }
  IoResult await_resume() const { return result_; }

 private:
  void on_done(IoResult result) override {
    unlink();
    result_ = result;
    waiter_.resume();
  }
  void on_cancel(CancelReason) override { stream_.abort(); }

  Stream& stream_;
  Cancel& cancel_;
  Start start_;
  std::coroutine_handle<> waiter_;
  IoResult result_;
};

}  // namespace weir::io::net
