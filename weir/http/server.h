// HTTP/1.1 server on one loop: keep-alive, pipelining answered in order, Expect, HEAD, limits and timeouts
// for slow or hostile clients. It reads heads and frames bodies; what to answer is the Handler's business.
// While a handler runs, the connection keeps one read under way: when the client leaves, Request::cancel is
// requested within that very event. Single loop. The Server outlives its connections: call drain() or
// close_all() and wait for idle() before destroying.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "weir/base/header.h"
#include "weir/base/json.h"
#include "weir/base/name_counts.h"
#include "weir/http/body_reader.h"
#include "weir/http/content_decoder.h"
#include "weir/http/h1_codec.h"
#include "weir/io/loop.h"
#include "weir/io/task.h"

namespace weir::http {

struct ServerOptions {
  HeadLimits head;
  size_t connections_max = 20'000;        // this server's (one loop's) share; beyond: 503 and close;
                                          // beyond twice that: close
  size_t connections_per_client = 0;      // of one address (Unix sockets have none); beyond: 429 and close;
                                          // beyond twice that: close; 0: no limit
  Duration header_timeout = seconds(10);  // from a head's first byte to its last
  Duration idle_timeout = seconds(75);    // between requests
  Duration body_idle_timeout = seconds(30);  // between two reads of a body
  size_t body_bytes_per_s = 500;             // a body that brings less, over any span of ...
  Duration body_rate_span = seconds(10);     // ... this length, is too slow; 0 bytes: no floor
  Duration write_timeout = seconds(30);      // a client that does not read
  size_t unread_body_bytes_max =
      256 * 1024;  // skipped to keep a connection whose handler did not read the body
};

class ResponseWriter;
class ServerConnection;

/// One request as its handler sees it. Borrowed for the call.
struct Request {
  const RequestHead& head;
  io::Cancel& cancel;     // requested when the client leaves or the server closes
  std::string_view peer;  // the client's address, without port
  ServerConnection& connection;

  /// The whole body, at most `bytes_max` of it; sends "100 Continue" when the client waits for it. Call at
  /// most once. With a `decoder` the body is what it makes of the bytes, which are given to it as they
  /// arrive. Errors: kPayloadTooLarge, kRequestTimeout, kInvalidRequest (framing, coding), kCancelled.
  io::Task<Result<json::PaddedBuffer>> read_body(size_t bytes_max, ContentDecoder* decoder = nullptr);

  /// From now on the client's leaving is noticed, although its body was not read, if all of that has come.
  void watch();
  /// The next request on this connection is not read before `time` passed after this one's answer.
  void rest(Duration time);
  /// Connections that are open on this core, this one included.
  size_t connections() const;
};

class Handler {
 public:
  virtual ~Handler() = default;
  /// Answers with exactly one send() or begin()..end(). A handler that leaves without an answer, or between
  /// begin() and end(), has the connection closed: the client sees a cut, never a complete message.
  virtual io::Task<void> serve(Request& request, ResponseWriter& response) = 0;
  /// The body (application/json) of an answer that the server itself gives: bad framing, too many headers,
  /// too slow, too many connections.
  virtual std::string error_body(const Error& error) = 0;
  /// The same where the request's path is known.
  virtual std::string error_body(const Error& error, std::string_view path) {
    (void)path;
    return error_body(error);
  }
  /// A connection is turned away: there are too many, or too many of its address (`of_client`).
  virtual void on_turned_away(bool of_client) { (void)of_client; }
};

/// Writes one response. All methods answer false once the client is gone or too slow (then only return).
class ResponseWriter {
 public:
  explicit ResponseWriter(ServerConnection& connection) : connection_(connection) {}

  /// A whole answer. Content-Length, Date, Connection are added; `headers` must not hold them. `body` is
  /// borrowed until the answer.
  io::Task<bool> send(int status, HeaderList headers, std::string_view body);

  /// A streamed answer: the head goes out with the first write() or flush().
  void begin(int status, HeaderList headers);
  io::Task<bool> write(std::string_view bytes);
  /// `last` goes out together with the end of the message.
  io::Task<bool> end(std::string_view last = {});

  bool started() const { return started_; }
  bool complete() const { return complete_; }
  int status() const { return status_; }
  uint64_t body_bytes() const { return body_bytes_; }  // payload, without framing

 private:
  void append_head(int status, HeaderList headers);
  void append_connection();
  io::Task<bool> put(std::array<std::string_view, 3> pieces);  // head_ first; empty pieces are skipped

  ServerConnection& connection_;
  std::string head_;  // not yet written
  uint64_t body_bytes_ = 0;
  int status_ = 0;
  bool started_ = false;
  bool complete_ = false;
  bool chunked_ = false;
  bool head_only_ = false;  // a streamed answer to HEAD: no body, no framing of one
};

class Server {
 public:
  Server(io::Loop& loop, Handler& handler, ServerOptions options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  /// Serves one accepted connection until it ends.
  void serve(std::unique_ptr<io::Stream> stream);

  /// Closes idle connections now and the others after the answer under way ("Connection: close").
  void drain();
  /// Ends everything; running handlers see their Request::cancel with `reason`.
  void close_all(io::CancelReason reason);
  io::TaskGroup& tasks() { return tasks_; }
  size_t connections() const { return tasks_.running(); }
  /// Requests being handled now.
  size_t in_flight() const { return in_flight_; }

  const ServerOptions& options() const { return options_; }
  void set_options(const ServerOptions& options) { options_ = options; }  // for connections from now on
  io::Loop& loop() { return loop_; }
  bool draining() const { return draining_; }

 private:
  friend class ServerConnection;
  friend class ResponseWriter;
  io::Task<void> run(std::unique_ptr<io::Stream> stream);
  std::string_view date();

  io::Loop& loop_;
  Handler& handler_;
  ServerOptions options_;
  io::TaskGroup tasks_;
  IntrusiveList<ServerConnection> connections_;
  NameCounts by_client_;  // connections by address, while there is a limit on them
  size_t in_flight_ = 0;
  bool draining_ = false;
  int64_t date_second_ = -1;
  std::string date_;
};

/// The standard reason phrase of a status; "Unknown" when there is none.
std::string_view reason_phrase(int status);

}  // namespace weir::http
