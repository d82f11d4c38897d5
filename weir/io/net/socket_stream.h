// SocketStream: a connected TCP or Unix socket as a Stream. The hot path of the gateway: a waiting read is
// one recv when the edge comes, a write is a sendmsg tried at once that rarely has to wait; neither
// allocates. Destroying the stream takes it out of the loop's poller: nothing touches its buffers or
// completions again. `try_*` and `wait_*` are the same socket one step lower, for TLS.
//
// Edges: one tells that bytes or the end came since the last look. `readable_` remembers it until a recv
// comes back with less than it asked for, which says that the socket is empty (epoll(7)), unless the peer's
// end was among what the edge told: that end makes no edge of its own, so from then on every read is tried at
// once.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <string>
#include <vector>

#include "weir/base/result.h"
#include "weir/io/net/poller.h"
#include "weir/io/stream.h"

namespace weir::io::net {

class SocketStream final : public Stream, Poller::Watch, Poller::Turn {
 public:
  /// Takes over a connected, non-blocking socket; closes it on failure. Errors: kIo.
  static Result<std::unique_ptr<SocketStream>> adopt(Poller& poller, int fd, int family, std::string peer);
  /// A socket not yet connected; start_connect() is its first operation. Errors: kIo.
  static Result<std::unique_ptr<SocketStream>> open(Poller& poller, int family, std::string peer);
  ~SocketStream() override;
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;

  std::optional<IoResult> start_read(std::span<char> into, Completion& completion) override;
  std::optional<IoResult> start_write(std::span<const std::string_view> pieces,
                                      Completion& completion) override;
  void abort() override;
  std::string_view peer() const override { return peer_; }

  /// The completion always comes from the loop; the system's reason for a failure is in last_error().
  void start_connect(const sockaddr* address, socklen_t length, Completion& completion);
  int last_error() const { return error_; }

  /// One recv or send that never waits; nullopt: it would have to. A write may take less than it was given.
  std::optional<IoResult> try_read(std::span<char> into);
  std::optional<IoResult> try_write(std::string_view bytes);
  /// Completes with kOk once it is worth trying again. Counts as the stream's read (write).
  void wait_readable(Completion& completion);
  void wait_writable(Completion& completion);
  /// Completes with kOk when the loop comes round again. Counts as the stream's read.
  void wait_turn(Completion& completion);

  int fd() const { return fd_.get(); }

 private:
  enum class Reading : uint8_t { kBytes, kReadable, kTurn };
  enum class Writing : uint8_t { kPieces, kWritable, kConnect };

  SocketStream(Poller& poller, Fd fd, std::string peer)
      : poller_(poller), fd_(std::move(fd)), peer_(std::move(peer)) {}

  void on_ready(uint32_t events) override;
  void on_turn() override { go_on(); }
  void go_on();
  std::optional<IoResult> read_on();
  std::optional<IoResult> write_on();
  std::optional<IoResult> connected();
  std::optional<IoResult> receive(std::span<char> into);
  std::optional<IoResult> send_unsent();
  void wait_to_write(Writing what, Completion& completion);
  void wait_to_read(Reading what, Completion& completion);
  bool may_read() const { return readable_ || ended_; }

  Poller& poller_;
  Fd fd_;
  int error_ = 0;  // errno of the last failed connect
  Completion* reader_ = nullptr;
  Completion* writer_ = nullptr;
  std::span<char> into_;  // of the waiting read; empty: it is asked
  bool* gone_ = nullptr;  // set while completions are called
  Reading reading_ = Reading::kBytes;
  Writing writing_ = Writing::kPieces;
  bool watched_ = false;
  bool aborted_ = false;
  bool readable_ = false;  // an edge told of bytes, and no recv found the socket empty since
  bool ended_ = false;     // an edge told of the end
  bool writable_ = false;  // the edge that the waiting write waits for came
  uint8_t reads_at_once_ = 0;
  std::vector<iovec> unsent_;  // what a write still has to send; empty but for a write that waits
  size_t unsent_at_ = 0;
  size_t written_ = 0;
  std::string peer_;
};

/// The status an errno of a socket call stands for.
IoStatus socket_status(int error);

/// The address part of a peer for logs; "unix" for Unix sockets.
std::string peer_name(const sockaddr_storage& address);

}  // namespace weir::io::net
