// Chat requests between OpenAI's wire and the canonical tree. Beyond OpenAI's own parameters it knows those
// that servers of this kind agree on: top_k, min_p, repetition_penalty, reasoning_content, cache_control.
#include <fmt/format.h>

#include <algorithm>

#include "weir/base/json_write.h"
#include "weir/wire/fields.h"
#include "weir/wire/openai/openai.h"
#include "weir/wire/openai/own_models.h"

namespace weir::wire::openai {
namespace {

using chat::Part;
using chat::PartKind;
using chat::Role;
using exchange::Operation;
using json::Type;
using json::Value;

// ------------------------------------------------------------------------------------------------ reading

Unexpected bad(const std::string& path, std::string_view what) {
  return fail(ErrorCode::kInvalidRequest, fmt::format("'{}' {}", path, what), path, "invalid_value");
}

Result<Part> read_part(const Value& value, const std::string& path) {
  if (value.type != Type::kObject) return bad(path, "must be an object");
  Fields fields(value);
  std::string type = fields.text("type");
  Part part;
  part.cache_control = fields.json("cache_control");
  auto inner = [&](std::string_view key) { return fields.find(key, Type::kObject); };
  if (type == "text") {
    const Value* text = fields.find("text", Type::kString);
    if (!text) return bad(path + ".text", "must be a string");
    part.text = text->as_string().value_or("");
    return part;
  }
  if (type == "refusal") {
    part.kind = PartKind::kRefusal;
    part.text = fields.text("refusal");
    return part;
  }
  if (type == "image_url") {
    const Value* image = inner("image_url");
    if (!image) return bad(path + ".image_url", "must be an object");
    Fields of(*image);
    part.kind = PartKind::kImage;
    std::string url = of.text("url");
    if (url.empty()) return bad(path + ".image_url.url", "must be a URL");
    if (!split_data_url(url, part.media_type, part.data)) part.url = std::move(url);
    part.detail = of.text("detail");
    return part;
  }
  if (type == "input_audio") {
    const Value* audio = inner("input_audio");
    if (!audio) return bad(path + ".input_audio", "must be an object");
    Fields of(*audio);
    part.kind = PartKind::kAudio;
    part.data = of.text("data");
    part.media_type = "audio/" + of.text("format");
    return part;
  }
  if (type == "file") {
    const Value* file = inner("file");
    if (!file) return bad(path + ".file", "must be an object");
    Fields of(*file);
    part.kind = PartKind::kFile;
    part.name = of.text("filename");
    part.file_id = of.text("file_id");
    std::string data = of.text("file_data");
    if (!split_data_url(data, part.media_type, part.data)) part.data = std::move(data);
    return part;
  }
  return bad(path + ".type", fmt::format("'{}' is not a known kind of content", type.substr(0, 64)));
}

// A string, an array of parts, or null.
Result<void> read_content(const Value* content, const std::string& path, std::vector<Part>& parts) {
  if (!content) return {};
  if (content->type == Type::kString) {
    Part& part = parts.emplace_back();
    part.text = content->as_string().value_or("");
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

Result<void> read_tool_calls(const Value& calls, const std::string& path, std::vector<Part>& parts) {
  if (calls.type != Type::kArray) return bad(path, "must be an array");
  size_t i = 0;
  for (const Value& call : json::elements_of(calls.raw)) {
    Fields fields(call);
    std::string at = fmt::format("{}[{}]", path, i++);
    const Value* function = fields.find("function", Type::kObject);
    if (!function) return bad(at + ".function", "must be an object");
    Fields of(*function);
    Part& part = parts.emplace_back();
    part.kind = PartKind::kToolCall;
    part.id = fields.text("id");
    part.name = of.text("name");
    part.text = of.text("arguments");
    if (part.name.empty()) return bad(at + ".function.name", "must be a string");
  }
  return {};
}

Result<chat::Message> read_message(const Value& value, const std::string& path, chat::Request& request) {
  if (value.type != Type::kObject) return bad(path, "must be an object");
  Fields fields(value);
  chat::Message message;
  message.name = fields.text("name");
  std::string role = fields.text("role");
  const Value* content = fields.find("content");
  if (role == "system" || role == "developer") {
    message.role = Role::kSystem;
    TRY_VOID(read_content(content, path + ".content", message.parts));
  } else if (role == "user") {
    TRY_VOID(read_content(content, path + ".content", message.parts));
  } else if (role == "tool" || role == "function") {
    Part result;
    result.kind = PartKind::kToolResult;
    result.id = role == "tool" ? fields.text("tool_call_id") : message.name;
    result.name = message.name;
    TRY_VOID(read_content(content, path + ".content", result.content));
    message.name.clear();
    message.parts.push_back(std::move(result));
  } else if (role == "assistant") {
    message.role = Role::kAssistant;
    for (std::string_view key : {"reasoning_content", "reasoning"}) {
      std::string thoughts = fields.text(key);
      if (thoughts.empty()) continue;
      Part& part = message.parts.emplace_back();
      part.kind = PartKind::kThinking;
      part.text = std::move(thoughts);
      break;
    }
    TRY_VOID(read_content(content, path + ".content", message.parts));
    if (std::string refusal = fields.text("refusal"); !refusal.empty()) {
      Part& part = message.parts.emplace_back();
      part.kind = PartKind::kRefusal;
      part.text = std::move(refusal);
    }
    if (const Value* calls = fields.find("tool_calls"))
      TRY_VOID(read_tool_calls(*calls, path + ".tool_calls", message.parts));
    if (const Value* call = fields.find("function_call", Type::kObject)) {
      Fields of(*call);
      Part& part = message.parts.emplace_back();
      part.kind = PartKind::kToolCall;
      part.id = part.name = of.text("name");
      part.text = of.text("arguments");
    }
    if (fields.find("audio")) request.unread.emplace_back("messages.audio");
  } else {
    return bad(path + ".role", "must be one of system, developer, user, assistant and tool");
  }
  return message;
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
    const Value* function = fields.find("function", Type::kObject);
    if (!function) return bad(path + ".function", "must be an object");
    Fields of(*function);
    chat::Tool& tool = request.tools.emplace_back();
    tool.name = of.text("name");
    if (tool.name.empty()) return bad(path + ".function.name", "must be a string");
    tool.description = of.text("description");
    tool.parameters = of.json("parameters");
    tool.strict = of.flag("strict");
    tool.cache_control = fields.json("cache_control");
  }
  return {};
}

void read_tool_choice(const Value& value, chat::Request& request) {
  using Kind = chat::ToolChoice::Kind;
  if (value.is_string("auto")) {
    request.tool_choice.kind = Kind::kAuto;
  } else if (value.is_string("none")) {
    request.tool_choice.kind = Kind::kNone;
  } else if (value.is_string("required") || value.is_string("any")) {
    request.tool_choice.kind = Kind::kRequired;
  } else if (auto function = json::find_in(value.raw, "function");
             value.type == Type::kObject && function && function->type == Type::kObject) {
    request.tool_choice.kind = Kind::kNamed;
    request.tool_choice.name = Fields(*function).text("name");
  } else {
    request.unread.emplace_back("tool_choice");
  }
}

Result<void> read_format(const Value& value, chat::Request& request) {
  using Kind = chat::ResponseFormat::Kind;
  Fields fields(value);
  if (fields.is("type", "text")) {
    request.format.kind = Kind::kText;
  } else if (fields.is("type", "json_object")) {
    request.format.kind = Kind::kJsonObject;
    request.format.schema = fields.json("schema");  // llama.cpp
  } else if (fields.is("type", "json_schema")) {
    const Value* schema = fields.find("json_schema", Type::kObject);
    if (!schema) return bad("response_format.json_schema", "must be an object");
    Fields of(*schema);
    request.format = {Kind::kJsonSchema, of.text("name"), of.text("description"), of.json("schema"),
                      of.flag("strict")};
  } else {
    return bad("response_format.type", "must be one of text, json_object and json_schema");
  }
  return {};
}

// What the canonical tree has a place for, or what means nothing to another dialect's server.
constexpr std::string_view kRead[] = {
    "model",
    "messages",
    "prompt",
    "suffix",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "reasoning_effort",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "repeat_penalty",
    "seed",
    "n",
    "logprobs",
    "top_logprobs",
    "stop",
    "user",
    "safety_identifier",
    "service_tier",
};

}  // namespace

Result<chat::Request> read_chat(Operation operation, const exchange::ModelRequest& source) {
  chat::Request request;
  Fields fields(source.document.root);
  request.stream = source.stream;
  if (operation == Operation::kCompletion) {
    const Value* prompt = fields.find("prompt");
    std::vector<Value> several;
    if (prompt->type == Type::kArray) {
      several = json::elements_of(prompt->raw);
      if (several.size() != 1 || several[0].type != Type::kString)
        return fail(ErrorCode::kInvalidRequest, "this model takes one prompt of text", "prompt",
                    "unsupported_value");
      prompt = several.data();
    }
    request.messages.push_back({Role::kUser, {}, {{.text = prompt->as_string().value_or("")}}});
    if (!fields.text("suffix").empty()) request.unread.emplace_back("suffix");
  } else {
    size_t i = 0;
    for (const Value& value : json::elements_of(fields.find("messages")->raw)) {
      TRY(chat::Message message, read_message(value, fmt::format("messages[{}]", i++), request));
      request.messages.push_back(std::move(message));
    }
  }
  if (const Value* tools = fields.find("tools")) TRY_VOID(read_tools(*tools, request));
  if (const Value* choice = fields.find("tool_choice")) read_tool_choice(*choice, request);
  request.tool_choice.parallel = fields.flag("parallel_tool_calls");
  if (const Value* format = fields.find("response_format")) TRY_VOID(read_format(*format, request));
  request.reasoning.effort = fields.text("reasoning_effort");
  if (request.reasoning.effort == "none") request.reasoning = {.enabled = false};
  request.max_tokens = fields.integer("max_completion_tokens");
  if (!request.max_tokens) request.max_tokens = fields.integer("max_tokens");
  request.temperature = fields.number("temperature");
  request.top_p = fields.number("top_p");
  request.top_k = fields.integer("top_k");
  request.min_p = fields.number("min_p");
  request.presence_penalty = fields.number("presence_penalty");
  request.frequency_penalty = fields.number("frequency_penalty");
  request.repetition_penalty = fields.number("repetition_penalty");
  if (!request.repetition_penalty) request.repetition_penalty = fields.number("repeat_penalty");
  request.seed = fields.integer("seed");
  request.answers = fields.integer("n");
  request.logprobs = fields.flag("logprobs");
  request.top_logprobs = fields.integer("top_logprobs");
  if (operation == Operation::kCompletion && fields.integer("logprobs")) request.logprobs = true;
  if (const Value* stop = fields.find("stop")) {
    if (stop->type == Type::kString) request.stop.push_back(stop->as_string().value_or(""));
    if (stop->type == Type::kArray)
      for (const Value& word : json::elements_of(stop->raw))
        if (auto text = word.as_string()) request.stop.push_back(std::move(*text));
  }
  request.user = fields.text("safety_identifier");
  if (request.user.empty()) request.user = fields.text("user");
  request.service_tier = fields.text("service_tier");
  for (const json::Member& member : fields.all())
    if (member.value.type != Type::kNull && std::ranges::find(kRead, member.key) == std::end(kRead))
      request.unread.emplace_back(member.key.substr(0, 64));
  return request;
}

// ------------------------------------------------------------------------------------------------ writing

namespace {

void write_text_part(json::Writer& w, std::string_view text) {
  w.begin_object().member("type", "text").member("text", text).end_object();
}

void write_part(json::Writer& w, const Part& part, chat::Losses& losses) {
  switch (part.kind) {
    case PartKind::kImage: {
      if (part.data.empty() && part.url.empty()) return losses.add("messages.content.image.file_id");
      w.begin_object().member("type", "image_url").key("image_url").begin_object();
      if (part.data.empty())
        w.member("url", part.url);
      else
        w.member("url", fmt::format("data:{};base64,{}", part.media_type, part.data));
      if (!part.detail.empty()) w.member("detail", part.detail);
      w.end_object().end_object();
      return;
    }
    case PartKind::kAudio: {
      size_t slash = part.media_type.find('/');
      w.begin_object().member("type", "input_audio").key("input_audio").begin_object();
      w.member("data", part.data)
          .member("format", std::string_view(part.media_type).substr(slash + 1))
          .end_object()
          .end_object();
      return;
    }
    case PartKind::kFile: {
      if (!part.text.empty()) return write_text_part(w, titled(part.name, part.text));
      if (part.data.empty() && part.file_id.empty()) return losses.add("messages.content.document.url");
      w.begin_object().member("type", "file").key("file").begin_object();
      if (!part.data.empty()) {
        w.member("filename", part.name.empty() ? std::string_view("document") : std::string_view(part.name));
        w.member("file_data",
                 fmt::format("data:{};base64,{}",
                             part.media_type.empty() ? "application/pdf" : part.media_type, part.data));
      } else {
        w.member("file_id", part.file_id);
      }
      w.end_object().end_object();
      return;
    }
    default:
      return write_text_part(w, part.text);
  }
}

bool only_text(const std::vector<Part>& parts) {
  return std::ranges::all_of(parts, [](const Part& p) { return p.kind == PartKind::kText; });
}

std::string joined(const std::vector<Part>& parts, PartKind kind) {
  std::string text;
  for (const Part& part : parts)
    if (part.kind == kind) text += part.text;
  return text;
}

void write_content(json::Writer& w, const std::vector<Part>& parts, chat::Losses& losses) {
  for (const Part& part : parts)
    if (!part.cache_control.empty()) losses.add("messages.content.cache_control");
  w.key("content");
  if (parts.size() == 1 && only_text(parts)) {
    w.value(parts[0].text);
    return;
  }
  w.begin_array();
  for (const Part& part : parts)
    write_part(w, part, losses);
  w.end_array();
}

// A tool's answer is text here; its images follow as the user's.
void write_tool_result(json::Writer& w, const Part& result, std::vector<Part>& others, chat::Losses& losses) {
  w.begin_object().member("role", "tool").member("tool_call_id", result.id);
  w.member("content", joined(result.content, PartKind::kText)).end_object();
  if (result.is_error) losses.add("messages.content.is_error");
  for (const Part& part : result.content)
    if (part.kind != PartKind::kText) others.push_back(part);
}

void write_user(json::Writer& w, const chat::Message& message, chat::Losses& losses) {
  std::vector<Part> others;
  for (const Part& part : message.parts)
    if (part.kind == PartKind::kToolResult) write_tool_result(w, part, others, losses);
  for (const Part& part : message.parts)
    if (part.kind != PartKind::kToolResult) others.push_back(part);
  if (others.empty()) return;
  w.begin_object().member("role", "user");
  if (!message.name.empty()) w.member("name", message.name);
  write_content(w, others, losses);
  w.end_object();
}

void write_assistant(json::Writer& w, const chat::Message& message, chat::Losses& losses) {
  w.begin_object().member("role", "assistant");
  if (!message.name.empty()) w.member("name", message.name);
  bool calls = false, said = false;
  for (const Part& part : message.parts) {
    calls = calls || part.kind == PartKind::kToolCall;
    said = said || part.kind == PartKind::kText;
    if (part.kind == PartKind::kThinking) losses.add("messages.content.thinking");
    if (part.kind == PartKind::kRedactedThinking) losses.add("messages.content.redacted_thinking");
    if (!part.cache_control.empty()) losses.add("messages.content.cache_control");
  }
  if (said)
    w.member("content", joined(message.parts, PartKind::kText));
  else
    w.key("content").null();
  if (std::string refusal = joined(message.parts, PartKind::kRefusal); !refusal.empty())
    w.member("refusal", refusal);
  if (calls) {
    w.key("tool_calls").begin_array();
    for (const Part& part : message.parts) {
      if (part.kind != PartKind::kToolCall) continue;
      w.begin_object().member("id", part.id).member("type", "function").key("function").begin_object();
      w.member("name", part.name)
          .member("arguments", part.text.empty() ? std::string_view("{}") : std::string_view(part.text))
          .end_object()
          .end_object();
    }
    w.end_array();
  }
  w.end_object();
}

void write_tools(json::Writer& w, const chat::Request& request, chat::Losses& losses) {
  using Kind = chat::ToolChoice::Kind;
  if (!request.tools.empty()) {
    w.key("tools").begin_array();
    for (const chat::Tool& tool : request.tools) {
      w.begin_object().member("type", "function").key("function").begin_object().member("name", tool.name);
      if (!tool.description.empty()) w.member("description", tool.description);
      if (!tool.parameters.empty()) w.key("parameters").raw(tool.parameters);
      if (tool.strict) w.member("strict", *tool.strict);
      if (!tool.cache_control.empty()) losses.add("tools.cache_control");
      w.end_object().end_object();
    }
    w.end_array();
    if (request.tool_choice.parallel) w.member("parallel_tool_calls", *request.tool_choice.parallel);
  }
  switch (request.tool_choice.kind) {
    case Kind::kUnset:
      break;
    case Kind::kAuto:
      w.member("tool_choice", "auto");
      break;
    case Kind::kNone:
      w.member("tool_choice", "none");
      break;
    case Kind::kRequired:
      w.member("tool_choice", "required");
      break;
    case Kind::kNamed:
      w.key("tool_choice").begin_object().member("type", "function").key("function").begin_object();
      w.member("name", request.tool_choice.name).end_object().end_object();
      break;
  }
}

void write_format(json::Writer& w, const chat::ResponseFormat& format) {
  using Kind = chat::ResponseFormat::Kind;
  if (format.kind == Kind::kUnset) return;
  w.key("response_format").begin_object();
  if (format.kind == Kind::kText) {
    w.member("type", "text");
  } else if (format.kind == Kind::kJsonObject) {
    w.member("type", "json_object");
  } else {
    w.member("type", "json_schema").key("json_schema").begin_object();
    w.member("name", format.name.empty() ? std::string_view("answer") : std::string_view(format.name));
    if (!format.description.empty()) w.member("description", format.description);
    if (!format.schema.empty()) w.key("schema").raw(format.schema);
    if (format.strict) w.member("strict", *format.strict);
    w.end_object();
  }
  w.end_object();
}

// A budget in tokens, as the effort whose usual budget is nearest.
std::string_view effort_of(const chat::Reasoning& reasoning) {
  if (!reasoning.effort.empty()) return reasoning.effort;
  if (reasoning.enabled && !*reasoning.enabled) return "none";
  if (!reasoning.budget_tokens) return {};
  return *reasoning.budget_tokens <= 2048 ? "low" : *reasoning.budget_tokens <= 12'288 ? "medium" : "high";
}

// An effort is all that can be said here.
void note_reasoning(const chat::Reasoning& reasoning, chat::Losses& losses) {
  if (reasoning.budget_tokens && !reasoning.effort.empty()) losses.add("reasoning.budget_tokens");
  if (reasoning.enabled == true && effort_of(reasoning).empty()) losses.add("reasoning");
  if (reasoning.show) losses.add("reasoning.summary");
}

}  // namespace

std::string write_chat(const chat::Request& request, std::string_view model, chat::Losses& losses) {
  TakenParameters taken = taken_parameters(request, own_model(model), losses);
  std::string out;
  json::Writer w(out);
  w.begin_object().member("model", model).key("messages").begin_array();
  for (const chat::Message& message : request.messages) {
    if (message.role == Role::kUser) {
      write_user(w, message, losses);
    } else if (message.role == Role::kAssistant) {
      write_assistant(w, message, losses);
    } else {
      w.begin_object().member("role", "system");
      write_content(w, message.parts, losses);
      w.end_object();
    }
  }
  w.end_array();
  if (request.stream) {
    w.member("stream", true).key("stream_options").begin_object().member("include_usage", true).end_object();
  }
  write_tools(w, request, losses);
  write_format(w, request.format);
  if (std::string_view effort = effort_of(request.reasoning); taken.reasoning && !effort.empty())
    w.member("reasoning_effort", effort);
  note_reasoning(request.reasoning, losses);
  auto optional = [&](std::string_view key, const auto& value) {
    if (value) w.member(key, *value);
  };
  optional("max_completion_tokens", request.max_tokens);
  optional("temperature", taken.temperature);
  optional("top_p", taken.top_p);
  optional("top_k", taken.top_k);
  optional("min_p", taken.min_p);
  optional("presence_penalty", taken.presence_penalty);
  optional("frequency_penalty", taken.frequency_penalty);
  optional("repetition_penalty", taken.repetition_penalty);
  optional("seed", request.seed);
  optional("n", request.answers);
  optional("logprobs", request.logprobs);
  optional("top_logprobs", request.top_logprobs);
  if (!taken.stop.empty()) {
    w.key("stop").begin_array();
    for (const std::string& word : taken.stop)
      w.value(word);
    w.end_array();
  }
  if (!request.user.empty()) w.member("user", request.user);
  if (!request.service_tier.empty()) w.member("service_tier", request.service_tier);
  w.end_object();
  for (const std::string& field : request.unread)
    losses.add(field);
  return out;
}

}  // namespace weir::wire::openai
