#include "weir/http/server.h"

#include <algorithm>
#include <array>
#include <coroutine>

#include "weir/base/mutation.h"
#include "weir/http/http_date.h"
#include "weir/http/server_connection.h"

namespace weir::http {
namespace {

// Moves the head's views from the inbox to the connection's own copy, so that the inbox is free for what
// follows.
void rebase(RequestHead& head, std::string_view from, const std::string& to) {
  auto move = [&](std::string_view& v) {
    if (v.data() >= from.data() && v.data() <= from.data() + from.size())
      v = {to.data() + (v.data() - from.data()), v.size()};
  };
  for (std::string_view* v : {&head.method, &head.target, &head.path, &head.query, &head.host})
    move(*v);
  for (Header& h : head.headers) {
    move(h.name);
    move(h.value);
  }
}

// The floor under a body's speed. It is measured anew over each span: an average since the beginning would
// let a body that came fast crawl for hours at its end, and hold its memory.
class BodyPace {
 public:
  BodyPace(const ServerOptions& options, MonoTime now)
      : span_(options.body_rate_span),
        floor_(static_cast<double>(options.body_bytes_per_s) * to_seconds(options.body_rate_span)),
        begin_(now) {}

  /// How long to wait for more at most, for `timeout` between two reads.
  Duration wait(MonoTime now, Duration timeout) const {
    if (floor_ <= 0) return timeout;
    return std::min(timeout, std::max<Duration>(span_ - (now - begin_), Duration(0)));
  }
  /// `arrived` bytes have come in all.
  bool too_slow(MonoTime now, size_t arrived) {
    if (floor_ <= 0 || now - begin_ < span_) return false;
    if (static_cast<double>(arrived - before_) < floor_) return true;
    begin_ = now;
    before_ = arrived;
    return false;
  }

 private:
  const Duration span_;
  const double floor_;  // bytes a span
  MonoTime begin_;      // of this span
  size_t before_ = 0;   // bytes that came before it
};

// The path in a head that was refused, for the shape of the refusal alone; empty: none is in sight.
std::string_view path_in(std::string_view bytes) {
  constexpr size_t kLookAt = 256;
  std::string_view line = bytes.substr(0, std::min(bytes.find_first_of("\r\n"), kLookAt));
  size_t space = line.find(' ');
  if (space == std::string_view::npos) return {};
  line.remove_prefix(space + 1);
  return line.substr(0, line.find_first_of(" ?"));
}

// How long a body that nobody reads is waited for, in all: a client that drips it must not hold a connection.
constexpr Duration kSkipTime = seconds(5);
// What still comes after the last answer. A client that does not look for an answer before its body is sent
// must find it nevertheless: up to this much it does.
constexpr Duration kLingerTime = seconds(2);
constexpr size_t kLingerBytesMax = size_t{16} << 20;

constexpr size_t kLongBodyStep = 128 * 1024;  // room is made for so much of a long body at first

constexpr size_t kHeadBytesKept = 16 * 1024;  // of an idle connection's copy of its last head

// Requests of one connection that are answered before the others of this core have their turn: a pipeline of
// requests that need no waiting would hold it as long as it lasts.
constexpr int kRequestsAtOnceMax = 32;

// co_await NextTurn(loop): what else is ready comes first. A timer would do, but its ticks are long.
class NextTurn {
 public:
  explicit NextTurn(io::Loop& loop) : loop_(loop) {}
  ~NextTurn() {
    if (waiter_) *waiter_ = nullptr;  // a frame may be destroyed while it waits
  }
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    waiter_ = std::make_shared<std::coroutine_handle<>>(h);
    loop_.post([waiter = waiter_] {
      if (*waiter) waiter->resume();
    });
  }
  void await_resume() const {}

 private:
  io::Loop& loop_;
  std::shared_ptr<std::coroutine_handle<>> waiter_;  // shared with the job, which may outlive this
};

// A connection's place among those of its address.
class ClientPlace {
 public:
  ClientPlace(NameCounts& counts, std::string_view client)
      : counts_(counts), client_(client), count_(client.empty() ? 0 : counts.add(client)) {}
  ~ClientPlace() {
    if (count_ > 0) counts_.remove(client_);
  }
  ClientPlace(const ClientPlace&) = delete;
  ClientPlace& operator=(const ClientPlace&) = delete;
  size_t count() const { return count_; }

 private:
  NameCounts& counts_;
  std::string_view client_;
  size_t count_;
};

}  // namespace

// ------------------------------------------------------------------------------------------- the life of a
// connection

io::Task<void> ServerConnection::run() {
  inbox_.watcher = this;
  while (co_await read_head()) {
    if (!co_await handle()) break;
    if (inbox_.empty()) at_once_ = 0;
    if (++at_once_ >= kRequestsAtOnceMax) {
      at_once_ = 0;
      co_await NextTurn(server_.loop_);
    }
    if (rest_.count() > 0) co_await take_rest();
  }
  inbox_.watcher = nullptr;
}

// Waits for a complete head. False: the connection is over (and a refusal, where one is due, was sent).
io::Task<bool> ServerConnection::read_head() {
  body_.release();
  scanner_.reset();
  head_.clear();
  if (head_bytes_.capacity() > kHeadBytesKept) std::string().swap(head_bytes_);
  bool begun = !inbox_.empty();
  MonoTime first_byte = begun ? server_.loop_.recent() : MonoTime{};
  ParseOutcome outcome{};
  outcome.state = ParseState::kIncomplete;
  for (;;) {
    if (begun) outcome = scanner_.request(inbox_.bytes(), head_);
    if (outcome.state != ParseState::kIncomplete) break;
    if (closing_ && !begun) co_return false;
    Duration left = options_.idle_timeout;
    if (begun)
      left = std::max<Duration>(options_.header_timeout - (server_.loop_.now() - first_byte), Duration(0));
    idle_ = !begun;
    io::IoStatus status = co_await inbox_.more(scope_, server_.loop_, left);
    idle_ = false;
    if (status == io::IoStatus::kTimedOut && begun) {
      co_await refuse(make_error(ErrorCode::kRequestTimeout, "the request head took too long to arrive"));
      co_return false;
    }
    if (status != io::IoStatus::kOk) co_return false;
    if (!begun) first_byte = server_.loop_.recent();
    begun = true;
  }
  if (outcome.state == ParseState::kInvalid) {
    bool framing = outcome.code == ErrorCode::kInvalidRequest;
    co_await refuse(make_error(outcome.code, std::string(outcome.what), {}, framing ? "bad_framing" : ""));
    co_return false;
  }
  std::string_view head_in_inbox = inbox_.bytes().substr(0, outcome.consumed);
  head_bytes_.assign(head_in_inbox);
  rebase(head_, head_in_inbox, head_bytes_);
  inbox_.consume(outcome.consumed);
  co_return true;
}

io::Task<bool> ServerConnection::handle() {
  keep_alive_ = head_.keep_alive && !closing_;
  if (head_.chunked)
    body_.begin_chunked();
  else
    body_.begin_length(head_.content_length.value_or(0));
  continue_due_ = head_.expect_continue && !body_.complete();

  io::Cancel request_scope(scope_);
  request_scope_ = &request_scope;
  ++server_.in_flight_;
  if (body_.complete()) watch();

  Request request{head_, request_scope, stream_->peer(), *this};
  ResponseWriter response(*this);
  co_await server_.handler_.serve(request, response);

  --server_.in_flight_;
  request_scope_ = nullptr;
  if (!response.complete() || inbox_.status() != io::IoStatus::kOk) co_return false;
  if (keep_alive_ && co_await skip_body()) co_return true;
  if (!body_.complete() || !inbox_.empty()) co_await linger();
  co_return false;
}

// A drain ends it as it ends the wait for a head.
io::Task<void> ServerConnection::take_rest() {
  if (closing_) co_return;
  idle_ = true;
  co_await io::sleep(server_.loop_, std::exchange(rest_, Duration(0)), scope_);
  idle_ = false;
}

// From here on the client's leaving is noticed at once, also behind requests that it sent ahead, as far as
// they fit into a kept buffer. Nobody looks at the inbox's bytes while a handler runs: they may move.
void ServerConnection::watch() {
  inbox_.shrink();
  if (!inbox_.empty() && inbox_.room() == 0 && inbox_.size() < Inbox::kKeptBytes)
    inbox_.reserve(Inbox::kInitialBytes);
  inbox_.arm();
}

void ServerConnection::on_inbox(io::IoStatus status) {
  if (status == io::IoStatus::kOk)
    watch();                                                        // pipelined bytes
  else if (request_scope_ && status != io::IoStatus::kCancelled &&  // cancelled: we ended it ourselves
           !WEIR_MUTATE(kLostCancel))
    request_scope_->request(io::CancelReason::kClientLeft);
}

io::Task<void> ServerConnection::refuse(Error error) {
  keep_alive_ = false;
  continue_due_ = false;
  std::string path(path_in(inbox_.bytes()));
  head_.clear();  // what a refused head left in it is not to be relied on
  body_.begin_none();
  ResponseWriter response(*this);
  std::string body = server_.handler_.error_body(error, path);
  std::string retry_after = std::to_string(error.retry_after_s);
  std::array<Header, 2> headers{Header{"content-type", "application/json"},
                                Header{"retry-after", retry_after}};
  size_t count = error.retry_after_s > 0 ? 2 : 1;
  if (co_await response.send(http_status(error.code), {headers.data(), count}, body)) co_await linger();
}

io::Task<void> ServerConnection::turn_away(bool of_client) {
  Error error =
      of_client ? make_error(ErrorCode::kRateLimited, "too many connections of this client", {},
                             "too_many_connections")
                : make_error(ErrorCode::kUnavailable, "too many connections; try again", {}, "overloaded");
  error.retry_after_s = 1;
  co_await refuse(std::move(error));
}

// Closing with unread bytes makes the kernel send a reset, which can destroy the answer before the client
// reads it: what still comes is read and dropped for a while (RFC 9112 section 9.6).
io::Task<void> ServerConnection::linger() {
  io::Cancel scope(scope_);
  io::Timeout bound(scope, io::CancelReason::kClientSlow);
  server_.loop_.arm(bound, kLingerTime);
  size_t dropped = 0;
  body_.release();
  while (dropped < kLingerBytesMax) {
    dropped += inbox_.size();
    inbox_.consume(inbox_.size());
    if (co_await inbox_.more(scope) != io::IoStatus::kOk) co_return;
  }
}

io::Task<bool> ServerConnection::skip_body() {
  if (body_.complete()) co_return true;
  io::Cancel scope(scope_);
  io::Timeout bound(scope, io::CancelReason::kClientSlow);
  server_.loop_.arm(bound, kSkipTime);
  size_t skipped = 0;
  for (;;) {
    BodyReader::Piece piece = body_.take();
    skipped += piece.bytes.size();
    if (piece.state == BodyReader::State::kEnd) co_return true;
    if (skipped > options_.unread_body_bytes_max) co_return false;
    if (piece.state == BodyReader::State::kData) continue;
    if (piece.state != BodyReader::State::kNothing) co_return false;
    if (co_await inbox_.more(scope) != io::IoStatus::kOk) co_return false;
  }
}

void ServerConnection::drain() {
  closing_ = true;
  if (idle_) scope_.request(io::CancelReason::kShutdown);
}

void ServerConnection::close(io::CancelReason reason) {
  closing_ = true;
  scope_.request(reason);
}

// --------------------------------------------------------------------------------------------------- reading
// the body

io::Task<Result<json::PaddedBuffer>> Request::read_body(size_t bytes_max, ContentDecoder* decoder) {
  ServerConnection& c = connection;
  auto too_large = [&] {
    c.keep_alive_ = false;
    return fail(ErrorCode::kPayloadTooLarge,
                "the request body is larger than " + std::to_string(bytes_max) + " bytes");
  };
  if (c.body_.length_left() > bytes_max) co_return too_large();
  if (c.continue_due_ && c.inbox_.empty()) {
    std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    auto status =
        co_await TimedWrite(*c.stream_, {&go_on, 1}, cancel, c.server_.loop(), c.options_.write_timeout);
    if (status != io::IoStatus::kOk) co_return fail(ErrorCode::kCancelled, "the client left");
  }
  c.continue_due_ = false;
  // A long body of known length is collected in the inbox, which then gives its buffer away: no copy. (A read
  // straight into the body would have to outlive this call when it times out: the client still gets its 408.)
  json::PaddedBuffer body;
  size_t long_body = 0;
  if (!decoder && c.body_.length_left() > Inbox::kKeptBytes)
    long_body = static_cast<size_t>(c.body_.length_left());
  io::Loop& loop = c.server_.loop();
  BodyPace pace(c.options_, loop.recent());
  size_t taken = 0;
  for (;;) {
    if (long_body > 0 && c.inbox_.size() >= long_body) {
      c.body_.finish_length();
      body = c.inbox_.take_front(long_body);
      break;
    }
    BodyReader::Piece piece = long_body > 0 ? BodyReader::Piece{} : c.body_.take();
    taken += piece.bytes.size();
    if (taken > bytes_max) co_return too_large();
    if (!decoder) {
      body.append(piece.bytes);
    } else if (auto decoded = decoder->decode(piece.bytes, body); !decoded) {
      co_return Unexpected(std::move(decoded).error());
    }
    if (piece.state == BodyReader::State::kEnd) {
      if (decoder) CO_TRY_VOID(decoder->finish());
      break;
    }
    if (piece.state == BodyReader::State::kData) continue;
    if (piece.state == BodyReader::State::kMalformed) {
      c.keep_alive_ = false;
      co_return fail(ErrorCode::kInvalidRequest, std::string(piece.what), {}, "bad_framing");
    }
    if (piece.state == BodyReader::State::kTruncated)
      co_return fail(ErrorCode::kCancelled, "the client left");

    // Room for what is really coming: who sends its body at once has filled the first read. Room for all that
    // a client announced would be its to claim with two lines, ten thousand times. And one byte more than is
    // missing: a read that fills its buffer is followed by another, to see what is left.
    if (long_body > 0 && c.inbox_.filled())
      c.inbox_.reserve(std::min(long_body + 1, std::max(kLongBodyStep, 8 * c.inbox_.size())) -
                       c.inbox_.size());
    Duration patience = pace.wait(loop.now(), c.options_.body_idle_timeout);
    io::IoStatus status = co_await c.inbox_.more(cancel, loop, patience);
    if (status == io::IoStatus::kOk || status == io::IoStatus::kTimedOut) {
      if (pace.too_slow(loop.now(), taken + c.inbox_.size()))
        status = io::IoStatus::kTimedOut;
      else if (status == io::IoStatus::kTimedOut && patience < c.options_.body_idle_timeout)
        continue;  // only a span of the pace ended, and it was fast enough
    }
    if (status == io::IoStatus::kTimedOut) {
      c.keep_alive_ = false;
      co_return fail(ErrorCode::kRequestTimeout, "the request body took too long to arrive");
    }
    if (status != io::IoStatus::kOk) co_return fail(ErrorCode::kCancelled, "the client left");
  }
  c.body_.release();
  c.watch();
  co_return body;
}

void Request::watch() {
  BodyReader& body = connection.body_;
  if (body.has_length() && body.length_left() <= connection.inbox_.size()) connection.watch();
}

void Request::rest(Duration time) {
  connection.rest_ = time;
}

size_t Request::connections() const {
  return connection.server_.connections();
}

// -------------------------------------------------------------------------------- the server

Server::Server(io::Loop& loop, Handler& handler, ServerOptions options)
    : loop_(loop), handler_(handler), options_(options) {}

Server::~Server() {
  WEIR_ASSERT(tasks_.running() == 0);
}

void Server::serve(std::unique_ptr<io::Stream> stream) {
  tasks_.start(run(std::move(stream)));
}

io::Task<void> Server::run(std::unique_ptr<io::Stream> stream) {
  size_t all = tasks_.running(), all_max = options_.connections_max;
  size_t client_max = options_.connections_per_client;
  ServerConnection connection(*this, std::move(stream));
  std::string_view client = client_max > 0 ? connection.client() : std::string_view();
  ClientPlace place(by_client_, client);
  bool too_many = all > all_max, too_many_of_client = client_max > 0 && place.count() > client_max;
  if (too_many || too_many_of_client) {
    handler_.on_turned_away(!too_many);
    if (all > 2 * all_max || (too_many_of_client && place.count() > 2 * client_max)) co_return;
  }
  connections_.push_back(connection);
  if (draining_) connection.drain();
  if (too_many || too_many_of_client)
    co_await connection.turn_away(!too_many);
  else
    co_await connection.run();
}

void Server::drain() {
  draining_ = true;
  IntrusiveList<ServerConnection> all;
  all.splice(connections_);
  while (!all.empty()) {
    ServerConnection& c = all.pop_front();
    connections_.push_back(c);
    c.drain();
  }
}

void Server::close_all(io::CancelReason reason) {
  draining_ = true;
  IntrusiveList<ServerConnection> all;
  all.splice(connections_);
  while (!all.empty()) {
    ServerConnection& c = all.pop_front();
    connections_.push_back(c);
    c.close(reason);
  }
}

std::string_view Server::date() {
  int64_t now = loop_.wall_now().unix_s();
  if (now != date_second_) {
    date_second_ = now;
    date_ = http_date(now);
  }
  return date_;
}

}  // namespace weir::http
