#include "weir/upstream/provider/openai_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "weir/base/mutation.h"
#include "weir/base/utf8.h"
#include "weir/wire/openai.h"
#include "weir/wire/sse.h"

namespace weir::upstream {
namespace {

namespace wire = weir::wire::openai;

constexpr size_t kWholeAnswerBytesMax = 64 << 20;
constexpr Duration kEndGrace = milliseconds(250);  // between [DONE] and the end of the message

std::string_view path_of(exchange::Operation operation) {
  switch (operation) {
    case exchange::Operation::kChat:
      return "/chat/completions";
    case exchange::Operation::kCompletion:
      return "/completions";
    case exchange::Operation::kEmbedding:
      return "/embeddings";
  }
  return {};
}

Error upstream_error(std::string_view reason, std::string message, bool retryable) {
  Error e = internal_error(ErrorCode::kUpstream, std::move(message));
  e.reason = reason;
  e.retryable = retryable;
  return e;
}

Error scope_error(const io::Cancel& scope) {
  Error e = internal_error(ErrorCode::kCancelled, std::string(io::name(scope.reason())));
  switch (scope.reason()) {
    case io::CancelReason::kFirstTokenTimeout:
    case io::CancelReason::kIdleTimeout:
    case io::CancelReason::kTotalTimeout:
      e.code = ErrorCode::kUpstreamTimeout;
      e.reason = io::name(scope.reason());
      e.retryable = scope.reason() != io::CancelReason::kTotalTimeout;
      break;
    default:
      break;
  }
  return e;
}

bool content_type_is(const http::ResponseHead& head, std::string_view type) {
  const Header* h = find_header(head.headers, "content-type");
  return h && h->value.size() >= type.size() && iequals(h->value.substr(0, type.size()), type);
}

std::string content_type_of(const http::ResponseHead& head) {
  const Header* h = find_header(head.headers, "content-type");
  return h ? std::string(h->value.substr(0, 80)) : "no content type";
}

// ---------------------------------------------------------------------------------------------------- whole
// answers

// Retry-After in seconds; 0: none, or a date, which is not worth a calendar here.
int retry_after_of(const http::ResponseHead& head) {
  const Header* h = find_header(head.headers, "retry-after");
  int s = 0;
  if (h) std::from_chars(h->value.data(), h->value.data() + h->value.size(), s);
  return std::clamp(s, 0, 86'400);
}

// The model server's refusal as the caller sees it. Its own error object passes (it speaks of the caller's
// request); but a refusal of the gateway's credentials is the gateway's failure, and says nothing about them.
// A server that is busy or broken speaks of itself: its error is retryable, another target may be asked.
Result<void> take_refusal(exchange::Exchange& exchange, const http::ResponseHead& head, std::string&& body,
                          const json::Document* document) {
  int status = head.status;
  bool has_error_object = document && document->find("error");
  if (status == 401 || status == 403) {
    Error e =
        upstream_error("upstream_credentials", fmt::format("answered {} to our credentials", status), true);
    e.safe = "The model server refused the gateway's credentials.";
    return Unexpected(std::move(e));
  }
  OwnedHeaders passed = passed_answer_headers(head.headers);
  if (has_error_object && status >= 400) {
    exchange.answer = exchange::Answer{status, "application/json", std::move(passed), std::move(body)};
    exchange.outcome.error = upstream_error("upstream_status", fmt::format("answered status {}", status),
                                            status == 429 || status >= 500);
    return {};
  }
  Error e = upstream_error("upstream_status",
                           fmt::format("answered status {} ({})", status, content_type_of(head)), true);
  e.safe = fmt::format("The model server answered with status {}.", status);
  if (status == 429) e.code = ErrorCode::kRateLimited;
  if (status == 503) e.code = ErrorCode::kUnavailable;
  if (status == 429 || status == 503) e.retry_after_s = retry_after_of(head);
  return Unexpected(std::move(e));
}

io::Task<Result<void>> take_whole(http::ClientCall& call, json::Parser& parser, exchange::Exchange& exchange,
                                  const exchange::Target& target, io::Cancel& cancel) {
  const http::ResponseHead& head = call.head();
  http::BodyReader& body = call.body();
  io::Cancel scope(cancel);
  io::Timeout idle(scope, io::CancelReason::kIdleTimeout);

  std::string bytes;
  if (body.has_length()) {
    if (body.length_left() > kWholeAnswerBytesMax)
      co_return Unexpected(upstream_error("malformed_response", "the answer is too large", false));
    bytes.reserve(static_cast<size_t>(body.length_left()) + json::kPadding);
  }
  for (;;) {
    http::BodyReader::Piece piece = body.take();
    bytes.append(piece.bytes);
    if (piece.state == http::BodyReader::State::kEnd) break;
    if (piece.state == http::BodyReader::State::kMalformed)
      co_return Unexpected(upstream_error("malformed_response", std::string(piece.what), true));
    if (piece.state == http::BodyReader::State::kTruncated)
      co_return Unexpected(upstream_error("stream_cut", "the connection closed inside the answer", true));
    if (bytes.size() > kWholeAnswerBytesMax)
      co_return Unexpected(upstream_error("malformed_response", "the answer is too large", false));
    if (piece.state == http::BodyReader::State::kData) continue;
    exchange.loop.arm(idle, target.timeouts.idle);
    co_await body.inbox().more(scope);
    if (scope.requested()) co_return Unexpected(scope_error(scope));
  }
  idle.disarm();

  bytes.reserve(bytes.size() + json::kPadding);
  auto document = parser.parse(bytes);
  bool is_object = document && document->type == json::Type::kObject;
  if (head.status < 200 || head.status >= 300)
    co_return take_refusal(exchange, head, std::move(bytes), is_object ? &*document : nullptr);
  if (!is_object)
    co_return Unexpected(
        upstream_error("malformed_response",
                       fmt::format("answered {} with something that is not a JSON object ({})", head.status,
                                   content_type_of(head)),
                       true));
  if (auto usage = wire::usage_of(*document)) exchange.usage.merge(*usage);
  exchange.timeline.first_token = exchange.loop.now();
  exchange.answer = exchange::Answer{head.status, "application/json", passed_answer_headers(head.headers),
                                     std::move(bytes)};
  co_return Result<void>{};
}

// -------------------------------------------------------------------------------------------------- streamed
// answers

// What an error event says: {"error":{"message":...}}, {"error":"..."} or {"object":"error","message":...}.
std::string error_text(std::string_view data) {
  auto value = json::find_in(data, "error");
  if (!value || value->type == json::Type::kNull) value = json::find_in(data, "message");
  if (value && value->type == json::Type::kObject) value = json::find_in(value->raw, "message");
  return value ? value->as_string().value_or("").substr(0, 500) : "";
}

// How far a stream has come.
struct Relay {
  exchange::Exchange& exchange;
  exchange::AnswerStream& stream;
  const http::ResponseHead& head;
  bool begun = false;
  bool token_seen = false;
  bool progressed = false;  // the last piece held an event with data (comments keep no timer alive)
  bool done = false;        // [DONE] came
  int64_t unfinished = 1;   // choices without their finish_reason
  bool failed = false;      // the model server sent an error object

  bool finished() const { return unfinished <= 0; }

  void relay(wire::EventFacts& facts, const weir::wire::SseEvent& event) {
    if (!begun) {
      begun = true;
      exchange.outcome.streamed = true;
      exchange.outcome.status = head.status;
      stream.begin(head.status, "text/event-stream", passed_answer_headers(head.headers));
      if (!WEIR_MUTATE(kResendAfterBytes)) exchange.request.let_go();
    }
    bool hide_usage = facts.usage_value && !exchange.request.usage_wanted;
    // The frame exists only because we asked for it. (One with a null usage does not: Azure's first.)
    if (hide_usage && facts.choices_empty && facts.usage) return;
    ++exchange.outcome.events;
    if (hide_usage) {
      std::string without = wire::without_usage(event.data);
      pass({without, std::string_view(without).substr(6, without.size() - 8)});
    } else {
      pass({event.raw, event.data});
    }
  }

  void pass(exchange::StreamEvent event) {
    exchange.outcome.answer_bytes += event.raw.size();
    stream.event(event);
  }

  /// One event with data. Errors: what a stream that has not begun fails with.
  Result<void> take(const weir::wire::SseEvent& event) {
    wire::EventFacts facts = wire::read_event(event.data, !token_seen);
    if (facts.malformed) {
      failed = true;
      return Unexpected(upstream_error("malformed_response", "sent an event that is not JSON", !begun));
    }
    progressed = true;
    if (facts.usage) exchange.usage.merge(*facts.usage);
    if (facts.has_output && !token_seen) {
      token_seen = true;
      exchange.timeline.first_token = exchange.loop.now();
    }
    if (facts.error) {
      failed = true;
      Error e = upstream_error("upstream_error_event", "sent an error event", !begun);
      e.safe = "The model server failed: " + error_text(event.data);
      return Unexpected(std::move(e));
    }
    done = done || facts.done;
    unfinished -= facts.finished;
    relay(facts, event);
    return {};
  }
};

io::Task<Result<void>> relay_stream(http::ClientCall& call, exchange::Exchange& exchange,
                                    const exchange::Target& target, exchange::AnswerStream& stream,
                                    io::Cancel& cancel) {
  http::BodyReader& body = call.body();
  weir::wire::SseFramer framer;
  Relay relay{exchange, stream, call.head()};
  if (const json::Value* n = exchange.request.document.find("n")) relay.unfinished = n->as_int().value_or(1);
  io::Cancel scope(cancel);
  io::Timeout first_token(scope, io::CancelReason::kFirstTokenTimeout);
  io::Timeout idle(scope, io::CancelReason::kIdleTimeout);
  exchange.loop.arm(first_token, target.timeouts.first_token);

  for (;;) {
    http::BodyReader::Piece piece = body.take();
    if (piece.state == http::BodyReader::State::kNothing) {
      if (relay.token_seen || relay.done || relay.finished()) {  // an answer may have no token at all
        first_token.disarm();
        if (relay.progressed && !WEIR_MUTATE(kLostTimer))
          exchange.loop.arm(idle, relay.done ? kEndGrace : Duration(target.timeouts.idle));
      }
      relay.progressed = false;
      co_await body.inbox().more(scope);
      if (!scope.requested()) continue;
      // The answer is whole, only the end of the message is late: nobody waits for that.
      bool whole = relay.done || relay.finished();
      if (whole && scope.reason() == io::CancelReason::kIdleTimeout) co_return Result<void>{};
      co_return Unexpected(scope_error(scope));
    }
    framer.feed(piece.bytes);
    while (auto event = framer.next()) {
      if (!is_utf8(event->raw)) {  // the callers' libraries would break off without a word
        if (relay.begun) co_await stream.flush();
        co_return Unexpected(
            upstream_error("malformed_response", "sent an event that is not UTF-8", !relay.begun));
      }
      if (event->data.empty()) {  // a comment, or a heartbeat of empty data, which dispatches nothing
        if (relay.begun && !relay.done) relay.pass({event->raw, {}});
        continue;
      }
      if (relay.done) continue;  // nothing counts after [DONE]
      auto taken = relay.take(*event);
      if (!taken) {
        if (relay.begun) co_await stream.flush();
        co_return taken;
      }
    }
    if (framer.overflow())
      co_return Unexpected(
          upstream_error("malformed_response", "sent an event larger than 1 MiB", !relay.begun));
    bool over = piece.state != http::BodyReader::State::kData;
    if (piece.state == http::BodyReader::State::kMalformed && !relay.done)
      co_return Unexpected(upstream_error("malformed_response", std::string(piece.what), !relay.begun));
    if (over) {
      if (relay.done || relay.finished()) co_return Result<void>{};
      if (WEIR_MUTATE(kInventedDone) && relay.begun) {
        relay.pass({"data: [DONE]\n\n", "[DONE]"});
        co_return Result<void>{};
      }
      co_return Unexpected(
          upstream_error("stream_cut", "the stream ended before the answer did", !relay.begun));
    }
    // The time a slow client takes is not the model server's silence.
    if (relay.progressed) idle.disarm();
    // After [DONE] only the end of the message is missing; the last events go out with it.
    if (!relay.done && relay.begun && !co_await stream.flush())
      co_return fail(ErrorCode::kCancelled, "the client left");
  }
}

}  // namespace

io::Task<Result<void>> call_openai(Endpoint& endpoint, json::Parser& parser, exchange::Exchange& exchange,
                                   const exchange::Target& target, exchange::AnswerStream& stream,
                                   io::Cancel& cancel) {
  exchange.outcome.endpoint = endpoint.address();
  json::Edits edits = wire::upstream_edits(exchange.request, target.model);
  std::vector<std::string_view> pieces = edits.pieces();
  size_t body_bytes = 0;
  for (std::string_view piece : pieces)
    body_bytes += piece.size();
  std::string head =
      endpoint.post_head(path_of(exchange.operation), exchange.headers, exchange.id, body_bytes);
  pieces.insert(pieces.begin(), head);

  http::ClientCall call(endpoint.pool());
  // A whole answer has its head only when the model is done: until then the total limit is the one that
  // counts.
  Duration headers = exchange.request.stream ? target.timeouts.headers : target.timeouts.total;
  auto sent =
      co_await call.send("POST", pieces, {target.timeouts.queue, target.timeouts.connect, headers}, cancel);
  exchange.timeline.connected = call.connected_at();
  if (!sent) co_return sent;
  std::string().swap(head);  // a stream may last for minutes
  std::vector<std::string_view>().swap(pieces);
  exchange.timeline.first_byte = exchange.loop.now();

  const http::ResponseHead& response = call.head();
  if (exchange.request.stream && response.status >= 200 && response.status < 300 &&
      content_type_is(response, "text/event-stream"))
    co_return co_await relay_stream(call, exchange, target, stream, cancel);
  co_return co_await take_whole(call, parser, exchange, target, cancel);
}

}  // namespace weir::upstream
