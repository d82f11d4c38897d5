#include "weir/server/infer_api.h"

#include <string>

#include "weir/base/json_write.h"
#include "weir/base/money.h"
#include "weir/server/answers.h"
#include "weir/server/body_source.h"
#include "weir/server/caller.h"
#include "weir/wire/parameters.h"

namespace weir::server {
namespace {

using exchange::ModelRequest;
using json::Type;
using json::Value;

// The dialect inside: what it refuses, it refuses in these words, and they fit.
const wire::Wire& inner_wire() {
  return wire::wire_of(exchange::Dialect::kOpenAi);
}

// The first model of the configuration that the caller may use: who names none has no preference.
std::string standard_model(const Settings& settings, const exchange::Principal& principal) {
  for (const ModelSettings& model : settings.models)
    if (principal.may_use(model.name)) return model.name;
  for (const ProviderSettings& provider : settings.providers)
    for (const LocalChatSettings& chat : provider.chat)
      if (principal.may_use(chat.name)) return chat.name;
  return {};
}

// What /infer takes, as the members of a chat request.
Result<std::string> chat_of(const json::Document& asked, const std::string& model) {
  std::string body;
  json::Writer w(body);
  w.begin_object().member("model", model).key("messages").begin_array();
  auto message = [&](std::string_view role, const Value& text) {
    w.begin_object().member("role", role).key("content").raw(text.raw).end_object();
  };
  const Value* prompt = asked.find("prompt");
  if (!prompt || prompt->type != Type::kString) return wire::wrong_type("prompt", "a string");
  if (const Value* system = asked.find("system"); system && system->type != Type::kNull) {
    if (system->type != Type::kString) return wire::wrong_type("system", "a string");
    message("system", *system);
  }
  message("user", *prompt);
  w.end_array();
  if (const Value* constraints = asked.find("constraints"); constraints && constraints->type != Type::kNull) {
    if (constraints->type != Type::kObject) return wire::wrong_type("constraints", "an object");
    for (const json::Member& m : json::members_of(constraints->raw)) {
      if (m.key == "max_output_tokens")
        w.key("max_tokens").raw(m.value.raw);
      else if (m.key == "temperature" || m.key == "seed" || m.key == "stop")
        w.key(m.key).raw(m.value.raw);
      else if (m.key == "json_schema")
        w.key("response_format")
            .raw(R"({"type":"json_schema","json_schema":{"name":"answer","schema":)" +
                 std::string(m.value.raw) + "}}");
      else
        return fail(
            ErrorCode::kInvalidRequest,
            "This constraint is not known: max_output_tokens, temperature, seed, stop and json_schema are.",
            "constraints." + std::string(m.key.substr(0, 64)), "unknown_parameter");
    }
  }
  for (const json::Member& m : asked.members)
    if (m.key != "prompt" && m.key != "system" && m.key != "model" && m.key != "constraints")
      return fail(ErrorCode::kInvalidRequest,
                  "This member is not known: prompt, system, model and constraints are.",
                  std::string(m.key.substr(0, 64)), "unknown_parameter");
  w.end_object();
  return body;
}

// Reads the caller's body and makes it the chat request inside.
class InferSource final : public exchange::RequestSource {
 public:
  InferSource(http::Request& request, json::Parser& parser, const Settings& settings)
      : request_(request), parser_(parser), settings_(settings) {}

  io::Task<Result<void>> receive(exchange::Exchange& exchange) override {
    HeaderList headers = request_.head.headers;
    CO_TRY(exchange.tags, caller_tags(headers));
    CO_TRY_VOID(refuse_other_than_json(headers));
    CO_TRY_VOID(refuse_steering(headers));
    ModelRequest& request = exchange.request;
    CO_TRY(request.body,
           co_await request_.read_body(static_cast<size_t>(settings_.server.limits.body_bytes)));
    size_t bytes = request.body.size();
    CO_TRY_VOID(wire::read_object_without_model({}, parser_, request));
    std::string model = request.model.empty() ? standard_model(settings_, exchange.principal) : request.model;
    if (model.empty())
      co_return fail(ErrorCode::kInvalidRequest,
                     "'model' is missing, and no model is configured for this key", "model",
                     "missing_required_parameter");
    CO_TRY(std::string body, chat_of(request.document, model));
    request.body = json::PaddedBuffer(body);
    request.body_bytes = bytes;
    co_return inner_wire().read_request(exchange::Operation::kChat, parser_, request);
  }

 private:
  http::Request& request_;
  json::Parser& parser_;
  const Settings& settings_;
};

std::string_view finish_word(exchange::chat::Finish finish) {
  using exchange::chat::Finish;
  if (finish == Finish::kStop || finish == Finish::kStopSequence) return "stop";
  if (finish == Finish::kLength) return "length";
  if (finish == Finish::kContentFilter || finish == Finish::kRefusal) return "content_filter";
  return "other";
}

// The answer that came inside, and what is known of how it came.
Result<std::string> answer_of(const exchange::Exchange& exchange, json::Parser& parser) {
  json::PaddedBuffer bytes(exchange.answer->body);
  TRY(json::Document document, parser.parse(bytes.view()));
  exchange::chat::Collector collected;
  TRY_VOID(inner_wire().read_answer(document, collected));
  const exchange::chat::Answer& answer = collected.answer;
  std::string text;
  std::string_view finish = "other";
  if (!answer.choices.empty()) {
    for (const exchange::chat::Part& part : answer.choices.front().parts)
      if (part.kind == exchange::chat::PartKind::kText || part.kind == exchange::chat::PartKind::kRefusal)
        text += part.text;
    if (auto f = answer.choices.front().finish) finish = finish_word(*f);
  }
  std::string out;
  json::Writer w(out);
  w.begin_object().member("id", exchange.id).member("answer", text).member("finish", finish);
  w.key("decision").begin_object().member("model", exchange.route.model);
  w.member("provider", exchange.outcome.provider).member("provider_model", exchange.outcome.provider_model);
  w.member("attempts", exchange.outcome.attempts).end_object();
  auto count = [&](std::string_view key, const std::optional<int64_t>& n) {
    w.key(key);
    n ? w.value(*n) : w.null();
  };
  w.key("usage").begin_object();
  count("input_tokens", exchange.usage.input_tokens);
  count("output_tokens", exchange.usage.output_tokens);
  w.end_object().key("cost_usd");
  exchange.cost.nanodollars ? w.value(dollars_text(*exchange.cost.nanodollars)) : w.null();
  w.end_object();
  return out;
}

// Nothing is streamed here; a model server that streams anyway is heard by nobody.
class NoStream final : public exchange::AnswerStream {
 public:
  void begin(int, std::string_view, const OwnedHeaders&) override {}
  void event(exchange::StreamEvent) override {}
  io::Task<bool> flush() override { co_return true; }
};

}  // namespace

io::Task<void> InferApi::call(std::shared_ptr<Services> services, http::Request& request,
                              http::ResponseWriter& response) {
  MonoTime received = loop_.now();
  Admission::Place place = admission_.enter(received);
  if (place.may_wait()) {
    request.watch();
    place = co_await admission_.wait(request.cancel);
  }
  if (!place) {
    co_await refuse(admission_, place.why(), inner_wire(), request, response);
    co_return;
  }
  InferSource source(request, parser_, services->settings());
  exchange::Exchange exchange(loop_, request.cancel, exchange::Operation::kChat, source);
  introduce(exchange, request, received);

  NoStream stream;
  Result<void> outcome = co_await services->pipeline().handle(exchange, stream);
  if (outcome && exchange.answer && exchange.answer->status >= 200 && exchange.answer->status < 300) {
    auto body = answer_of(exchange, parser_);
    if (body)
      exchange.answer->body = *std::move(body);
    else
      outcome = Unexpected(body.error());
  }
  co_await ended(response, inner_wire(), exchange, outcome);
}

}  // namespace weir::server
