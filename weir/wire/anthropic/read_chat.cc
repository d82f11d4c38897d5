// A request of this dialect as the canonical one. Only calls to a model server of another dialect come here.
// Blocks and tools that only Anthropic's servers can act on (tools they run, containers, cited sources) stay
// behind by name; a block that is none of the API's is the caller's mistake.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "weir/wire/anthropic/anthropic.h"
#include "weir/wire/anthropic/read_blocks.h"
#include "weir/wire/fields.h"
#include "weir/wire/parameters.h"

namespace weir::wire::anthropic {
namespace {

using chat::Role;
using json::Type;
using json::Value;

bool is_identifier(std::string_view name) {
  auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, good);
}

// ---------------------------------------------------------------------------------------------- messages

Result<void> read_message(const Value& value, const std::string& path, chat::Request& request) {
  if (value.type != Type::kObject) return bad(path, "must be an object");
  Fields fields(value);
  chat::Message message;
  Place place = Place::kUser;
  if (fields.is("role", "assistant")) {
    message.role = Role::kAssistant;
    place = Place::kAssistant;
  } else if (fields.is("role", "system")) {
    message.role = Role::kSystem;
    place = Place::kSystem;
  } else if (!fields.is("role", "user")) {
    return bad(path + ".role", "must be one of user, assistant and system");
  }
  const Value* content = fields.find("content");
  if (!content) return bad(path + ".content", "must be a string or an array");
  TRY_VOID(read_content(*content, path + ".content", place, request, message.parts));
  request.messages.push_back(std::move(message));
  return {};
}

Result<void> read_system(const Value& value, chat::Request& request) {
  chat::Message message{.role = Role::kSystem};
  TRY_VOID(read_content(value, "system", Place::kSystem, request, message.parts));
  std::erase_if(message.parts, [](const chat::Part& p) { return p.text.empty(); });
  if (!message.parts.empty()) request.messages.push_back(std::move(message));
  return {};
}

// ------------------------------------------------------------------------------------------------- tools

// Answers whether a tool stayed behind.
Result<bool> read_tools(const Value& tools, chat::Request& request) {
  bool left = false;
  size_t i = 0;
  for (const Value& value : json::elements_of(tools.raw)) {
    std::string path = fmt::format("tools[{}]", i++);
    if (value.type != Type::kObject) return bad(path, "must be an object");
    Fields fields(value);
    if (const Value* type = fields.find("type"); type && !type->is_string("custom")) {
      std::string name =
          fields.text("type");  // with a schema that only Anthropic knows, or run by its servers
      if (!is_identifier(name)) return bad(path + ".type", "is not a known type of tool");
      unread(request, "tools." + name);
      left = true;
      continue;
    }
    chat::Tool tool;
    TRY(tool.name, required_text(fields, "name", path));
    if (tool.name.empty()) return bad(path + ".name", "must not be empty");
    const Value* schema = fields.find("input_schema", Type::kObject);
    if (!schema) return bad(path + ".input_schema", "must be an object");
    tool.description = fields.text("description");
    tool.parameters = schema->raw;
    tool.strict = fields.flag("strict");
    tool.cache_control = fields.json("cache_control");
    if (fields.flag("defer_loading").value_or(false)) unread(request, "tools.defer_loading");
    leave(fields, "allowed_callers", "tools", request);
    leave(fields, "input_examples", "tools", request);
    request.tools.push_back(std::move(tool));
  }
  return left;
}

Result<void> read_tool_choice(const Fields& fields, bool left, chat::Request& request) {
  using Kind = chat::ToolChoice::Kind;
  chat::ToolChoice& choice = request.tool_choice;
  if (fields.is("type", "auto")) {
    choice.kind = Kind::kAuto;
  } else if (fields.is("type", "any")) {
    choice.kind = Kind::kRequired;
  } else if (fields.is("type", "none")) {
    choice.kind = Kind::kNone;
  } else if (fields.is("type", "tool")) {
    choice.kind = Kind::kNamed;
    TRY(choice.name, required_text(fields, "name", "tool_choice"));
  } else {
    return bad("tool_choice.type", "must be one of auto, any, tool and none");
  }
  if (auto disabled = fields.flag("disable_parallel_tool_use")) choice.parallel = !*disabled;
  if (!left) return {};
  // The tool it speaks of may have stayed behind.
  bool named = choice.kind == Kind::kNamed;
  bool has = named ? std::ranges::find(request.tools, choice.name, &chat::Tool::name) != request.tools.end()
                   : !request.tools.empty();
  if (has) return {};
  if (named || choice.kind == Kind::kRequired) unread(request, "tool_choice");
  choice = {};
  return {};
}

// ------------------------------------------------------------------------------------------------ output

Result<void> read_thinking(const Fields& fields, chat::Request& request) {
  chat::Reasoning& reasoning = request.reasoning;
  if (fields.is("type", "disabled")) {
    reasoning.enabled = false;
    return {};
  }
  reasoning.enabled = true;
  if (fields.is("type", "enabled")) {
    reasoning.budget_tokens = fields.integer("budget_tokens");
    if (reasoning.budget_tokens.value_or(0) < 1)
      return bad("thinking.budget_tokens", "must be an integer of at least 1024");
  } else if (!fields.is("type", "adaptive")) {
    return bad("thinking.type", "must be one of enabled, disabled and adaptive");
  }
  if (fields.is("display", "omitted")) reasoning.show = false;
  if (fields.is("display", "summarized")) reasoning.show = true;
  return {};
}

Result<void> read_format(const Fields& fields, const std::string& path, chat::Request& request) {
  if (!fields.is("type", "json_schema")) return bad(path + ".type", "must be json_schema");
  const Value* schema = fields.find("schema", Type::kObject);
  if (!schema) return bad(path + ".schema", "must be an object");
  request.format.kind = chat::ResponseFormat::Kind::kJsonSchema;
  request.format.schema = schema->raw;
  return {};
}

Result<void> read_output(const Fields& fields, chat::Request& request) {
  const Value* older = fields.find("output_format");  // its place before it moved into output_config
  if (older) TRY_VOID(read_format(Fields(*older), "output_format", request));
  const Value* value = fields.find("output_config");
  if (!value) return {};
  Fields config(*value);
  request.reasoning.effort = config.text("effort");
  if (const Value* format = config.find("format")) {
    if (older) return bad("output_format", "must not stand beside 'output_config.format'");
    TRY_VOID(read_format(Fields(*format), "output_config.format", request));
  }
  leave(config, "task_budget", "output_config", request);
  return {};
}

Result<void> read_stop(const Value& words, chat::Request& request) {
  size_t i = 0;
  for (const Value& word : json::elements_of(words.raw)) {
    if (word.type != Type::kString) return bad(fmt::format("stop_sequences[{}]", i), "must be a string");
    request.stop.push_back(word.as_string().value_or(""));
    ++i;
  }
  return {};
}

// What the canonical tree has a place for, or what means nothing to another dialect's server.
constexpr std::string_view kRead[] = {
    "model",    "messages",      "system",        "max_tokens",     "tools",       "tool_choice",
    "thinking", "output_config", "output_format", "stop_sequences", "temperature", "top_p",
    "top_k",    "metadata",      "service_tier",  "stream",
};

}  // namespace

Result<chat::Request> read_chat(const exchange::ModelRequest& source) {
  TRY_VOID(require(source.document, "messages"));
  chat::Request request;
  Fields fields(source.document.root);
  request.stream = source.stream;
  if (const Value* system = fields.find("system")) TRY_VOID(read_system(*system, request));
  size_t i = 0;
  for (const Value& value : json::elements_of(fields.find("messages")->raw))
    TRY_VOID(read_message(value, fmt::format("messages[{}]", i++), request));
  bool left = false;
  if (const Value* tools = fields.find("tools")) {
    TRY(left, read_tools(*tools, request));
  }
  if (const Value* choice = fields.find("tool_choice"))
    TRY_VOID(read_tool_choice(Fields(*choice), left, request));
  if (const Value* thinking = fields.find("thinking")) TRY_VOID(read_thinking(Fields(*thinking), request));
  TRY_VOID(read_output(fields, request));
  if (const Value* stop = fields.find("stop_sequences")) TRY_VOID(read_stop(*stop, request));
  request.max_tokens = fields.integer("max_tokens");
  request.temperature = fields.number("temperature");
  request.top_p = fields.number("top_p");
  request.top_k = fields.integer("top_k");
  if (const Value* metadata = fields.find("metadata")) request.user = Fields(*metadata).text("user_id");
  request.service_tier = fields.text("service_tier");
  if (request.service_tier == "standard_only") request.service_tier = "default";
  for (const json::Member& member : fields.all())
    if (member.value.type != Type::kNull && std::ranges::find(kRead, member.key) == std::end(kRead))
      unread(request, is_identifier(member.key) ? std::string(member.key) : "unknown parameter");
  return request;
}

}  // namespace weir::wire::anthropic
