#include "weir/upstream/whole_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "weir/http/http_date.h"
#include "weir/upstream/relay.h"
#include "weir/upstream/upstream_error.h"
#include "weir/upstream/verdict.h"

namespace weir::upstream {
namespace {

namespace chat = exchange::chat;

constexpr size_t kWholeAnswerBytesMax = 64 << 20;

// Retry-After, seconds or a date, in seconds from now; 0: none.
int retry_after_of(const http::ResponseHead& head, WallTime now) {
  const Header* h = find_header(head.headers, "retry-after");
  if (!h) return 0;
  int64_t s = 0;
  if (auto date = http::parse_http_date(h->value))
    s = *date - now.unix_s();
  else
    std::from_chars(h->value.data(), h->value.data() + h->value.size(), s);
  return static_cast<int>(std::clamp<int64_t>(s, 0, 86'400));
}

// Is it the length of the request that was refused? By OpenAI's code, and by what others say in words:
// Anthropic, llama.cpp, vLLM, Ollama, Gemini.
bool is_too_long(int status, const json::Document& document, std::string_view words) {
  if (status != 400 && status != 413 && status != 422) return false;
  if (const json::Value* error = document.find("error"); error && error->type == json::Type::kObject)
    for (std::string_view key : {"code", "type"})
      if (auto code = json::find_in(error->raw, key))
        for (std::string_view name : {"context_length_exceeded", "exceed_context_size_error"})
          if (code->is_string(name)) return true;
  constexpr std::string_view kWords[] = {
      "prompt is too long",      "maximum context length", "exceeds the available context size",
      "context length exceeded", "input length exceeds",   "exceeds the maximum number of tokens"};
  return std::ranges::any_of(kWords, [&](std::string_view w) { return words.contains(w); });
}

// Does it refuse thoughts because it has not signed them? In words, as Anthropic, OpenAI and Gemini do.
bool finds_thoughts_foreign(int status, std::string_view words) {
  if (status != 400) return false;
  return (words.contains("signature") && words.contains("thinking")) ||
         words.contains("hought signature is not valid") ||
         (words.contains("ncrypted content") && words.contains("could not be verified"));
}

ErrorCode code_of(int status) {
  switch (status) {
    case 404:
      return ErrorCode::kNotFound;
    case 413:
      return ErrorCode::kPayloadTooLarge;
    case 429:
      return ErrorCode::kRateLimited;
    case 503:
    case 529:
      return ErrorCode::kUnavailable;
    default:
      return status < 500 ? ErrorCode::kInvalidRequest : ErrorCode::kUpstream;
  }
}

// The model server's refusal as the caller sees it. Its own words pass (they speak of the caller's request);
// but a refusal of the gateway's credentials is the gateway's failure, and says nothing about them. A server
// that is busy or broken speaks of itself: its error is retryable, another target may be asked.
Result<void> take_refusal(ModelCall& model, const http::ResponseHead& head, std::string&& body,
                          const json::Document* document) {
  exchange::Exchange& exchange = model.exchange;
  int status = head.status;
  if (status == 401 || status == 403) {
    Error e =
        upstream_error("upstream_credentials", fmt::format("answered {} to our credentials", status), true);
    e.safe = "The model server refused the gateway's credentials.";
    return Unexpected(std::move(e));
  }
  bool of_itself = status == 429 || status >= 500;
  std::string words = document ? model.wire.error_text(*document) : "";
  bool has_error_object = document && (!words.empty() || document->find("error"));
  if (has_error_object && status >= 400) {
    bool too_long = is_too_long(status, *document, words);
    exchange::Answer answer{status, "application/json", passed_answer_headers(head.headers), std::move(body)};
    if (model.translated()) {
      Error e = make_error(code_of(status), words);
      if (too_long) e.reason = "context_length_exceeded";
      answer.status = status == 500 ? 500 : http_status(e.code);  // as where nothing is translated
      answer.body = model.caller.error_body(e);
    }
    std::string_view reason = too_long                                ? "context_length_exceeded"
                              : finds_thoughts_foreign(status, words) ? kForeignThoughts
                                                                      : "upstream_status";
    Error refusal = upstream_error(reason, fmt::format("answered status {}", status), of_itself);
    refusal.retry_after_s = retry_after_of(head, exchange.loop.wall_now());
    exchange.outcome.error = std::move(refusal);
    exchange.answer = std::move(answer);
    return {};
  }
  Error e = upstream_error("upstream_status",
                           fmt::format("answered status {} ({})", status, content_type_of(head)), true);
  e.safe = fmt::format("The model server answered with status {}.", status);
  if (status < 400) e.reason = "upstream_redirect";  // never followed, and the same each time
  if (status == 429) e.code = ErrorCode::kRateLimited;
  if (status == 503 || status == 529) e.code = ErrorCode::kUnavailable;
  if (status == 429 || status == 503 || status == 529)
    e.retry_after_s = retry_after_of(head, exchange.loop.wall_now());
  return Unexpected(std::move(e));
}

Error malformed(const http::ResponseHead& head, const Error& why) {
  return upstream_error("malformed_response",
                        fmt::format("answered {} with something else than an answer ({}): {}", head.status,
                                    content_type_of(head), why.message),
                        true);
}

// The answer as the caller reads it.
Result<void> translate(ModelCall& model, const http::ResponseHead& head, const json::Document& document) {
  exchange::Exchange& exchange = model.exchange;
  exchange::Answer answer{head.status, "application/json", passed_answer_headers(head.headers), {}};
  if (exchange.operation == exchange::Operation::kEmbedding) {
    auto vectors = model.wire.read_embedding_answer(document);
    if (!vectors) return Unexpected(malformed(head, vectors.error()));
    exchange.usage.merge(vectors->usage);
    answer.body = model.caller.write_embedding(model.context, exchange.request, *vectors);
  } else if (exchange.operation == exchange::Operation::kCountTokens) {
    chat::Answer counted;  // nothing was generated: it is no usage of the exchange
    counted.usage.input_tokens = model.wire.read_count(document);
    if (!counted.usage.input_tokens)
      return Unexpected(
          malformed(head, internal_error(ErrorCode::kUpstream, "it names no number of tokens")));
    answer.body = model.caller.write_answer(model.context, counted);
  } else {
    chat::Collector collected;
    if (auto read = model.wire.read_answer(document, collected); !read)
      return Unexpected(malformed(head, read.error()));
    if (exchange.request.stream) {
      Relay relay(model, head);
      chat::replay(collected.answer, relay);
      return relay.check();
    }
    exchange.usage.merge(collected.answer.usage);
    answer.body = model.caller.write_answer(model.context, collected.answer);
  }
  exchange.answer = std::move(answer);
  return {};
}

}  // namespace

io::Task<Result<void>> take_whole(http::ClientCall& call, ModelCall& model, io::Cancel& cancel) {
  exchange::Exchange& exchange = model.exchange;
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
    exchange.loop.arm(idle, model.target.timeouts.idle);
    co_await body.inbox().more(scope);
    if (scope.requested()) co_return Unexpected(scope_error(scope));
  }
  idle.disarm();

  bytes.reserve(bytes.size() + json::kPadding);
  auto document = model.parser.parse(bytes);
  bool is_object = document && document->type == json::Type::kObject;
  if (head.status < 200 || head.status >= 300)
    co_return take_refusal(model, head, std::move(bytes), is_object ? &*document : nullptr);
  if (!is_object)
    co_return Unexpected(
        upstream_error("malformed_response",
                       fmt::format("answered {} with something that is not a JSON object ({})", head.status,
                                   content_type_of(head)),
                       true));
  if (exchange.timeline.first_token.ns == 0) exchange.timeline.first_token = exchange.loop.now();
  if (model.translated() || model.delivery.begun()) {
    model.context.elapsed_ns = (exchange.loop.now() - exchange.timeline.received).count();
    co_return translate(model, head, *document);
  }
  if (auto usage = model.wire.usage_of(*document)) exchange.usage.merge(*usage);
  exchange.answer = exchange::Answer{head.status, "application/json", passed_answer_headers(head.headers),
                                     std::move(bytes)};
  co_return Result<void>{};
}

}  // namespace weir::upstream
