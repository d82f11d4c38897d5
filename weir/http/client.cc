#include "weir/http/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "weir/base/mutation.h"
#include "weir/http/client_connection.h"

namespace weir::http {
namespace {

constexpr int kInterimHeadsMax = 16;  // "100 Continue" and the like before the answer

void rebase(ResponseHead& head, std::string_view from, const std::string& to) {
  auto move = [&](std::string_view& v) {
    if (v.data() >= from.data() && v.data() <= from.data() + from.size())
      v = {to.data() + (v.data() - from.data()), v.size()};
  };
  move(head.reason);
  for (Header& h : head.headers) {
    move(h.name);
    move(h.value);
  }
}

Unexpected upstream_failed(std::string_view reason, std::string_view what) {
  Error e = internal_error(ErrorCode::kUpstream, std::string(what));
  e.reason = reason;
  e.retryable = true;
  return Unexpected(std::move(e));
}

Unexpected cancelled_or_timed_out(const io::Cancel& outer, const io::Cancel& phase) {
  Error e = internal_error(ErrorCode::kCancelled, std::string(io::name(phase.reason())));
  if (!outer.requested()) {
    e.code = ErrorCode::kUpstreamTimeout;
    e.reason = io::name(phase.reason());
    e.retryable = true;
  }
  return Unexpected(std::move(e));
}

constexpr int64_t kTurnsRemembered = 256;
constexpr int64_t kRetryAfterMaxS = 60;

Unexpected no_connection(std::string_view reason, std::optional<Duration> expected_wait) {
  Error e = internal_error(ErrorCode::kUnavailable, "all connections are in use");
  e.reason = reason;
  e.retryable = true;
  e.retry_after_s = static_cast<int>(
      std::clamp<int64_t>(expected_wait.value_or(Duration(0)) / seconds(1), 1, kRetryAfterMaxS));
  return Unexpected(std::move(e));
}

}  // namespace

void ClientConnectionDelete::operator()(ClientConnection* connection) const {
  delete connection;
}

// ------------------------------------------------------------------------------------------------- idle
// connections

void ClientConnection::rest() {
  scanner.reset();
  inbox.shrink();
  inbox.watcher = this;
  pool_.idle_.push_front(*this);
  ++pool_.idle_count_;
  pool_.loop_.arm(reaper_, pool_.options_.idle_max);
  inbox.arm();
}

void ClientConnection::wake() {
  unlink();
  --pool_.idle_count_;
  reaper_.disarm();
  inbox.watcher = nullptr;
}

void ClientConnection::discard() {
  wake();
  pool_.give_back(ClientConnectionPtr(this), false);
}

// ---------------------------------------------------------------------------------- the pool

ConnectionPool::ConnectionPool(io::Loop& loop, ClientOptions options)
    : loop_(loop), options_(std::move(options)) {}

ConnectionPool::~ConnectionPool() {
  retire();
  WEIR_ASSERT(open_ == 0);
}

void ConnectionPool::retire() {
  retired_ = true;
  close_idle();
}

// Nobody waits while a connection is idle, so nobody is woken.
void ConnectionPool::close_idle() {
  while (!idle_.empty()) {
    ClientConnectionPtr connection(&idle_.front());
    connection->wake();
    --open_;
  }
}

// A queue that is longer than can be worked off in the time its last one has would only make every answer
// late: who comes then is told at once. At least kTurnsKnown turns say how fast it moves.
std::optional<Duration> ConnectionPool::expected_wait(MonoTime now) const {
  constexpr int64_t kTurnsKnown = 8;
  if (waiters_.empty() || turns_ < kTurnsKnown) return std::nullopt;
  return (now - turns_since_) / turns_ * static_cast<int64_t>(waiting_ + 1);
}

io::Task<Result<void>> ConnectionPool::queue(io::Cancel& cancel, Duration wait_max) {
  MonoTime now = loop_.now();
  std::optional<Duration> expected = expected_wait(now);
  if (waiting_ >= options_.queue_max || (expected && *expected > wait_max))
    co_return no_connection("queue_full", expected);
  if (waiters_.empty()) {
    turns_since_ = now;
    turns_ = 0;
  }
  io::Cancel scope(cancel);
  io::Timeout timeout(scope, io::CancelReason::kQueueTimeout);
  loop_.arm(timeout, wait_max);
  Waiter me;
  bool my_turn = waiters_.empty();  // who comes now stands behind those who wait
  ++waiting_;
  while (!my_turn || !available()) {
    my_turn ? waiters_.push_front(me) : waiters_.push_back(me);
    my_turn = co_await me.turn.wait(scope);
    me.unlink();
    if (!my_turn) break;
  }
  --waiting_;
  if (my_turn) {
    if (++turns_ >= kTurnsRemembered) {  // what was long ago counts half
      turns_ /= 2;
      turns_since_ = turns_since_ + (loop_.now() - turns_since_) / 2;
    }
    co_return Result<void>{};
  }
  wake_next();  // the turn may have been given to a caller that leaves
  if (cancel.requested())
    co_return fail_internal(ErrorCode::kCancelled, "cancelled while waiting for a connection");
  co_return no_connection("queue_timeout", expected_wait(loop_.now()));
}

io::Task<Result<ClientConnectionPtr>> ConnectionPool::acquire(io::Cancel& cancel, bool fresh) {
  if (!idle_.empty()) {
    ClientConnectionPtr connection(&idle_.front());
    connection->wake();
    if (!fresh) co_return connection;
    // A fresh one is asked for when an idle one was found dead: the server restarted, the others are dead
    // too.
    connection.reset();
    --open_;
    close_idle();
  }
  ++open_;
  auto stream = co_await loop_.network().connect(options_.address, options_.connect, cancel);
  if (!stream) {
    --open_;
    wake_next();
    Error e = std::move(stream).error();
    e.reason = "connect_failed";
    e.retryable = true;
    co_return Unexpected(std::move(e));
  }
  co_return ClientConnectionPtr(new ClientConnection(*this, *std::move(stream)));
}

void ConnectionPool::give_back(ClientConnectionPtr connection, bool reusable) {
  if (reusable && !retired_) {
    connection.release()->rest();
  } else {
    bool leak = WEIR_MUTATE(kLeakOnReset) && connection->inbox.status() == io::IoStatus::kReset;
    connection.reset();
    if (!leak) --open_;
  }
  wake_next();
}

// One place became free: one caller is woken, for all of them would be a crowd under overload. The waiter
// leaves the list itself, from inside notify().
void ConnectionPool::wake_next() {
  if (!waiters_.empty() && available()) waiters_.front().turn.notify();
}

// ---------------------------------------------------------------------------------- the call

ClientCall::~ClientCall() {
  if (!connection_) return;
  connection_->body.release();
  bool reusable = connection_->body.complete() && connection_->head.keep_alive &&
                  !connection_->head.until_close && connection_->head.status != 0 &&
                  connection_->inbox.empty() && connection_->inbox.status() == io::IoStatus::kOk;
  pool_.give_back(std::move(connection_), reusable);
}

const ResponseHead& ClientCall::head() const {
  return connection_->head;
}
BodyReader& ClientCall::body() {
  return connection_->body;
}

io::Task<Result<void>> ClientCall::send(std::string_view method, std::span<const std::string_view> pieces,
                                        Phases phases, io::Cancel& cancel) {
  auto outcome = co_await attempt(method, pieces, phases, cancel, false);
  if (!outcome && silent_death_) outcome = co_await attempt(method, pieces, phases, cancel, true);
  co_return outcome;
}

io::Task<Result<void>> ClientCall::connect(Phases phases, io::Cancel& cancel, bool fresh) {
  silent_death_ = false;
  if (connection_) pool_.give_back(std::move(connection_), false);
  if (!pool_.free()) CO_TRY_VOID(co_await pool_.queue(cancel, phases.queue));
  {
    io::Cancel scope(cancel);
    io::Timeout timeout(scope, io::CancelReason::kConnectTimeout);
    pool_.loop_.arm(timeout, phases.connect);
    auto acquired = co_await pool_.acquire(scope, fresh);
    if (!acquired) {
      if (scope.requested()) co_return cancelled_or_timed_out(cancel, scope);
      co_return Unexpected(std::move(acquired).error());
    }
    connection_ = *std::move(acquired);
  }
  reused_ = connection_->calls++ > 0;
  connected_at_ = pool_.loop_.now();
  ClientConnection& c = *connection_;
  c.body.begin_none();
  c.head.clear();
  sent_ = true;
  co_return Result<void>{};
}

io::Task<Result<void>> ClientCall::attempt(std::string_view method, std::span<const std::string_view> pieces,
                                           Phases phases, io::Cancel& cancel, bool fresh) {
  CO_TRY_VOID(co_await connect(phases, cancel, fresh));
  io::Cancel scope(cancel);
  io::Timeout timeout(scope, io::CancelReason::kHeadersTimeout);
  pool_.loop_.arm(timeout, phases.headers);
  io::IoResult written = co_await io::write(*connection_->stream, pieces, scope);
  if (scope.requested()) co_return cancelled_or_timed_out(cancel, scope);
  co_return co_await read_head(method, !written.ok(), cancel, scope);
}

io::Task<Result<void>> ClientCall::send(std::string_view method, std::string_view head, OutgoingBody& body,
                                        bool chunked, Duration write_max, Phases phases, io::Cancel& cancel,
                                        bool fresh) {
  // A pooled connection that died unseen costs nothing while only the head was sent: the body waits until the
  // head is written, and a death is known by then as a rule.
  CO_TRY_VOID(co_await connect(phases, cancel, fresh));
  ClientConnection& c = *connection_;
  c.inbox.arm();
  std::array<std::string_view, 1> first{head};
  io::IoStatus status = co_await TimedWrite(*c.stream, first, cancel, pool_.loop_, write_max);
  if (cancel.requested()) co_return cancelled_or_timed_out(cancel, cancel);
  bool whole = false;
  if (status == io::IoStatus::kOk) {
    CO_TRY(whole, co_await write_body(body, chunked, write_max, cancel));
  }
  io::Cancel scope(cancel);
  io::Timeout timeout(scope, io::CancelReason::kHeadersTimeout);
  pool_.loop_.arm(timeout, phases.headers);
  CO_TRY_VOID(co_await read_head(method, !whole, cancel, scope));
  co_return Result<void>{};
}

// True: all of it went out. False: the server answered, or closed, before.
io::Task<Result<bool>> ClientCall::write_body(OutgoingBody& body, bool chunked, Duration write_max,
                                              io::Cancel& cancel) {
  ClientConnection& c = *connection_;
  std::string framing;
  for (;;) {
    if (!c.inbox.empty() || c.inbox.status() != io::IoStatus::kOk) co_return false;
    CO_TRY(std::string_view piece, co_await body.next());
    bool end = piece.empty();
    if (end && !chunked) co_return true;
    framing = end ? "0\r\n\r\n" : fmt::format("{:x}\r\n", piece.size());
    std::array<std::string_view, 3> framed{framing, piece, "\r\n"};
    std::span<const std::string_view> out(framed.data(), end ? 1 : 3);
    if (!chunked) out = {&piece, 1};
    io::IoStatus status = co_await TimedWrite(*c.stream, out, cancel, pool_.loop_, write_max);
    if (cancel.requested()) co_return cancelled_or_timed_out(cancel, cancel);
    if (status == io::IoStatus::kTimedOut)
      co_return upstream_failed("idle_timeout", "the server took no more of the request");
    if (status != io::IoStatus::kOk) co_return false;
    if (end) co_return true;
  }
}

// A server may answer (413, say) and close before it read everything: its answer is still worth reading.
io::Task<Result<void>> ClientCall::read_head(std::string_view method, bool write_failed, io::Cancel& cancel,
                                             io::Cancel& scope) {
  ClientConnection& c = *connection_;
  int interim = 0;  // whole 1xx heads that came, and were dropped
  c.inbox.arm();
  for (;;) {
    ParseOutcome outcome{};
    outcome.state = ParseState::kIncomplete;
    if (!c.inbox.empty()) outcome = c.scanner.response(c.inbox.bytes(), method, c.head);
    if (outcome.state == ParseState::kInvalid) co_return upstream_failed("malformed_response", outcome.what);
    if (outcome.state == ParseState::kIncomplete) {
      if (c.inbox.status() != io::IoStatus::kOk || co_await c.inbox.more(scope) != io::IoStatus::kOk) {
        if (scope.requested()) co_return cancelled_or_timed_out(cancel, scope);
        silent_death_ = reused_ && interim == 0 && c.inbox.empty();
        co_return upstream_failed("closed_before_answer",
                                  write_failed ? "the connection failed while the request was sent"
                                               : "the connection closed before an answer");
      }
      continue;
    }
    if (c.head.status >= 100 && c.head.status < 200) {  // 100 Continue and the like
      c.inbox.consume(outcome.consumed);
      c.scanner.reset();
      c.head.clear();
      if (++interim > kInterimHeadsMax)
        co_return upstream_failed("malformed_response", "1xx answers without end");
      continue;
    }
    std::string_view in_inbox = c.inbox.bytes().substr(0, outcome.consumed);
    c.head_bytes.assign(in_inbox);
    rebase(c.head, in_inbox, c.head_bytes);
    c.inbox.consume(outcome.consumed);
    break;
  }
  if (write_failed) c.head.keep_alive = false;
  if (!c.head.body_allowed)
    c.body.begin_none();
  else if (c.head.chunked)
    c.body.begin_chunked();
  else if (c.head.content_length)
    c.body.begin_length(*c.head.content_length);
  else
    c.body.begin_until_close();
  co_return Result<void>{};
}

}  // namespace weir::http
