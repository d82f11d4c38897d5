#include <fmt/format.h>

#include <algorithm>

#include "weir/base/json_write.h"
#include "weir/wire/fields.h"
#include "weir/wire/parameters.h"
#include "weir/wire/responses/responses.h"

namespace weir::wire::responses {
namespace {

using chat::Part;
using chat::PartKind;
using chat::Role;
using json::Type;
using json::Value;
using Kind = ParameterKind;

constexpr double kTokensMax = 1 << 30;

constexpr Parameter kParameters[] = {
    {"temperature", Kind::kNumber, 0, 100},
    {"top_p", Kind::kNumber, 0, 1},
    {"max_output_tokens", Kind::kInteger, 0, kTokensMax},
    {"max_tool_calls", Kind::kInteger, 0, kTokensMax},
    {"top_logprobs", Kind::kInteger, 0, 1000},
    {"stream", Kind::kBool},
    {"store", Kind::kBool},
    {"background", Kind::kBool},
    {"parallel_tool_calls", Kind::kBool},
    {"instructions", Kind::kString},
    {"previous_response_id", Kind::kString},
    {"service_tier", Kind::kString},
    {"truncation", Kind::kString},
    {"user", Kind::kString},
    {"safety_identifier", Kind::kString},
    {"prompt_cache_key", Kind::kString},
    {"input", Kind::kStringOrArray},
    {"tools", Kind::kArray},
    {"include", Kind::kArray},
    {"tool_choice", Kind::kStringOrObject},
    {"conversation", Kind::kStringOrObject},
    {"text", Kind::kObject},
    {"reasoning", Kind::kObject},
    {"metadata", Kind::kObject},
    {"prompt", Kind::kObject},
    {"stream_options", Kind::kObject},
};

// What the tree has a place for, or what is the gateway's own business.
constexpr std::string_view kRead[] = {
    "model",
    "input",
    "instructions",
    "previous_response_id",
    "stream",
    "store",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "temperature",
    "top_p",
    "max_output_tokens",
    "parallel_tool_calls",
    "user",
    "safety_identifier",
    "service_tier",
    "metadata",
    "stream_options",
    "background",
};

Unexpected bad(const std::string& path, std::string_view what) {
  return fail(ErrorCode::kInvalidRequest, fmt::format("'{}' {}", path, what), path, "invalid_value");
}

Result<Part> read_part(const Value& value, const std::string& path) {
  if (value.type != Type::kObject) return bad(path, "must be an object");
  Fields fields(value);
  std::string type = fields.text("type");
  Part part;
  if (type == "input_text" || type == "output_text" || type == "text") {
    if (!fields.find("text", Type::kString)) return bad(path + ".text", "must be a string");
    part.text = fields.text("text");
  } else if (type == "refusal") {
    part.kind = PartKind::kRefusal;
    part.text = fields.text("refusal");
  } else if (type == "input_image") {
    part.kind = PartKind::kImage;
    part.detail = fields.text("detail");
    part.file_id = fields.text("file_id");
    std::string url = fields.text("image_url");
    if (url.empty() && part.file_id.empty()) return bad(path + ".image_url", "must be a URL");
    if (!split_data_url(url, part.media_type, part.data)) part.url = std::move(url);
  } else if (type == "input_file") {
    part.kind = PartKind::kFile;
    part.name = fields.text("filename");
    part.file_id = fields.text("file_id");
    part.url = fields.text("file_url");
    std::string data = fields.text("file_data");
    if (!split_data_url(data, part.media_type, part.data)) part.data = std::move(data);
  } else if (const Value* audio = fields.find("input_audio", Type::kObject); type == "input_audio" && audio) {
    Fields of(*audio);
    part.kind = PartKind::kAudio;
    part.data = of.text("data");
    part.media_type = "audio/" + of.text("format");
  } else {
    return bad(path + ".type", fmt::format("'{}' is not a known kind of content", type.substr(0, 64)));
  }
  return part;
}

Result<void> read_content(const Value* content, const std::string& path, std::vector<Part>& parts) {
  if (!content) return {};
  if (content->type == Type::kString) {
    parts.push_back({.text = content->as_string().value_or("")});
    return {};
  }
  if (content->type != Type::kArray) return bad(path, "must be a string or an array");
  size_t i = 0;
  for (const Value& element : json::elements_of(content->raw)) {
    TRY(Part part, read_part(element, fmt::format("{}[{}]", path, i++)));
    parts.push_back(std::move(part));
  }
  return {};
}

// The last message if it is of this role (an assistant's turn is several items here), else a new one.
chat::Message& turn_of(Role role, chat::Request& request) {
  if (request.messages.empty() || request.messages.back().role != role)
    request.messages.push_back({role, {}, {}});
  return request.messages.back();
}

Part thoughts_of(const Fields& fields) {
  Part part;
  part.kind = PartKind::kThinking;
  for (std::string_view list : {"summary", "content"}) {
    const Value* texts = fields.find(list, Type::kArray);
    if (!texts || !part.text.empty()) continue;
    for (const Value& text : json::elements_of(texts->raw))
      part.text += Fields(text).text("text");
  }
  part.signature = fields.text("encrypted_content");
  return part;
}

Result<void> read_item(const Value& value, const std::string& path, chat::Request& request) {
  if (value.type != Type::kObject) return bad(path, "must be an object");
  Fields fields(value);
  std::string type = fields.text("type");
  if (type.empty()) type = "message";
  if (type == "message") {
    std::string role = fields.text("role");
    chat::Message message;
    if (role == "system" || role == "developer")
      message.role = Role::kSystem;
    else if (role == "assistant")
      message.role = Role::kAssistant;
    else if (role != "user")
      return bad(path + ".role", "must be one of system, developer, user and assistant");
    TRY_VOID(read_content(fields.find("content"), path + ".content", message.parts));
    if (message.role == Role::kAssistant) {
      auto& turn = turn_of(Role::kAssistant, request);
      std::ranges::move(message.parts, std::back_inserter(turn.parts));
    } else {
      request.messages.push_back(std::move(message));
    }
  } else if (type == "function_call") {
    Part call;
    call.kind = PartKind::kToolCall;
    call.id = fields.text("call_id");
    call.name = fields.text("name");
    call.text = fields.text("arguments");
    if (call.id.empty()) return bad(path + ".call_id", "must be a string");
    if (call.name.empty()) return bad(path + ".name", "must be a string");
    turn_of(Role::kAssistant, request).parts.push_back(std::move(call));
  } else if (type == "function_call_output") {
    Part result;
    result.kind = PartKind::kToolResult;
    result.id = fields.text("call_id");
    if (result.id.empty()) return bad(path + ".call_id", "must be a string");
    TRY_VOID(read_content(fields.find("output"), path + ".output", result.content));
    turn_of(Role::kUser, request).parts.push_back(std::move(result));
  } else if (type == "reasoning") {
    turn_of(Role::kAssistant, request).parts.push_back(thoughts_of(fields));
  } else if (type == "item_reference") {
    return fail(ErrorCode::kNotFound,
                fmt::format("the item '{}' is not stored here; send the item itself",
                            fields.text("id").substr(0, 128)),
                path, "item_not_found");
  } else {
    request.unread.push_back("input." + type.substr(0, 64));
  }
  return {};
}

Result<void> read_tools(const Value& tools, chat::Request& request) {
  size_t i = 0;
  for (const Value& value : json::elements_of(tools.raw)) {
    std::string path = fmt::format("tools[{}]", i++);
    if (value.type != Type::kObject) return bad(path, "must be an object");
    Fields fields(value);
    if (!fields.is("type", "function")) {
      request.unread.push_back("tools." + fields.text("type").substr(0, 64));
      continue;
    }
    chat::Tool& tool = request.tools.emplace_back();
    tool.name = fields.text("name");
    if (tool.name.empty()) return bad(path + ".name", "must be a string");
    tool.description = fields.text("description");
    tool.parameters = fields.json("parameters");
    tool.strict = fields.flag("strict");
  }
  return {};
}

void read_tool_choice(const Value& value, chat::Request& request) {
  using Choice = chat::ToolChoice::Kind;
  if (value.is_string("auto")) {
    request.tool_choice.kind = Choice::kAuto;
  } else if (value.is_string("none")) {
    request.tool_choice.kind = Choice::kNone;
  } else if (value.is_string("required")) {
    request.tool_choice.kind = Choice::kRequired;
  } else if (Fields fields(value); value.type == Type::kObject && fields.is("type", "function")) {
    request.tool_choice.kind = Choice::kNamed;
    request.tool_choice.name = fields.text("name");
  } else {
    request.unread.emplace_back("tool_choice");
  }
}

Result<void> read_text(const Value& text, chat::Request& request) {
  using Format = chat::ResponseFormat::Kind;
  Fields fields(text);
  if (fields.find("verbosity")) request.unread.emplace_back("text.verbosity");
  const Value* format = fields.find("format", Type::kObject);
  if (!format) return {};
  Fields of(*format);
  if (of.is("type", "text")) {
    request.format.kind = Format::kText;
  } else if (of.is("type", "json_object")) {
    request.format.kind = Format::kJsonObject;
  } else if (of.is("type", "json_schema")) {
    request.format = {Format::kJsonSchema, of.text("name"), of.text("description"), of.json("schema"),
                      of.flag("strict")};
  } else {
    return bad("text.format.type", "must be one of text, json_object and json_schema");
  }
  return {};
}

// Says what weir does in any case.
bool holds_anyway(const json::Member& member) {
  if (member.key == "truncation") return member.value.is_string("disabled");
  if (member.key != "include" || member.value.type != Type::kArray) return false;
  return std::ranges::all_of(json::elements_of(member.value.raw),
                             [](const Value& what) { return what.is_string("reasoning.encrypted_content"); });
}

}  // namespace

Result<void> read_request(Operation, json::Parser& parser, exchange::ModelRequest& request) {
  TRY_VOID(read_object_without_model(kParameters, parser, request));
  const json::Document& document = request.document;
  if (const Value* stream = document.find("stream")) request.stream = stream->as_bool().value_or(false);
  request.usage_wanted = true;
  return {};
}

Result<chat::Request> read_chat(const exchange::ModelRequest& source) {
  chat::Request request;
  Fields fields(source.document.root);
  // What only a provider that speaks this dialect itself could do.
  if (const Value* background = fields.find("background");
      background && background->as_bool().value_or(false))
    return fail(ErrorCode::kInvalidRequest, "'background' answers are not offered for this model",
                "background", "unsupported_value");
  if (fields.find("prompt"))
    return fail(ErrorCode::kInvalidRequest, "stored prompts are not offered for this model", "prompt",
                "unsupported_value");
  for (std::string_view kept : {"previous_response_id", "conversation"})
    if (fields.find(kept))
      return fail(ErrorCode::kInvalidRequest,
                  fmt::format("'{}' is not offered for this model: send the earlier items in 'input'", kept),
                  std::string(kept), "unsupported_value");
  TRY_VOID(require(source.document, "input"));
  request.stream = source.stream;
  if (std::string instructions = fields.text("instructions"); !instructions.empty())
    request.messages.push_back({Role::kSystem, {}, {{.text = std::move(instructions)}}});
  if (const Value* input = fields.find("input")) {
    if (input->type == Type::kString) {
      request.messages.push_back({Role::kUser, {}, {{.text = input->as_string().value_or("")}}});
    } else {
      size_t i = 0;
      for (const Value& item : json::elements_of(input->raw))
        TRY_VOID(read_item(item, fmt::format("input[{}]", i++), request));
    }
  }
  if (const Value* tools = fields.find("tools")) TRY_VOID(read_tools(*tools, request));
  if (const Value* choice = fields.find("tool_choice")) read_tool_choice(*choice, request);
  if (const Value* text = fields.find("text")) TRY_VOID(read_text(*text, request));
  request.tool_choice.parallel = fields.flag("parallel_tool_calls");
  if (const Value* reasoning = fields.find("reasoning", Type::kObject)) {
    Fields of(*reasoning);
    request.reasoning.effort = of.text("effort");
    if (request.reasoning.effort == "none") request.reasoning = {.enabled = false};
    if (of.find("summary")) request.reasoning.show = true;
    if (of.find("summary") && !of.is("summary", "auto")) request.unread.emplace_back("reasoning.summary");
  }
  request.max_tokens = fields.integer("max_output_tokens");
  request.temperature = fields.number("temperature");
  request.top_p = fields.number("top_p");
  request.user = fields.text("safety_identifier");
  if (request.user.empty()) request.user = fields.text("user");
  request.service_tier = fields.text("service_tier");
  for (const json::Member& member : fields.all())
    if (member.value.type != Type::kNull && std::ranges::find(kRead, member.key) == std::end(kRead) &&
        !holds_anyway(member))
      request.unread.emplace_back(member.key.substr(0, 64));
  return request;
}

std::string echo_of(const exchange::ModelRequest& request) {
  struct Echo {
    std::string_view key, otherwise;
  };
  static constexpr Echo kEchoes[] = {
      {"instructions", "null"},
      {"max_output_tokens", "null"},
      {"metadata", "{}"},
      {"parallel_tool_calls", "true"},
      {"previous_response_id", "null"},
      {"reasoning", R"({"effort":null,"summary":null})"},
      {"temperature", "1.0"},
      {"text", R"({"format":{"type":"text"}})"},
      {"tool_choice", "\"auto\""},
      {"tools", "[]"},
      {"top_p", "1.0"},
      {"truncation", "\"disabled\""},
      {"user", "null"},
  };
  std::string out;
  for (const Echo& echo : kEchoes) {
    if (echo.key == "previous_response_id" && !request.previous_response_id.empty()) {
      out += R"(,"previous_response_id":)";
      json::append_quoted(out, request.previous_response_id);
      continue;
    }
    const Value* value = request.document.find(echo.key);
    bool said = value && value->type != Type::kNull;
    out += fmt::format(R"(,"{}":{})", echo.key, said ? value->raw : echo.otherwise);
  }
  out += request.stored ? R"(,"store":true)" : R"(,"store":false)";  // what is done, not what was asked
  return out;
}

}  // namespace weir::wire::responses
