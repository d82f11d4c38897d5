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
    bool over = piece.state != BodyReader::State::kData;
    Result<void> taken;
    framer.feed(piece.bytes);
    while (auto frame = framer.next())
      if (taken = relay.take(*frame); !taken) break;
    if (taken && over)
      if (auto frame = framer.finish()) taken = relay.take(*frame);
    if (taken && framer.overflow())
      taken = Unexpected(upstream_error("malformed_response", "sent an event larger than 1 MiB", true));
    if (taken && piece.state == BodyReader::State::kMalformed && !relay.done())
      taken = Unexpected(upstream_error("malformed_response", std::string(piece.what), true));
    if (taken && over) {
      taken = relay.finish();
      if (taken && relay.whole()) co_return taken;
      if (WEIR_MUTATE(kInventedDone) && relay.begun()) {
        relay.invent_end();
        co_return Result<void>{};
      }
      if (taken)
        taken = Unexpected(upstream_error("stream_cut", "the stream ended before the answer did", true));
    }
    if (!taken) {
      if (relay.begun()) co_await model.delivery.flush();
      co_return taken;
    }
    // The time a slow client takes is not the model server's silence.
    if (relay.progressed()) idle.disarm();
    // After the last event only the end of the message is missing; the last events go out with it.
    if (!relay.done() && relay.begun() && !co_await model.delivery.flush())
      co_return fail(ErrorCode::kCancelled, "the client left");
  }
}

}  // namespace weir::upstream
