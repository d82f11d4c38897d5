#include "weir/upstream/stream_relay.h"

#include <fmt/format.h>

#include "weir/base/mutation.h"
#include "weir/base/utf8.h"
#include "weir/upstream/upstream_error.h"

namespace weir::upstream {
namespace {

namespace chat = exchange::chat;
using http::BodyReader;

constexpr Duration kEndGrace = milliseconds(250);  // between the last event and the end of the message
constexpr size_t kHeldBytesMax = 64 << 10;         // of events before the first output

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

// How far a stream has come, and the way of its events to the caller.
class Relay final : public chat::Sink {
 public:
  Relay(ModelCall& model, exchange::AnswerStream& stream, const http::ResponseHead& head)
      : model_(model), exchange_(model.exchange), stream_(stream), head_(head), unfinished_(model.choices) {
    if (!model.translated()) return;
    reader_ = model.wire.stream_reader();
    writer_ = model.caller.stream_writer(model.context);
  }

  bool begun() const { return begun_; }
  bool token_seen() const { return token_seen_; }
  bool done() const { return done_; }
  bool whole() const { return done_ || unfinished_ <= 0; }

  /// Did an event with data come since the last call? (Comments keep no timer alive.)
  bool take_progress() { return std::exchange(progressed_, false); }
  bool progressed() const { return progressed_; }

  /// One event. Errors: what a stream that has not begun fails with.
  Result<void> take(const wire::StreamFrame& frame);
  /// The body is over.
  void finish() {
    if (reader_ && !done_) reader_->finish(*this);
  }
  /// A step of a translation.
  void take(const chat::Step& step) override;
  void pass(exchange::StreamEvent event);

 private:
  Result<void> relay(const wire::StreamFrame& frame);
  void begin();
  void deliver(exchange::StreamEvent event);
  void note_token() {
    if (token_seen_) return;
    token_seen_ = true;
    exchange_.timeline.first_token = exchange_.loop.now();
  }

  struct Held {
    size_t bytes, data_at, data_bytes;
  };

  ModelCall& model_;
  exchange::Exchange& exchange_;
  exchange::AnswerStream& stream_;
  const http::ResponseHead& head_;
  std::unique_ptr<wire::StreamReader> reader_;  // of a translation
  std::unique_ptr<wire::StreamWriter> writer_;
  std::string held_bytes_;  // events before the first output
  std::vector<Held> held_;
  int64_t unfinished_;  // choices without their finish reason
  bool begun_ = false;
  bool token_seen_ = false;
  bool progressed_ = false;
  bool done_ = false;  // the last event came
};

void Relay::begin() {
  begun_ = true;
  exchange_.outcome.streamed = true;
  exchange_.outcome.status = head_.status;
  stream_.begin(head_.status, model_.caller.stream_content_type(), passed_answer_headers(head_.headers));
  if (!WEIR_MUTATE(kResendAfterBytes)) exchange_.request.let_go();
  std::string_view bytes = held_bytes_;
  for (const Held& held : held_) {
    deliver({bytes.substr(0, held.bytes), bytes.substr(held.data_at, held.data_bytes)});
    bytes.remove_prefix(held.bytes);
  }
  std::string().swap(held_bytes_);
  std::vector<Held>().swap(held_);
}

void Relay::deliver(exchange::StreamEvent event) {
  if (reader_ || !event.data.empty()) ++exchange_.outcome.events;
  exchange_.outcome.answer_bytes += event.raw.size();
  stream_.event(event);
}

void Relay::pass(exchange::StreamEvent event) {
  if (!begun_) {
    if (!token_seen_ && !whole() && held_bytes_.size() + event.raw.size() <= kHeldBytesMax) {
      size_t data_at = event.data.empty() ? 0 : static_cast<size_t>(event.data.data() - event.raw.data());
      held_.push_back({event.raw.size(), data_at, event.data.size()});
      held_bytes_.append(event.raw);
      return;
    }
    begin();
  }
  deliver(event);
}

void Relay::take(const chat::Step& step) {
  using Kind = chat::Step::Kind;
  switch (step.kind) {
    case Kind::kOpen:
      if (step.part == chat::PartKind::kToolCall) note_token();
      break;
    case Kind::kText:
      note_token();
      break;
    case Kind::kUsage:
      exchange_.usage.merge(*step.usage);
      break;
    case Kind::kFinish:
      --unfinished_;
      break;
    case Kind::kEnd:
      done_ = true;
      break;
    default:
      break;
  }
  writer_->take(step);
  if (writer_->out.empty()) return;
  pass({writer_->out, {}, step.kind == Kind::kEnd});
  writer_->out.clear();
}

Result<void> Relay::relay(const wire::StreamFrame& frame) {
  wire::EventFacts facts = model_.wire.read_event(frame, !token_seen_);
  if (facts.malformed)
    return Unexpected(upstream_error("malformed_response", "sent an event that is not JSON", !begun_));
  progressed_ = true;
  if (facts.usage) exchange_.usage.merge(*facts.usage);
  if (facts.has_output) note_token();
  if (facts.error) {
    Error e = upstream_error("upstream_error_event", "sent an error event", !begun_);
    e.safe = "The model server failed: " + model_.wire.event_error_text(frame);
    return Unexpected(std::move(e));
  }
  done_ = done_ || facts.done;
  unfinished_ -= facts.finished;
  bool hide_usage = facts.usage_value && !exchange_.request.usage_wanted;
  // The event exists only because we asked for it. (One with a null usage does not: Azure's first.)
  if (hide_usage && facts.choices_empty && facts.usage) return {};
  if (hide_usage) {
    std::string without = model_.wire.without_usage(frame);
    pass({without, std::string_view(without).substr(6, without.size() - 8), facts.done});
  } else {
    pass({frame.raw, frame.data, facts.done});
  }
  return {};
}

Result<void> Relay::take(const wire::StreamFrame& frame) {
  if (!is_utf8(frame.raw))  // the callers' libraries would break off without a word
    return Unexpected(upstream_error("malformed_response", "sent an event that is not UTF-8", !begun_));
  if (frame.data.empty()) {  // a comment, or a heartbeat of empty data, which dispatches nothing
    if ((begun_ || !held_.empty()) && !done_ && !reader_) pass({frame.raw, {}});
    return {};
  }
  if (done_) return {};  // nothing counts after the last event
  if (!reader_) return relay(frame);
  progressed_ = true;
  writer_->elapsed_ns = (exchange_.loop.now() - exchange_.timeline.received).count();
  auto read = reader_->read(frame, *this);
  if (!read) {
    read.error().retryable = !begun_;
    if (read.error().reason == "upstream_error_event")
      read.error().safe = "The model server failed: " + read.error().safe;
  }
  return read;
}

}  // namespace

io::Task<Result<void>> relay_stream(http::ClientCall& call, ModelCall& model, exchange::AnswerStream& stream,
                                    io::Cancel& cancel) {
  io::Loop& loop = model.exchange.loop;
  const exchange::Target& target = model.target;
  BodyReader& body = call.body();
  Framer framer(model.wire.framing());
  Relay relay(model, stream, call.head());
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
      if (relay.whole() && scope.reason() == io::CancelReason::kIdleTimeout) {
        relay.finish();
        co_return Result<void>{};
      }
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
      taken =
          Unexpected(upstream_error("malformed_response", "sent an event larger than 1 MiB", !relay.begun()));
    if (taken && piece.state == BodyReader::State::kMalformed && !relay.done())
      taken = Unexpected(upstream_error("malformed_response", std::string(piece.what), !relay.begun()));
    if (!taken) {
      if (relay.begun()) co_await stream.flush();
      co_return taken;
    }
    if (over) {
      relay.finish();
      if (relay.whole()) co_return Result<void>{};
      if (WEIR_MUTATE(kInventedDone) && relay.begun()) {
        relay.pass({"data: [DONE]\n\n", "[DONE]", true});
        co_return Result<void>{};
      }
      co_return Unexpected(
          upstream_error("stream_cut", "the stream ended before the answer did", !relay.begun()));
    }
    // The time a slow client takes is not the model server's silence.
    if (relay.progressed()) idle.disarm();
    // After the last event only the end of the message is missing; the last events go out with it.
    if (!relay.done() && relay.begun() && !co_await stream.flush())
      co_return fail(ErrorCode::kCancelled, "the client left");
  }
}

}  // namespace weir::upstream
