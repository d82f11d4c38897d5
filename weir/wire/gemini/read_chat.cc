// Requests of this dialect as the canonical ones: what a model server of it (`weir mock`) reads. Members that
// the canonical tree has no place for are named in Request::unread.
#include <fmt/format.h>

#include <algorithm>

#include "weir/base/hash.h"
#include "weir/base/json_write.h"
#include "weir/wire/fields.h"
#include "weir/wire/gemini/codec.h"
#include "weir/wire/parameters.h"

namespace weir::wire::gemini {
namespace {

using chat::Message;
using chat::Part;
using chat::PartKind;
using chat::Role;
using json::Type;
using json::Value;

Unexpected bad(const std::string& path, std::string_view what) {
  return fail(ErrorCode::kInvalidRequest, fmt::format("'{}' {}", path, what), path, "invalid_value");
}

// inlineData or fileData, of a part or of a function's response.
bool read_media(const Fields& fields, Part& part) {
  const Value* inside = fields.find("inlineData", Type::kObject);
  if (!inside) inside = fields.find("fileData", Type::kObject);
  if (!inside) return false;
  Fields media(*inside);
  part.media_type = media.text("mimeType");
  part.data = media.text("data");
  part.url = media.text("fileUri");
  part.kind = part.media_type.starts_with("image/")   ? PartKind::kImage
              : part.media_type.starts_with("audio/") ? PartKind::kAudio
                                                      : PartKind::kFile;
  return true;
}

Part read_call(const Fields& call) {
  Part part{.kind = PartKind::kToolCall};
  part.id = call.text("id");
  part.name = call.text("name");
  part.text = call.json("args");
  return part;
}

// What a function said: the text of its one member "output" or "error", else the object as it is.
Part read_result(const Fields& response) {
  Part part{.kind = PartKind::kToolResult};
  part.id = response.text("id");
  part.name = response.text("name");
  std::string object = response.json("response");
  json::Members members = json::members_of(object);
  std::string text = object;
  if (members.size() == 1 && (members[0].key == "output" || members[0].key == "error")) {
    part.is_error = members[0].key == "error";
    text = members[0].value.as_string().value_or(std::string(members[0].value.raw));
  }
  part.content.push_back({.kind = PartKind::kText, .text = std::move(text)});
  if (const Value* parts = response.find("parts", Type::kArray))
    for (const Value& value : json::elements_of(parts->raw))
      if (Part media; value.type == Type::kObject && read_media(Fields(value), media))
        part.content.push_back(std::move(media));
  return part;
}

Result<void> read_part(const Value& value, const std::string& path, Message& message) {
  if (value.type != Type::kObject) return bad(path, "must be an object");
  Fields fields(value);
  Part part;
  if (const Value* call = fields.find("functionCall", Type::kObject)) {
    part = read_call(Fields(*call));
    if (part.name.empty()) return bad(path + ".functionCall.name", "is missing");
  } else if (const Value* response = fields.find("functionResponse", Type::kObject)) {
    part = read_result(Fields(*response));
    if (part.name.empty()) return bad(path + ".functionResponse.name", "is missing");
  } else if (!read_media(fields, part)) {
    if (!fields.find("text", Type::kString)) return bad(path, "holds nothing that is known");
    part.text = fields.text("text");
    bool thought =
        fields.flag("thought").value_or(false) || (part.text.empty() && fields.find("thoughtSignature"));
    if (thought) part.kind = PartKind::kThinking;
  }
  part.signature = fields.text("thoughtSignature");
  message.parts.push_back(std::move(part));
  return {};
}

Result<void> read_content(const Value& value, const std::string& path, Role role, chat::Request& request) {
  if (value.type != Type::kObject) return bad(path, "must be an object");
  Message message{.role = role};
  Fields fields(value);
  const Value* parts = fields.find("parts", Type::kArray);
  if (!parts || json::elements_of(parts->raw).empty()) return bad(path + ".parts", "must not be empty");
  size_t i = 0;
  for (const Value& part : json::elements_of(parts->raw))
    TRY_VOID(read_part(part, fmt::format("{}.parts[{}]", path, i++), message));
  request.messages.push_back(std::move(message));
  return {};
}

Result<void> read_contents(const Value& contents, chat::Request& request) {
  size_t i = 0;
  for (const Value& value : json::elements_of(contents.raw)) {
    std::string path = fmt::format("contents[{}]", i++);
    Role role = Role::kUser;
    if (value.type == Type::kObject) {
      Fields fields(value);
      if (fields.is("role", "model"))
        role = Role::kAssistant;
      else if (fields.find("role") && !fields.is("role", "user") && !fields.is("role", "function"))
        return bad(path + ".role", "must be user or model");
    }
    TRY_VOID(read_content(value, path, role, request));
  }
  return {};
}

void read_tools(const Value& tools, chat::Request& request) {
  for (const Value& group : json::elements_of(tools.raw)) {
    Fields fields(group);
    const Value* functions = fields.find("functionDeclarations", Type::kArray);
    if (!functions) request.unread.push_back("tools");  // one that Google's servers run
    if (!functions) continue;
    for (const Value& value : json::elements_of(functions->raw)) {
      Fields function(value);
      chat::Tool& tool = request.tools.emplace_back();
      tool.name = function.text("name");
      tool.description = function.text("description");
      tool.parameters = function.json("parametersJsonSchema");
      if (tool.parameters.empty()) tool.parameters = function.json("parameters");
    }
  }
}

void read_tool_choice(const Fields& config, chat::ToolChoice& choice) {
  using Kind = chat::ToolChoice::Kind;
  const Value* value = config.find("functionCallingConfig", Type::kObject);
  if (!value) return;
  Fields calling(*value);
  if (calling.is("mode", "AUTO")) choice.kind = Kind::kAuto;
  if (calling.is("mode", "NONE")) choice.kind = Kind::kNone;
  if (!calling.is("mode", "ANY")) return;
  choice.kind = Kind::kRequired;
  const Value* names = calling.find("allowedFunctionNames", Type::kArray);
  if (!names) return;
  std::vector<Value> all = json::elements_of(names->raw);
  if (all.size() != 1) return;
  choice.kind = Kind::kNamed;
  choice.name = all[0].as_string().value_or("");
}

void read_thinking(const Fields& config, chat::Reasoning& reasoning) {
  reasoning.show = config.flag("includeThoughts");
  reasoning.budget_tokens = config.integer("thinkingBudget");
  if (reasoning.budget_tokens) reasoning.enabled = *reasoning.budget_tokens != 0;
  reasoning.effort = config.text("thinkingLevel");
  std::ranges::transform(reasoning.effort, reasoning.effort.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
}

void read_config(const Fields& config, chat::Request& request) {
  request.max_tokens = config.integer("maxOutputTokens");
  request.temperature = config.number("temperature");
  request.top_p = config.number("topP");
  request.top_k = config.integer("topK");
  request.answers = config.integer("candidateCount");
  request.seed = config.integer("seed");
  request.presence_penalty = config.number("presencePenalty");
  request.frequency_penalty = config.number("frequencyPenalty");
  if (const Value* stop = config.find("stopSequences", Type::kArray))
    for (const Value& word : json::elements_of(stop->raw))
      request.stop.push_back(word.as_string().value_or(""));
  if (config.is("responseMimeType", "application/json"))
    request.format.kind = chat::ResponseFormat::Kind::kJsonObject;
  for (std::string_view key : {"responseJsonSchema", "responseSchema"}) {
    if (!request.format.schema.empty()) break;
    request.format.schema = config.json(key);
    if (!request.format.schema.empty()) request.format.kind = chat::ResponseFormat::Kind::kJsonSchema;
  }
  if (const Value* thinking = config.find("thinkingConfig", Type::kObject))
    read_thinking(Fields(*thinking), request.reasoning);
}

}  // namespace

Result<void> read_request(Operation operation, json::Parser& parser, exchange::ModelRequest& request) {
  TRY(request.document, parser.parse(request.body.view()));
  const json::Document& document = request.document;
  if (document.type != Type::kObject)
    return fail(ErrorCode::kInvalidRequest, "the request body must be a JSON object", {}, "invalid_json");
  static constexpr Parameter kParameters[] = {
      {"contents", ParameterKind::kArray},          {"systemInstruction", ParameterKind::kObject},
      {"generationConfig", ParameterKind::kObject}, {"tools", ParameterKind::kArray},
      {"toolConfig", ParameterKind::kObject},       {"requests", ParameterKind::kArray},
      {"content", ParameterKind::kObject}};
  for (const Parameter& parameter : kParameters)
    if (const Value* value = document.find(parameter.name)) TRY_VOID(check_parameter(parameter, *value));
  // To be counted, a whole request may stand in one of its members.
  if (operation == Operation::kCountTokens && document.find("generateContentRequest")) return {};
  if (operation != Operation::kEmbedding) return require(document, "contents");
  return require(document, document.find("content") ? "content" : "requests");
}

Result<chat::Request> read_chat(const exchange::ModelRequest& source) {
  chat::Request request;
  Fields fields(source.document.root);
  request.stream = source.stream;
  if (const Value* system = fields.find("systemInstruction", Type::kObject))
    TRY_VOID(read_content(*system, "systemInstruction", Role::kSystem, request));
  if (const Value* contents = fields.find("contents", Type::kArray))
    TRY_VOID(read_contents(*contents, request));
  if (const Value* tools = fields.find("tools", Type::kArray)) read_tools(*tools, request);
  if (const Value* config = fields.find("toolConfig", Type::kObject))
    read_tool_choice(Fields(*config), request.tool_choice);
  if (const Value* config = fields.find("generationConfig", Type::kObject))
    read_config(Fields(*config), request);
  for (std::string_view key : {"safetySettings", "cachedContent", "labels"})
    if (fields.find(key)) request.unread.emplace_back(key);
  return request;
}

Result<EmbeddingRequest> read_embedding(const exchange::ModelRequest& source) {
  EmbeddingRequest request;
  Fields fields(source.document.root);
  std::vector<Value> all;
  if (const Value* requests = fields.find("requests", Type::kArray))
    all = json::elements_of(requests->raw);
  else
    all.push_back(source.document.root);
  for (const Value& one : all) {
    Fields embedding(one);
    if (auto n = embedding.integer("outputDimensionality")) request.dimensions = n;
    std::string text;
    if (const Value* content = embedding.find("content", Type::kObject)) {
      Fields inside(*content);
      if (const Value* parts = inside.find("parts", Type::kArray))
        for (const Value& part : json::elements_of(parts->raw))
          text += Fields(part).text("text");
    }
    request.inputs.push_back(std::move(text));
  }
  return request;
}

}  // namespace weir::wire::gemini
