#include "weir/upstream/stream_relay.h"

#include "weir/base/mutation.h"
#include "weir/upstream/relay.h"
#include "weir/upstream/upstream_error.h"

namespace weir::upstream {
namespace {

using http::BodyReader;

constexpr Duration kEndGrace = milliseconds(250);  // between the last event and the end of the message

// Cuts a body into events, whatever their framing.
class Framer {
 public:
  explicit Framer(wire::Framing framing) : lined_(framing == wire::Framing::kNdjson) {}
  void feed(std::string_view bytes) { lined_ ? lines_.feed(bytes) : sse_.feed(bytes); }
  std::optional<wire::StreamFrame> next() { return lined_ ? lines_.next() : sse_.next(); }
  std::optional<wire::StreamFrame> finish() {
    if (!lined_) return std::nullopt;  // an event without its blank line never came
    return lines_.finish();
  }
  bool overflow() const { return lined_ ? lines_.overflow() : sse_.overflow(); }

 private:
  bool lined_;
  wire::SseFramer sse_;
  wire::LineFramer lines_;
};

// One piece of the body; the last one ends the answer. Errors: what ended it too early. (Not in the
// coroutine: what is needed for a moment would be in its frame as long as the stream lasts.)
[[gnu::noinline]] Result<void> take(const BodyReader::Piece& piece, Framer& framer, Relay& relay) {
  const bool over = piece.state != BodyReader::State::kData;
  framer.feed(piece.bytes);
  while (auto frame = framer.next())
    TRY_VOID(relay.take(*frame));
  if (over)
    if (auto frame = framer.finish()) TRY_VOID(relay.take(*frame));
  if (framer.overflow())
    return Unexpected(upstream_error("malformed_response", "sent an event larger than 1 MiB", true));
  if (piece.state == BodyReader::State::kMalformed && !relay.done())
    return Unexpected(upstream_error("malformed_response", std::string(piece.what), true));
  if (!over) return {};
  TRY_VOID(relay.finish());
  if (relay.whole()) return {};
  if (WEIR_MUTATE(kInventedDone) && relay.begun()) {
    relay.invent_end();
    return {};
  }
  return Unexpected(upstream_error("stream_cut", "the stream ended before the answer did", true));
}

}  // namespace

io::Task<Result<void>> relay_stream(http::ClientCall& call, ModelCall& model, io::Cancel& cancel) {
  io::Loop& loop = model.exchange.loop;
  const exchange::Target& target = model.target;
  BodyReader& body = call.body();
  Framer framer(model.wire.framing());
  Relay relay(model, call.head());
  io::Cancel scope(cancel);
  io::Timeout first_token(scope, io::CancelReason::kFirstTokenTimeout);
  io::Timeout idle(scope, io::CancelReason::kIdleTimeout);
  loop.arm(first_token, target.timeouts.first_token);

  for (;;) {
    BodyReader::Piece piece = body.take();
    if (piece.state == BodyReader::State::kNothing) {
      bool progressed = relay.take_progress();
      if (relay.token_seen() || relay.whole()) {  // an answer may have no token at all
        first_token.disarm();
        if (progressed && !WEIR_MUTATE(kLostTimer))
          loop.arm(idle, relay.done() ? kEndGrace : Duration(target.timeouts.idle));
      }
      co_await body.inbox().more(scope);
      if (!scope.requested()) continue;
      // The answer is whole, only the end of the message is late: nobody waits for that.
      if (relay.whole() && scope.reason() == io::CancelReason::kIdleTimeout) co_return relay.finish();
      co_return Unexpected(scope_error(scope));
    }
    Result<void> taken = take(piece, framer, relay);
    if (!taken) {
      if (relay.begun()) co_await model.delivery.flush();
      co_return taken;
    }
    if (piece.state != BodyReader::State::kData) co_return taken;
    // The time a slow client takes is not the model server's silence.
    if (relay.progressed()) idle.disarm();
    // After the last event only the end of the message is missing; the last events go out with it.
    if (relay.done() || !relay.begun()) continue;
    body.release();  // a client that does not read keeps this for long
    body.inbox().let_go();
    if (!co_await model.delivery.flush()) co_return fail(ErrorCode::kCancelled, "the client left");
  }
}

}  // namespace weir::upstream
