// HTTP/1.1 client on one loop: a pool of keep-alive connections to one server, and a call over one of them.
// The pool bounds the connections of its server (callers wait in order, so many and so long, and are refused
// at once when the queue is too long for the time they have), reaps idle ones, hears at once when
// an idle one dies, and resends a request whose pooled connection turned out dead before a single byte came
// back. Single loop. The pool outlives its calls.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "weir/http/body_reader.h"
#include "weir/http/h1_codec.h"
#include "weir/io/loop.h"

namespace weir::http {

struct ClientOptions {
  io::Address address;
  io::ConnectOptions connect;
  size_t connections_max = 256;     // open at once, busy and idle
  size_t queue_max = 1024;          // callers that wait for one of them
  Duration idle_max = seconds(60);  // an idle connection older than this is closed
  HeadLimits response_head = {8192, 65536, 128};
};

class ClientConnection;
struct ClientConnectionDelete {
  void operator()(ClientConnection* connection) const;
};
using ClientConnectionPtr = std::unique_ptr<ClientConnection, ClientConnectionDelete>;

class ConnectionPool {
 public:
  ConnectionPool(io::Loop& loop, ClientOptions options);
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;
  /// Requires: no call is under way.
  ~ConnectionPool();

  const ClientOptions& options() const { return options_; }
  size_t open() const { return open_; }
  size_t idle() const { return idle_count_; }
  size_t waiting() const { return waiting_; }
  /// Closes idle connections; those in use close when they come back.
  void retire();

 private:
  friend class ClientCall;
  friend class ClientConnection;

  /// Waits until a connection may be taken. Errors: kUnavailable (reason "queue_full": it is not worth
  /// waiting, "queue_timeout"), kCancelled.
  io::Task<Result<void>> queue(io::Cancel& cancel, Duration wait_max);
  /// An idle connection, or a new one. Requires: available(). Errors: kUpstream, kCancelled.
  io::Task<Result<ClientConnectionPtr>> acquire(io::Cancel& cancel, bool fresh);
  void give_back(ClientConnectionPtr connection, bool reusable);

  struct Waiter : ListNode {
    io::Event turn;
  };
  void close_idle();
  bool available() const { return !idle_.empty() || open_ < options_.connections_max; }
  /// A caller may take a connection at once: one is available and nobody waits for it.
  bool free() const { return waiters_.empty() && available(); }
  void wake_next();
  std::optional<Duration> expected_wait(MonoTime now) const;

  io::Loop& loop_;
  const ClientOptions options_;
  IntrusiveList<ClientConnection> idle_;  // the most recently used first; owned
  size_t open_ = 0;
  size_t idle_count_ = 0;
  bool retired_ = false;
  IntrusiveList<Waiter> waiters_;  // for a connection, the longest waiting first
  size_t waiting_ = 0;
  // How fast the queue moves: turns given since then. Begins anew with each queue.
  MonoTime turns_since_{};
  int64_t turns_ = 0;
};

/// A request's body that comes while it is sent.
class OutgoingBody {
 public:
  /// The next piece, valid until the next call; empty: the end. An error ends the call with it.
  virtual io::Task<Result<std::string_view>> next() = 0;

 protected:
  ~OutgoingBody() = default;
};

/// One request and its response. Lives in the caller's frame; destroying it gives the connection back
/// (complete response) or closes it (anything else: an abandoned upstream call is cancelled by closing).
class ClientCall {
 public:
  struct Phases {
    Duration queue = seconds(5);     // wait for a free connection
    Duration connect = seconds(5);   // resolve, connect, TLS handshake
    Duration headers = seconds(30);  // from the request's first byte to the response head's last
  };

  explicit ClientCall(ConnectionPool& pool) : pool_(pool) {}
  ~ClientCall();
  ClientCall(const ClientCall&) = delete;
  ClientCall& operator=(const ClientCall&) = delete;

  /// Sends head and body (`pieces`, in order) and waits for the response head; 1xx heads are skipped.
  /// Errors: kCancelled (look at cancel.reason()), kUnavailable (reason "queue_full", "queue_timeout"),
  /// kUpstreamTimeout (reason "connect_timeout", "headers_timeout"), kUpstream (cannot connect, malformed
  /// response, closed before an answer: reason says which). `sent()` tells whether the server may have seen
  /// the request.
  io::Task<Result<void>> send(std::string_view method, std::span<const std::string_view> pieces,
                              Phases phases, io::Cancel& cancel);

  /// The same with a body that is sent as it comes, in chunks when `chunked`; `write_max` bounds the wait for
  /// the server to take a piece, phases.headers that from the last piece to the response head. Never resent:
  /// what was taken of the body is gone (see silent_death()). An answer that comes before the body's end ends
  /// the sending. `fresh`: over a new connection.
  io::Task<Result<void>> send(std::string_view method, std::string_view head, OutgoingBody& body,
                              bool chunked, Duration write_max, Phases phases, io::Cancel& cancel,
                              bool fresh = false);

  const ResponseHead& head() const;
  BodyReader& body();
  bool sent() const { return sent_; }
  bool reused() const { return reused_; }
  /// The last send() failed because a pooled connection was dead: it may be tried again over a fresh one.
  bool silent_death() const { return silent_death_; }
  MonoTime connected_at() const { return connected_at_; }  // when a connection was at hand

 private:
  io::Task<Result<void>> attempt(std::string_view method, std::span<const std::string_view> pieces,
                                 Phases phases, io::Cancel& cancel, bool fresh);
  io::Task<Result<void>> connect(Phases phases, io::Cancel& cancel, bool fresh);
  io::Task<Result<bool>> write_body(OutgoingBody& body, bool chunked, Duration write_max, io::Cancel& cancel);
  io::Task<Result<void>> read_head(std::string_view method, bool write_failed, io::Cancel& cancel,
                                   io::Cancel& scope);

  ConnectionPool& pool_;
  ClientConnectionPtr connection_;
  MonoTime connected_at_;
  bool sent_ = false;
  bool reused_ = false;
  bool silent_death_ = false;  // the reused connection ended before a byte of the response came
};

}  // namespace weir::http
