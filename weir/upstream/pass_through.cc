#include "weir/upstream/pass_through.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/upstream/upstream_error.h"

namespace weir::upstream {
namespace {

using http::BodyReader;

constexpr size_t kRefusalBytesMax = 1 << 20;
constexpr size_t kUsageBytesMax = 8 << 20;  // of an answer whose usage is read

class Outgoing final : public http::OutgoingBody {
 public:
  explicit Outgoing(exchange::PassedBody& body) : body_(body) {}
  io::Task<Result<std::string_view>> next() override { return body_.next(); }

 private:
  exchange::PassedBody& body_;
};

// The caller's body went out in part, or the request may have done something: nobody else is asked.
Result<void> settled(Result<void> outcome, bool may_ask_again) {
  if (!outcome && !may_ask_again) outcome.error().retryable = false;
  return outcome;
}

// One piece of the answer after the other, with the idle timer between them.
class Answer {
 public:
  Answer(BodyReader& body, io::Loop& loop, Duration idle, io::Cancel& cancel)
      : body_(body),
        loop_(loop),
        idle_max_(idle),
        scope_(cancel),
        idle_(scope_, io::CancelReason::kIdleTimeout) {}

  /// Empty and over(): the end.
  io::Task<Result<std::string_view>> next() {
    for (;;) {
      BodyReader::Piece piece = body_.take();
      if (piece.state == BodyReader::State::kMalformed)
        co_return Unexpected(upstream_error("malformed_response", std::string(piece.what), true));
      if (piece.state == BodyReader::State::kTruncated)
        co_return Unexpected(upstream_error("stream_cut", "the connection closed inside the answer", true));
      over_ = piece.state == BodyReader::State::kEnd;
      if (over_ || !piece.bytes.empty()) {
        idle_.disarm();
        co_return piece.bytes;
      }
      loop_.arm(idle_, idle_max_);
      co_await body_.inbox().more(scope_);
      if (scope_.requested()) co_return Unexpected(scope_error(scope_));
    }
  }
  bool over() const { return over_; }

 private:
  BodyReader& body_;
  io::Loop& loop_;
  const Duration idle_max_;
  io::Cancel scope_;
  io::Timeout idle_;
  bool over_ = false;
};

// A refusal passes with its words when it is JSON; what a proxy in front of the provider says does not.
io::Task<Result<void>> take_refusal(http::ClientCall& call, Answer& pieces, exchange::Exchange& exchange,
                                    bool may_ask_again) {
  int status = call.head().status;
  if (status == 401 || status == 403) {
    Error e = upstream_error("upstream_credentials", fmt::format("answered {} to our credentials", status),
                             may_ask_again);
    e.safe = "The model server refused the gateway's credentials.";
    co_return Unexpected(std::move(e));
  }
  bool of_itself = status == 429 || status >= 500;
  if (!content_type_is(call.head(), "application/json")) {
    Error e = upstream_error("upstream_status",
                             fmt::format("answered status {} ({})", status, content_type_of(call.head())),
                             may_ask_again);
    e.safe = fmt::format("The model server answered with status {}.", status);
    co_return Unexpected(std::move(e));
  }
  std::string body;
  while (!pieces.over()) {
    CO_TRY(std::string_view piece, co_await pieces.next());
    if (body.size() + piece.size() > kRefusalBytesMax)
      co_return Unexpected(upstream_error("malformed_response", "the answer is too large", false));
    body += piece;
  }
  exchange.answer = exchange::Answer{status, "application/json", passed_answer_headers(call.head().headers),
                                     std::move(body)};
  exchange.outcome.error = upstream_error("upstream_status", fmt::format("answered status {}", status),
                                          of_itself && may_ask_again);
  co_return Result<void>{};
}

void read_usage(const wire::Wire& wire, json::Parser& parser, exchange::Exchange& exchange,
                std::string&& body) {
  body.reserve(body.size() + json::kPadding);
  auto document = parser.parse(body);
  if (!document || document->type != json::Type::kObject) return;
  auto usage = wire.usage_of(*document);
  // Audio and images count as the Responses dialect does: input_tokens, output_tokens.
  if (!usage || !usage->known()) usage = wire::wire_of(exchange::Dialect::kResponses).usage_of(*document);
  if (usage) exchange.usage.merge(*usage);
}

}  // namespace

io::Task<Result<void>> pass_through(Endpoint& endpoint, const wire::Wire& wire, json::Parser& parser,
                                    const Attempt& attempt, io::Cancel& cancel) {
  exchange::Exchange& exchange = attempt.exchange;
  const exchange::Target& target = attempt.target;
  exchange::AnswerStream& stream = attempt.delivery.stream();
  const exchange::PassThrough& pass = *exchange.pass;
  exchange.outcome.endpoint = endpoint.address();
  // An answer may take as long as the work does: until its head the total limit is the one that counts.
  http::ClientCall::Phases phases{target.timeouts.queue, target.timeouts.connect, target.timeouts.total};
  bool repeatable = by_model(pass.api);
  http::ClientCall call(endpoint.pool());
  if (!pass.body.begin(target.model))
    co_return fail_internal(ErrorCode::kInternal, "the request's body was sent already");
  std::optional<uint64_t> length = pass.has_body ? pass.body.length() : std::optional<uint64_t>(0);
  std::string head = endpoint.pass_head(pass, exchange.headers, wire, exchange.client(), exchange.id, length);
  Result<void> sent;
  if (!pass.has_body) {
    std::string_view piece = head;
    sent = co_await call.send(pass.method, {&piece, 1}, phases, cancel);
  } else {
    Outgoing body(pass.body);
    sent = co_await call.send(pass.method, head, body, !length, target.timeouts.idle, phases, cancel);
    if (!sent && call.silent_death() && pass.body.begin(target.model))
      sent = co_await call.send(pass.method, head, body, !length, target.timeouts.idle, phases, cancel, true);
  }
  exchange.timeline.connected = call.connected_at();
  repeatable = repeatable && pass.body.begin(target.model);  // false: it went past what is held
  if (!sent) co_return settled(std::move(sent), repeatable);
  exchange.timeline.first_byte = exchange.loop.now();

  const http::ResponseHead& response = call.head();
  Answer pieces(call.body(), exchange.loop, target.timeouts.idle, cancel);
  if (response.status >= 400)
    co_return settled(co_await take_refusal(call, pieces, exchange, repeatable), repeatable);
  if (response.status < 200 || response.status >= 300)
    co_return Unexpected(
        upstream_error("malformed_response", fmt::format("answered with status {}", response.status), false));

  const Header* type = find_header(response.headers, "content-type");
  bool json = content_type_is(response, "application/json");
  bool wants_usage = json && by_model(pass.api);
  std::string copy;
  bool begun = false;
  while (!pieces.over()) {
    auto piece = co_await pieces.next();
    if (!piece) co_return settled(Unexpected(std::move(piece).error()), repeatable && !begun);
    if (!begun && pieces.over() && piece->empty()) {
      exchange.answer = exchange::Answer{response.status,
                                         json ? "application/json" : std::string_view(),
                                         passed_answer_headers(response.headers),
                                         {}};
      co_return Result<void>{};
    }
    if (!begun) {
      begun = true;
      exchange.request.let_go();
      exchange.timeline.first_token = exchange.loop.now();
      exchange.outcome.streamed = true;
      exchange.outcome.status = response.status;
      stream.begin(response.status, type ? type->value : std::string_view("application/octet-stream"),
                   passed_answer_headers(response.headers));
    }
    if (wants_usage) {
      wants_usage = copy.size() + piece->size() <= kUsageBytesMax;
      if (wants_usage)
        copy += *piece;
      else
        std::string().swap(copy);
    }
    if (!piece->empty()) stream.event({*piece, {}});
    exchange.outcome.answer_bytes += piece->size();
    // The last piece goes out with the end of the message, when the record is written.
    if (!pieces.over() && !co_await stream.flush()) co_return fail(ErrorCode::kCancelled, "the client left");
  }
  if (wants_usage) read_usage(wire, parser, exchange, std::move(copy));
  co_return Result<void>{};
}

}  // namespace weir::upstream
