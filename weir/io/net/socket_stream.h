// SocketStream: a connected TCP or Unix socket as a Stream. The hot path of the gateway: a read is asio's own
// recv (one tried at once, one when the edge comes; epoll_ctl only once in the socket's life), a write is a
// sendmsg tried at once that rarely has to wait; neither allocates. Pending operations share a counted state
// with the stream, so that destroying the stream leaves nothing that could touch its buffers or completions.
// `try_*` and `wait_*` are the same socket one step lower, for TLS.
#pragma once

#include <sys/socket.h>

#include <string>

#include "weir/base/result.h"
#include "weir/io/net/asio.h"
#include "weir/io/stream.h"

namespace weir::io::net {

class SocketStream final : public Stream {
 public:
  /// Takes over a connected, non-blocking socket; closes it on failure. Errors: kIo.
  static Result<std::unique_ptr<SocketStream>> adopt(asio::io_context& io, int fd, int family,
                                                     std::string peer);
  /// A socket not yet connected; start_connect() is its first operation. Errors: kIo.
  static Result<std::unique_ptr<SocketStream>> open(asio::io_context& io, int family, std::string peer);
  ~SocketStream() override;
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;

  std::optional<IoResult> start_read(std::span<char> into, Completion& completion) override;
  std::optional<IoResult> start_write(std::span<const std::string_view> pieces,
                                      Completion& completion) override;
  void abort() override;
  std::string_view peer() const override;

  /// The completion always comes from the loop; the system's reason for a failure is in last_error().
  void start_connect(const sockaddr* address, socklen_t length, Completion& completion);
  int last_error() const;

  /// One recv or send that never waits; nullopt: it would have to. A write may take less than it was given.
  std::optional<IoResult> try_read(std::span<char> into);
  std::optional<IoResult> try_write(std::string_view bytes);
  /// Completes with kOk once it is worth trying again. Counts as the stream's read (write).
  void wait_readable(Completion& completion);
  void wait_writable(Completion& completion);
  /// Completes with kOk when the loop comes round again. Counts as the stream's read.
  void wait_turn(Completion& completion);

  int fd() const;

 private:
  struct State;
  class Handler;
  explicit SocketStream(State* state) : state_(state) {}
  State* state_;
};

/// The status an errno of a socket call stands for.
IoStatus socket_status(int error);

/// The address part of a peer for logs; "unix" for Unix sockets.
std::string peer_name(const sockaddr_storage& address);

}  // namespace weir::io::net
