// Inbox: the bytes that arrived on a stream and were not consumed yet, with at most one read under way, which
// finds its place at the tail when bytes come. arm() keeps that read under way while nobody waits, so that a
// peer that leaves is noticed at once: the server learns that its client is gone, the pool that an idle
// connection died. Costs no extra system call: it is the very read that would be needed next anyway. An inbox
// that is empty and waits holds no buffer. Single loop. The stream outlives the inbox's last use; destroying
// the stream ends the read under way.
#pragma once

#include <coroutine>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "weir/base/json.h"
#include "weir/io/loop.h"
#include "weir/io/stream.h"

namespace weir::http {

/// Told when the armed read ends while nobody waits in more(): with bytes (status kOk) or with the stream's
/// end.
class InboxWatcher {
 public:
  virtual void on_inbox(io::IoStatus status) = 0;

 protected:
  ~InboxWatcher() = default;
};

class Inbox final : io::Completion {
 public:
  // With the padding behind it, a size that allocators hand out as it is.
  static constexpr size_t kInitialBytes = 2048 - json::kPadding;
  static constexpr size_t kKeptBytes = 16 * 1024;   // shrink() forgets that more was needed
  static constexpr size_t kBurstBytes = 64 * 1024;  // a buffer that one read filled grows up to this

  explicit Inbox(io::Stream& stream) : stream_(stream) {}
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  std::string_view bytes() const { return {storage_.data() + begin_, end_ - begin_}; }
  std::span<char> mutable_bytes() { return {storage_.data() + begin_, end_ - begin_}; }
  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  void consume(size_t n) {
    begin_ += n;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  /// The stream's end, once seen; kOk before.
  io::IoStatus status() const { return status_; }
  /// The last read filled the room it had: more is probably there.
  bool filled() const { return filled_; }
  io::Stream& stream() { return stream_; }

  /// Bytes a read may bring without moving what bytes() shows.
  size_t room() const { return capacity_ - end_; }
  /// Makes room for `n` more bytes, moving what is held.
  void reserve(size_t n);
  /// Gives the buffer back when nothing is in it. The next is as large, within kBurstBytes.
  void let_go();
  /// The next message is another: what one needed that was larger than kKeptBytes is not needed by all.
  void shrink() {
    let_go();
    if (usual_ > kKeptBytes) usual_ = kInitialBytes;
  }
  /// The first `n` bytes, out of the inbox: its very buffer when they are all it holds, else a copy.
  json::PaddedBuffer take_front(size_t n);

  /// Keeps a read under way (when it is empty or there is room, and the stream lives). Never moves bytes().
  /// The watcher may be told from inside this call when the stream already ended.
  void arm();
  InboxWatcher* watcher = nullptr;

  /// co_await more(cancel[, loop, timeout]): resumes when bytes were added (kOk), or with the stream's end,
  /// kCancelled or kTimedOut. Not armed: moves bytes() to make room. Requires: no other waiter. After
  /// kTimedOut the stream lives and its read stays under way: there may be an answer to give (408).
  class More;
  More more(io::Cancel& cancel);
  More more(io::Cancel& cancel, io::Loop& loop, Duration timeout);

 private:
  void on_done(io::IoResult result) override;
  std::span<char> read_into() override;
  void take(io::IoResult result);
  bool start();  // false: answered at once

  io::Stream& stream_;
  json::PaddedBuffer storage_;  // its size is the capacity
  size_t capacity_ = 0;
  size_t usual_ = kInitialBytes;  // the next buffer's
  size_t begin_ = 0;
  size_t end_ = 0;
  io::IoStatus status_ = io::IoStatus::kOk;
  bool reading_ = false;
  bool filled_ = false;  // the last read filled all the room: more is waiting
  More* waiter_ = nullptr;
};

class Inbox::More final : io::CancelNode, io::Timer {
 public:
  More(Inbox& inbox, io::Cancel& cancel, io::Loop* loop, Duration timeout)
      : inbox_(inbox), cancel_(cancel), loop_(loop), timeout_(timeout) {}
  bool await_ready();
  void await_suspend(std::coroutine_handle<> h);
  io::IoStatus await_resume();

 private:
  friend class Inbox;
  void on_cancel(io::CancelReason) override {
    disarm();
    inbox_.stream_.abort();
  }
  void on_timer() override;
  Inbox& inbox_;
  io::Cancel& cancel_;
  io::Loop* loop_;
  Duration timeout_;
  bool timed_out_ = false;
  std::coroutine_handle<> handle_;
};

inline Inbox::More Inbox::more(io::Cancel& cancel) {
  return {*this, cancel, nullptr, {}};
}
inline Inbox::More Inbox::more(io::Cancel& cancel, io::Loop& loop, Duration timeout) {
  return {*this, cancel, &loop, timeout};
}

/// co_await TimedWrite(stream, pieces, cancel, loop, timeout) -> IoStatus; the timer is armed only when the
/// write has to wait for the peer. kTimedOut: the peer did not read in time, the stream is dead.
class TimedWrite final : io::Completion, io::CancelNode, io::Timer {
 public:
  TimedWrite(io::Stream& stream, std::span<const std::string_view> pieces, io::Cancel& cancel, io::Loop& loop,
             Duration timeout)
      : stream_(stream), pieces_(pieces), cancel_(cancel), loop_(loop), timeout_(timeout) {}
  bool await_ready();
  void await_suspend(std::coroutine_handle<> h);
  io::IoStatus await_resume() const { return timed_out_ ? io::IoStatus::kTimedOut : status_; }

 private:
  void on_done(io::IoResult result) override;
  void on_cancel(io::CancelReason) override { stream_.abort(); }
  void on_timer() override {
    timed_out_ = true;
    stream_.abort();
  }
  io::Stream& stream_;
  std::span<const std::string_view> pieces_;
  io::Cancel& cancel_;
  io::Loop& loop_;
  Duration timeout_;
  io::IoStatus status_ = io::IoStatus::kOk;
  bool timed_out_ = false;
  std::coroutine_handle<> handle_;
};

}  // namespace weir::http
