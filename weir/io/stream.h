// Stream: an ordered, two-way byte stream (TCP, TLS, Unix socket, or a simulated one).
// Owned and used on one loop. At most one read and one write are outstanding. An operation may be answered at
// once (the value is returned and the completion is not called) or later (nullopt; the completion is called
// from the loop, never from inside the call). abort() makes every outstanding and later operation end with
// kCancelled, soon and from the loop: a stream whose wait was cancelled is dead, it is closed and not used
// again. Destroying a stream closes it; completions outstanding then are never called, and its buffers are
// not touched again.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "weir/base/result.h"
#include "weir/io/cancel.h"

namespace weir::io {

enum class IoStatus : uint8_t {
  kOk,
  kEof,        // the peer closed its side in order (reads only)
  kReset,      // the peer or the network cut the connection
  kCancelled,  // our own abort() or a cancelled scope
  kTimedOut,   // a wait's own time limit ran out (set by the waiter, never by a stream)
  kFailed,     // anything else (TLS alert, out of memory)
};

std::string_view name(IoStatus status);

struct IoResult {
  IoStatus status = IoStatus::kOk;
  size_t bytes = 0;
  bool ok() const { return status == IoStatus::kOk; }
};

class Completion {
 public:
  virtual void on_done(IoResult result) = 0;
  /// Where bytes that came go, for a read that was started without a place for them. Not empty; asked anew
  /// each time there may be something to read.
  virtual std::span<char> read_into() { return {}; }

 protected:
  ~Completion() = default;
};

class Stream {
 public:
  virtual ~Stream() = default;

  /// Reads 1..into.size() bytes. `into` stays valid until the answer or the stream's end. Empty: the
  /// completion is asked (read_into) once there may be something to read, so that a read that waits holds no
  /// memory.
  virtual std::optional<IoResult> start_read(std::span<char> into, Completion& completion) = 0;

  /// Writes all of `pieces`, in order. The bytes (not the span) stay valid until the answer or the stream's
  /// end.
  virtual std::optional<IoResult> start_write(std::span<const std::string_view> pieces,
                                              Completion& completion) = 0;

  virtual void abort() = 0;

  /// The peer's address without port for logs ("127.0.0.1", "unix").
  virtual std::string_view peer() const = 0;
};

/// co_await read(stream, into, cancel) -> IoResult
class ReadWait final : Completion, CancelNode {
 public:
  ReadWait(Stream& stream, std::span<char> into, Cancel& cancel)
      : stream_(stream), into_(into), cancel_(cancel) {}
  bool await_ready() {
    if (cancel_.requested()) {
      result_ = {IoStatus::kCancelled, 0};
      return true;
    }
    return false;
  }
  bool await_suspend(std::coroutine_handle<> h) {
    waiter_ = h;
    if (auto now = stream_.start_read(into_, *this)) {
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
  std::span<char> into_;
  Cancel& cancel_;
  std::coroutine_handle<> waiter_;
  IoResult result_;
};

/// co_await write(stream, pieces, cancel) -> IoResult
class WriteWait final : Completion, CancelNode {
 public:
  WriteWait(Stream& stream, std::span<const std::string_view> pieces, Cancel& cancel)
      : stream_(stream), pieces_(pieces), cancel_(cancel) {}
  bool await_ready() {
    if (cancel_.requested()) {
      result_ = {IoStatus::kCancelled, 0};
      return true;
    }
    if (auto now = stream_.start_write(pieces_, *this)) {
      result_ = *now;
      return true;
    }
    return false;
  }
  void await_suspend(std::coroutine_handle<> h) {
    waiter_ = h;
    cancel_.add(*this);
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
  std::span<const std::string_view> pieces_;
  Cancel& cancel_;
  std::coroutine_handle<> waiter_;
  IoResult result_;
};

inline ReadWait read(Stream& stream, std::span<char> into, Cancel& cancel) {
  return {stream, into, cancel};
}
inline WriteWait write(Stream& stream, std::span<const std::string_view> pieces, Cancel& cancel) {
  return {stream, pieces, cancel};
}

}  // namespace weir::io
