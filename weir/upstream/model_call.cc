#include "weir/upstream/model_call.h"

#include <fmt/format.h>

#include "weir/upstream/stream_relay.h"
#include "weir/upstream/token_estimate.h"
#include "weir/upstream/upstream_error.h"
#include "weir/upstream/whole_answer.h"

namespace weir::upstream {
namespace {

namespace chat = exchange::chat;
using exchange::Operation;

// A request as it goes out: the edits own what is new, the exchange the rest; or all of it written anew.
struct Outgoing {
  explicit Outgoing(std::string_view document) : edits(document) {}
  json::Edits edits;
  std::string body;  // of a translation
  std::string path;

  std::vector<std::string_view> pieces() const {
    return body.empty() ? edits.pieces() : std::vector<std::string_view>{body};
  }
};

// Names of fields are the caller's text: what could end a header, or grow without end, stays out of it.
std::string header_text(const chat::Losses& losses) {
  std::string out;
  for (const std::string& field : losses.fields()) {
    if (out.size() + field.size() > 1000) return out + ", ...";
    if (!out.empty()) out += ", ";
    for (char c : field)
      out += (c > ' ' && c < 0x7f && c != ',') ? c : '?';
  }
  return out;
}

// Of servers that go on with an assistant's message only when they are told to (vLLM's two flags, which
// others of OpenAI's kind pass over).
bool wants_prefill_flags(const ModelCall& model) {
  return model.wire.dialect() == exchange::Dialect::kOpenAi;
}

void add_prefill_flags(std::string& body) {
  body.pop_back();
  body += R"(,"continue_final_message":true,"add_generation_prompt":false})";
}

// How many tokens the request has, as far as weir can say.
Result<void> estimate(ModelCall& model) {
  TRY(chat::Request asked, model.caller.read_chat(Operation::kCountTokens, model.exchange.request));
  chat::Answer counted;
  counted.usage.input_tokens = estimated_tokens(asked);
  model.exchange.lossy.clear();
  model.exchange.answer = exchange::Answer{200,
                                           "application/json",
                                           {{"x-weir-estimate", "input_tokens"}},
                                           model.caller.write_answer(model.context, counted)};
  return {};
}

// A server that has no such API, though its kind does: an older one.
bool cannot_count(const exchange::Exchange& exchange, int status) {
  return exchange.operation == Operation::kCountTokens && (status == 404 || status == 405 || status == 501);
}

// The caller's request in the model server's dialect. Errors: kInvalidRequest, what that dialect can not
// serve.
Result<void> translate(ModelCall& model, Outgoing& out) {
  exchange::Exchange& exchange = model.exchange;
  const exchange::ModelRequest& request = exchange.request;
  chat::Losses losses;
  if (auto own = model.caller.own_answer(model.context, request)) {
    exchange.answer = exchange::Answer{200, "application/json", {}, *std::move(own)};
    return {};
  }
  switch (exchange.operation) {
    case Operation::kCountTokens: {
      if (!model.counts_tokens) return estimate(model);
      TRY(chat::Request asked, model.caller.read_chat(Operation::kCountTokens, request));
      out.body = model.wire.write_count(asked, model.target.model, losses);
      out.path = model.wire.path(Operation::kCountTokens, model.target.model, false);
      break;
    }
    case Operation::kEmbedding: {
      TRY(wire::EmbeddingRequest asked, model.caller.read_embedding(request));
      out.body = model.wire.write_embedding_request(asked, model.target.model, losses);
      if (out.body.empty())
        return fail(ErrorCode::kInvalidRequest,
                    fmt::format("The model '{}' has no embeddings.", exchange.request.model), "model",
                    "unsupported_operation");
      out.path = model.wire.path(Operation::kEmbedding, model.target.model, false);
      break;
    }
    default: {
      TRY(chat::Request asked, model.caller.read_chat(exchange.operation, request));
      if (asked.logprobs.value_or(false)) losses.add("logprobs");  // the answer could not carry them back
      if (asked.top_logprobs.value_or(0) > 0) losses.add("top_logprobs");
      asked.logprobs.reset();
      asked.top_logprobs.reset();
      model.choices = asked.answers.value_or(1);
      ask_to_go_on(asked, model.ask, model.delivery.transcript());
      out.body = model.wire.write_chat(asked, model.target.model, losses);
      if (model.ask == Ask::kPrefill && wants_prefill_flags(model)) add_prefill_flags(out.body);
      out.path = model.wire.path(Operation::kChat, model.target.model, request.stream);
      break;
    }
  }
  if (!model.delivery.begun()) exchange.lossy = header_text(losses);
  return {};
}

Result<void> prepare(ModelCall& model, Outgoing& out) {
  if (model.translated() || model.delivery.begun())
    model.context = answer_context(model.exchange, model.caller, &model.delivery);
  if (model.translated()) return translate(model, out);
  const exchange::ModelRequest& request = model.exchange.request;
  out.edits = model.wire.upstream_edits(request, model.target.model);
  out.path = model.wire.relay_path(model.exchange.operation, request, model.target.model);
  if (const json::Value* n = request.document.find("n")) model.choices = n->as_int().value_or(1);
  if (!ask_to_go_on(out.edits, request.document, model.ask, model.delivery.transcript(),
                    wants_prefill_flags(model)))
    return fail(ErrorCode::kInvalidRequest, "This request can not be gone on with.", "messages",
                "unsupported_operation");
  if (!model.delivery.begun()) model.exchange.lossy.clear();
  return {};
}

bool is_stream(const wire::Wire& wire, const http::ResponseHead& head) {
  bool lined = wire.framing() == wire::Framing::kNdjson;
  return content_type_is(head, lined ? "application/x-ndjson" : "text/event-stream");
}

}  // namespace

io::Task<Result<void>> call_model(Endpoint& endpoint, const wire::Wire& wire, json::Parser& parser,
                                  const Attempt& attempt, io::Cancel& cancel) {
  exchange::Exchange& exchange = attempt.exchange;
  const exchange::Target& target = attempt.target;
  exchange.outcome.endpoint = endpoint.address();
  ModelCall model{
      exchange, target, attempt.ask, attempt.delivery,        attempt.call, wire, attempt.delivery.caller(),
      parser,   {},     1,           endpoint.counts_tokens()};
  http::ClientCall call(endpoint.pool());
  {
    Outgoing out(exchange.request.document.bytes);
    CO_TRY_VOID(prepare(model, out));
    if (exchange.answer) co_return Result<void>{};  // it needed no model server
    std::vector<std::string_view> pieces = out.pieces();
    size_t body_bytes = 0;
    for (std::string_view piece : pieces)
      body_bytes += piece.size();
    std::string head = endpoint.post_head(endpoint.path_of(out.path, target.model), exchange.headers, wire,
                                          !model.translated(), exchange.client(), exchange.id, body_bytes);
    pieces.insert(pieces.begin(), head);
    Duration headers = exchange.request.stream ? target.timeouts.headers : target.timeouts.answer_or_total();
    auto sent =
        co_await call.send("POST", pieces, {target.timeouts.queue, target.timeouts.connect, headers}, cancel);
    exchange.timeline.connected = call.connected_at();
    if (!sent) co_return sent;
  }  // a stream may last for minutes: what was sent is let go
  exchange.timeline.first_byte = exchange.loop.now();

  const http::ResponseHead& response = call.head();
  if (model.translated() && cannot_count(exchange, response.status)) co_return estimate(model);
  if (exchange.request.stream && response.status >= 200 && response.status < 300 && is_stream(wire, response))
    co_return co_await relay_stream(call, model, cancel);
  co_return co_await take_whole(call, model, cancel);
}

}  // namespace weir::upstream
