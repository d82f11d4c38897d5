#include "weir/app/mock/call.h"

#include <fmt/format.h>

#include "weir/app/mock/speech.h"

namespace weir::app {
namespace {

using exchange::Dialect;
using wire::Operation;
namespace chat = exchange::chat;

struct Place {
  std::string_view ending;
  Dialect dialect;
  Operation operation;
};
// Longer endings first: what nothing else claims is OpenAI's chat.
constexpr Place kPlaces[] = {
    {"/chat/completions", Dialect::kOpenAi, Operation::kChat},
    {"/completions", Dialect::kOpenAi, Operation::kCompletion},
    {"/api/embeddings", Dialect::kOllama, Operation::kEmbedding},
    {"/embeddings", Dialect::kOpenAi, Operation::kEmbedding},
    {"/responses", Dialect::kResponses, Operation::kChat},
    {"/messages/count_tokens", Dialect::kAnthropic, Operation::kCountTokens},
    {"/messages", Dialect::kAnthropic, Operation::kChat},
    {"/api/chat", Dialect::kOllama, Operation::kChat},
    {"/api/generate", Dialect::kOllama, Operation::kCompletion},
    {"/api/embed", Dialect::kOllama, Operation::kEmbedding},
    {":generateContent", Dialect::kGemini, Operation::kChat},
    {":streamGenerateContent", Dialect::kGemini, Operation::kChat},
    {":batchEmbedContents", Dialect::kGemini, Operation::kEmbedding},
    {":embedContent", Dialect::kGemini, Operation::kEmbedding},
    {":countTokens", Dialect::kGemini, Operation::kCountTokens},
};

constexpr std::string_view kVector = "[0.1,0.2,0.3,0.4]";

Result<void> apply_layers(Script& script, const MockLayers& layers, std::string_view own) {
  for (std::string_view layer : {layers.before, own, layers.after})
    if (!layer.empty()) TRY_VOID(script.apply(layer));
  return {};
}

// A script in a text was no part of the document: it is checked now.
Result<void> check_script(std::string_view text) {
  json::PaddedBuffer bytes(text);
  json::Parser parser;
  auto document = parser.parse(bytes.view());
  if (document && document->type == json::Type::kObject) return {};
  return fail(ErrorCode::kInvalidRequest, "The line 'mock: {...}' holds no JSON object.", {}, "bad_script");
}

ErrorCode code_of(int64_t status) {
  switch (status) {
    case 401:
      return ErrorCode::kUnauthenticated;
    case 403:
      return ErrorCode::kPermissionDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 408:
      return ErrorCode::kRequestTimeout;
    case 413:
      return ErrorCode::kPayloadTooLarge;
    case 429:
      return ErrorCode::kRateLimited;
    case 502:
      return ErrorCode::kUpstream;
    case 503:
    case 529:
      return ErrorCode::kUnavailable;
    case 504:
      return ErrorCode::kUpstreamTimeout;
    default:
      return status >= 500 ? ErrorCode::kInternal : ErrorCode::kInvalidRequest;
  }
}

MockRefusal invalid(std::string message, std::string param = {}, std::string reason = {}) {
  return {400,
          make_error(ErrorCode::kInvalidRequest, std::move(message), std::move(param), std::move(reason))};
}

// In each provider's own words, by which clients know it.
MockRefusal too_long(Dialect dialect) {
  switch (dialect) {
    case Dialect::kAnthropic:
      return invalid("prompt is too long: 209345 tokens > 200000 maximum");
    case Dialect::kOllama:
      return invalid("the input length exceeds the context length");
    case Dialect::kGemini:
      return invalid(
          "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).");
    case Dialect::kResponses:
      return invalid(
          "Your input exceeds the context window of this model. Please adjust your input and try again.",
          "input", "context_length_exceeded");
    case Dialect::kOpenAi:
      break;
  }
  return invalid(
      "This model's maximum context length is 8192 tokens. However, your messages resulted in 9012 tokens. "
      "Please reduce the length of the messages.",
      "messages", "context_length_exceeded");
}

MockRefusal filtered(Dialect dialect) {
  if (dialect == Dialect::kAnthropic) return invalid("Output blocked by content filtering policy");
  return invalid("Your request was rejected as a result of our safety system.", {},
                 "content_policy_violation");
}

// What Anthropic's servers find wrong with a conversation that another's would take.
std::optional<MockRefusal> anthropic_refusal(const MockCall& call) {
  const std::vector<chat::Message>& messages = call.asked.messages;
  for (size_t i = 0; i < messages.size(); ++i)
    for (size_t k = 0; k < messages[i].parts.size(); ++k)
      if (messages[i].parts[k].kind == chat::PartKind::kThinking &&
          messages[i].parts[k].signature != kThoughtSignature)
        return invalid(fmt::format("messages.{}.content.{}: Invalid `signature` in `thinking` block", i, k));
  if (messages.empty() || messages.back().role != chat::Role::kAssistant || messages.back().parts.empty())
    return std::nullopt;
  const chat::Part& last = messages.back().parts.back();
  if (last.kind == chat::PartKind::kText && last.text.find_last_not_of(" \t\r\n") + 1 != last.text.size())
    return invalid("messages: final assistant content cannot end with trailing whitespace");
  return std::nullopt;
}

}  // namespace

MockRoute mock_route(std::string_view path) {
  MockRoute route;
  for (const Place& place : kPlaces) {
    if (!path.ends_with(place.ending)) continue;
    route.dialect = place.dialect;
    route.operation = place.operation;
    if (place.dialect != Dialect::kGemini) break;
    route.stream = place.ending == ":streamGenerateContent";
    path.remove_suffix(place.ending.size());
    route.model = path.substr(path.rfind('/') + 1);
    break;
  }
  return route;
}

Result<void> MockCall::read(json::PaddedBuffer bytes, json::Parser& parser, const MockLayers& layers) {
  exchange::ModelRequest request;
  request.body = std::move(bytes);
  request.stream = route.stream;
  TRY_VOID(wire.read_request(route.operation, parser, request));
  if (!route.model.empty()) request.model = route.model;
  context.operation = route.operation;
  context.model = request.model;
  context.id = "req_mock";
  context.created_s = 1'700'000'000;
  context.echo = wire.echo(request);
  stream = request.stream || route.stream;

  bool chat = route.operation == Operation::kChat || route.operation == Operation::kCompletion;
  wire::EmbeddingRequest embedding;
  if (chat) {
    // A part of a dialect that the canonical tree does not know is no reason to refuse: it is not understood.
    if (auto read = wire.read_chat(route.operation, request)) asked = *std::move(read);
  } else if (route.operation == Operation::kEmbedding) {
    if (auto read = wire.read_embedding(request)) embedding = *std::move(read);
  }
  std::string own;
  if (const json::Value* v = request.document.find("mock"); v && v->type == json::Type::kObject) {
    own = v->raw;
  } else {
    own = !embedding.inputs.empty() ? script_in(embedding.inputs[0]) : script_in(asked);
    if (!own.empty()) TRY_VOID(check_script(own));
  }
  TRY_VOID(apply_layers(script, layers, own));
  context.usage_wanted = request.usage_wanted && script.usage == "final";

  if (auto loaded = wire.own_answer(context, request)) {
    body = *std::move(loaded);
  } else if (route.operation == Operation::kEmbedding) {
    wire::EmbeddingAnswer answer;
    size_t inputs = embedding.inputs.size();
    if (const json::Value* v = request.document.find("input"); inputs == 0 && v)  // token ids
      inputs = v->type == json::Type::kArray ? json::elements_of(v->raw).size() : 1;
    answer.vectors.assign(std::max<size_t>(inputs, 1), std::string(kVector));
    answer.usage.input_tokens = script.input_tokens;
    used = answer.usage;
    body = wire.write_embedding(context, request, answer);
  } else if (route.operation == Operation::kCountTokens) {
    chat::Answer answer;
    answer.usage.input_tokens = script.input_tokens;
    body = wire.write_answer(context, answer);
  }
  return {};
}

std::optional<MockRefusal> mock_refusal(const MockCall& call) {
  const Script& script = call.script;
  Dialect dialect = call.route.dialect;
  if (script.fault == "too_long") return too_long(dialect);
  if (script.fault == "content_policy") return filtered(dialect);
  if (script.fault == "overloaded")
    return MockRefusal{dialect == Dialect::kAnthropic ? 529 : 503,
                       make_error(ErrorCode::kUnavailable, "Overloaded")};
  if (script.status != 200) {
    std::string words =
        script.message.empty() ? fmt::format("mock status {}", script.status) : script.message;
    return MockRefusal{
        static_cast<int>(script.status),
        make_error(code_of(script.status), std::move(words), {}, fmt::format("mock_{}", script.status))};
  }
  const std::vector<chat::Message>& messages = call.asked.messages;
  if (script.prefill == "refuse" && !messages.empty() && messages.back().role == chat::Role::kAssistant)
    return invalid(
        "This model does not support assistant message prefill. The conversation must end with a user "
        "message.");
  return dialect == Dialect::kAnthropic ? anthropic_refusal(call) : std::nullopt;
}

}  // namespace weir::app
