// A caller's conversation, read into the canonical tree.
#include <fmt/format.h>

#include <algorithm>

#include "weir/wire/ollama/codec.h"
#include "weir/wire/parameters.h"

namespace weir::wire::ollama {
namespace {

using chat::Message;
using chat::Part;
using chat::PartKind;
using chat::Role;
using json::Type;
using json::Value;

// What other dialects cannot say, of the top level.
constexpr std::string_view kUnread[] = {"suffix",     "template", "raw",  "context",
                                        "keep_alive", "truncate", "shift"};

std::optional<int64_t> whole(const Value& value) {
  if (auto n = value.as_int()) return n;
  auto number = value.as_double();  // checked: within +-9.2e18
  if (!number) return std::nullopt;
  return static_cast<int64_t>(*number);
}

void read_option(const json::Member& option, chat::Request& out) {
  std::string_view key = option.key;
  const Value& value = option.value;
  if (value.type == Type::kNull) return;
  if (key == "temperature") {
    out.temperature = value.as_double();
  } else if (key == "top_k") {
    out.top_k = whole(value);
  } else if (key == "top_p") {
    out.top_p = value.as_double();
  } else if (key == "min_p") {
    out.min_p = value.as_double();
  } else if (key == "num_predict") {
    auto n = whole(value);
    if (n && *n >= 0) out.max_tokens = n;
  } else if (key == "repeat_penalty") {
    out.repetition_penalty = value.as_double();
  } else if (key == "presence_penalty") {
    out.presence_penalty = value.as_double();
  } else if (key == "frequency_penalty") {
    out.frequency_penalty = value.as_double();
  } else if (key == "seed") {
    out.seed = whole(value);
  } else if (key == "stop") {
    for (const Value& stop : json::elements_of(value.raw))
      out.stop.push_back(text_of(&stop));
  } else if (is_option(key)) {
    out.unread.push_back("options." + std::string(key));
  }  // else: no option of the real server, which ignores it
}

// What both kinds of requests have beside their messages.
Result<void> read_common(const json::Document& document, bool stream, chat::Request& out) {
  out.stream = stream;
  if (const Value* options = given(document, "options"))
    for (const json::Member& option : json::members_of(options->raw))
      read_option(option, out);
  if (const Value* format = given(document, "format")) {
    if (format->type == Type::kObject) {
      out.format.kind = chat::ResponseFormat::Kind::kJsonSchema;
      out.format.schema = format->raw;
    } else if (format->is_string("json")) {
      out.format.kind = chat::ResponseFormat::Kind::kJsonObject;
    }
  }
  if (const Value* think = given(document, "think")) {
    out.reasoning.enabled = think->as_bool().value_or(true);
    out.reasoning.effort = text_of(think);
  }
  if (const Value* logprobs = given(document, "logprobs")) out.logprobs = logprobs->as_bool();
  if (const Value* top = given(document, "top_logprobs")) out.top_logprobs = top->as_int();
  for (std::string_view key : kUnread)
    if (given(document, key)) out.unread.emplace_back(key);
  return {};
}

// Ollama's pictures are bare base64; other dialects want their type, which the first bytes tell.
std::string_view media_type_of(std::string_view base64) {
  struct Row {
    std::string_view start, type;
  };
  static constexpr Row kRows[] = {
      {"iVBORw0KGgo", "image/png"}, {"/9j/", "image/jpeg"}, {"R0lGOD", "image/gif"}, {"Qk", "image/bmp"}};
  for (const Row& row : kRows)
    if (base64.starts_with(row.start)) return row.type;
  // RIFF, four bytes of length, then WEBP or WAVE: the two bits before them belong to the length.
  if (base64.starts_with("UklGR") && base64.size() >= 16) {
    std::string_view name = base64.substr(11, 5);
    if (name == "XRUJQ") return "image/webp";
    if (name == "XQVZF") return "audio/wav";
  }
  return {};
}

Result<void> read_images(const Value& images, const std::string& path, std::vector<Part>& out) {
  if (images.type == Type::kNull) return {};
  if (images.type != Type::kArray) return wrong_type(path, "an array of base64 strings");
  TRY_VOID(check_texts(images, path));
  for (const Value& image : json::elements_of(images.raw)) {
    Part& part = out.emplace_back();
    part.data = text_of(&image);
    part.media_type = media_type_of(part.data);
    part.kind = part.media_type.starts_with("audio/") ? PartKind::kAudio : PartKind::kImage;
  }
  return {};
}

Result<std::string> read_text(const json::Members& message, std::string_view key, const std::string& path) {
  const Value* value = message.find(key);
  if (!value || value->type == Type::kNull) return std::string();
  if (value->type != Type::kString) return wrong_type(path + "." + std::string(key), "a string");
  return text_of(value);
}

void add_text(PartKind kind, std::string text, std::vector<Part>& out) {
  if (text.empty()) return;
  Part& part = out.emplace_back();
  part.kind = kind;
  part.text = std::move(text);
}

// The messages of /api/chat. Ids that the caller left out are call_0, call_1 ... in the order of the calls of
// the whole conversation, so that the next request says the same of the same history.
class MessagesReader {
 public:
  explicit MessagesReader(std::vector<Message>& out) : out_(out) {}

  Result<void> read(const Value& value, size_t index) {
    std::string path = fmt::format("messages[{}]", index);
    if (value.type != Type::kObject) return wrong_type(path, "an object");
    json::Members message = json::members_of(value.raw);
    TRY(std::string role, read_text(message, "role", path));
    std::ranges::transform(role, role.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    if (role == "tool") return read_result(message, path);
    in_results_ = false;
    Message& to = out_.emplace_back();
    if (role == "system") {
      to.role = Role::kSystem;
    } else if (role == "assistant") {
      to.role = Role::kAssistant;
    } else if (role != "user") {
      return fail(ErrorCode::kInvalidRequest,
                  fmt::format("'{}.role' must be one of system, user, assistant and tool", path),
                  path + ".role", "invalid_value");
    }
    TRY(std::string thinking, read_text(message, "thinking", path));
    add_text(PartKind::kThinking, std::move(thinking), to.parts);
    if (const Value* images = message.find("images"))
      TRY_VOID(read_images(*images, path + ".images", to.parts));
    TRY(std::string content, read_text(message, "content", path));
    add_text(PartKind::kText, std::move(content), to.parts);
    const Value* calls = message.find("tool_calls");
    if (!calls || calls->type == Type::kNull) return {};
    return read_calls(*calls, path + ".tool_calls", to);
  }

 private:
  struct Call {
    std::string id;
    std::string name;
    bool answered = false;
  };

  Result<void> read_calls(const Value& value, const std::string& path, Message& to) {
    if (value.type != Type::kArray) return wrong_type(path, "an array");
    std::vector<Value> calls = json::elements_of(value.raw);
    if (!calls.empty()) open_calls_.clear();
    for (size_t i = 0; i < calls.size(); ++i) {
      std::string at = fmt::format("{}[{}]", path, i);
      auto function = json::find_in(calls[i].raw, "function");
      if (calls[i].type != Type::kObject || !function || function->type != Type::kObject)
        return wrong_type(at + ".function", "an object");
      json::Members members = json::members_of(function->raw);
      Part& part = to.parts.emplace_back();
      part.kind = PartKind::kToolCall;
      TRY(part.name, read_text(members, "name", at + ".function"));
      TRY(part.id, read_text(json::members_of(calls[i].raw), "id", at));
      std::string invented = fmt::format("call_{}", calls_++);
      if (part.id.empty()) part.id = std::move(invented);
      part.text = "{}";
      if (const Value* arguments = members.find("arguments"); arguments && arguments->type != Type::kNull) {
        if (arguments->type != Type::kObject) return wrong_type(at + ".function.arguments", "an object");
        part.text = arguments->raw;
      }
      open_calls_.push_back({part.id, part.name});
    }
    return {};
  }

  Result<void> read_result(const json::Members& message, const std::string& path) {
    Part part;
    part.kind = PartKind::kToolResult;
    TRY(part.id, read_text(message, "tool_call_id", path));
    TRY(part.name, read_text(message, "tool_name", path));
    if (const Value* images = message.find("images"))
      TRY_VOID(read_images(*images, path + ".images", part.content));
    TRY(std::string content, read_text(message, "content", path));
    add_text(PartKind::kText, std::move(content), part.content);
    match(part);
    if (!in_results_) out_.emplace_back();
    in_results_ = true;
    out_.back().parts.push_back(std::move(part));
    return {};
  }

  // Which call of the last assistant turn it answers: by its id, else the first open one of its name, else
  // the first open one.
  void match(Part& result) {
    auto fits = [&](auto wanted) { return std::ranges::find_if(open_calls_, wanted); };
    auto call = open_calls_.end();
    if (!result.id.empty()) {
      call = fits([&](const Call& c) { return c.id == result.id; });
    } else {
      call = fits([&](const Call& c) { return !c.answered && c.name == result.name; });
      if (call == open_calls_.end() && result.name.empty())
        call = fits([](const Call& c) { return !c.answered; });
    }
    if (call != open_calls_.end()) {
      call->answered = true;
      result.id = call->id;
      if (result.name.empty()) result.name = call->name;
    } else if (result.id.empty()) {
      result.id = fmt::format("call_{}", calls_++);
    }
  }

  std::vector<Message>& out_;
  std::vector<Call> open_calls_;  // of the last assistant turn with calls
  size_t calls_ = 0;
  bool in_results_ = false;  // the last message of out_ is a row of tool results
};

Result<void> read_tools(const Value& tools, chat::Request& out) {
  std::vector<Value> elements = json::elements_of(tools.raw);
  for (size_t i = 0; i < elements.size(); ++i) {
    std::string path = fmt::format("tools[{}].function", i);
    auto function = json::find_in(elements[i].raw, "function");
    if (elements[i].type != Type::kObject || !function || function->type != Type::kObject)
      return wrong_type(path, "an object");
    json::Members members = json::members_of(function->raw);
    chat::Tool& tool = out.tools.emplace_back();
    TRY(tool.name, read_text(members, "name", path));
    TRY(tool.description, read_text(members, "description", path));
    if (tool.name.empty())
      return fail(ErrorCode::kInvalidRequest, fmt::format("'{}.name' is missing", path), path + ".name",
                  "missing_required_parameter");
    if (const Value* parameters = members.find("parameters"); parameters && parameters->type != Type::kNull) {
      if (parameters->type != Type::kObject) return wrong_type(path + ".parameters", "an object");
      tool.parameters = parameters->raw;
    }
  }
  return {};
}

}  // namespace

Result<void> check_texts(const Value& array, std::string_view path) {
  std::vector<Value> elements = json::elements_of(array.raw);
  for (size_t i = 0; i < elements.size(); ++i)
    if (elements[i].type != Type::kString) return wrong_type(fmt::format("{}[{}]", path, i), "a string");
  return {};
}

// A member that is there and not null.
const Value* given(const json::Document& document, std::string_view key) {
  const Value* value = document.find(key);
  return value && value->type != Type::kNull ? value : nullptr;
}

std::string text_of(const Value* value) {
  return value ? value->as_string().value_or("") : std::string();
}

Result<chat::Request> read_chat(Operation operation, const exchange::ModelRequest& request) {
  const json::Document& document = request.document;
  chat::Request out;
  TRY_VOID(read_common(document, request.stream, out));
  if (operation == Operation::kChat) {
    TRY_VOID(require(document, "messages"));
    MessagesReader messages(out.messages);
    std::vector<Value> elements = json::elements_of(document.find("messages")->raw);
    for (size_t i = 0; i < elements.size(); ++i)
      TRY_VOID(messages.read(elements[i], i));
    if (const Value* tools = given(document, "tools")) TRY_VOID(read_tools(*tools, out));
    return out;
  }
  if (std::string system = text_of(given(document, "system")); !system.empty()) {
    Message& message = out.messages.emplace_back();
    message.role = Role::kSystem;
    add_text(PartKind::kText, std::move(system), message.parts);
  }
  Message& message = out.messages.emplace_back();
  if (const Value* images = given(document, "images"))
    TRY_VOID(read_images(*images, "images", message.parts));
  add_text(PartKind::kText, text_of(given(document, "prompt")), message.parts);
  if (message.parts.empty()) TRY_VOID(require(document, "prompt"));
  return out;
}

}  // namespace weir::wire::ollama
