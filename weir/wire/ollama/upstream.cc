#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "weir/base/json_write.h"
#include "weir/wire/fields.h"
#include "weir/wire/ollama/codec.h"

namespace weir::wire::ollama {
namespace {

using chat::Message;
using chat::Part;
using chat::PartKind;
using chat::Role;

// One message on its way: texts of a message become one, its pictures a list beside it.
struct Draft {
  std::string_view role;
  std::string content;
  std::string thinking;
  std::vector<std::string_view> images;
  std::vector<const Part*> calls;

  bool empty() const { return content.empty() && thinking.empty() && images.empty() && calls.empty(); }
};

class MessagesWriter {
 public:
  MessagesWriter(json::Writer& out, chat::Losses& losses) : out_(out), losses_(losses) {}

  void write(const Message& message) {
    Draft draft{.role = role_of(message.role)};
    if (!message.name.empty()) losses_.add("messages.name");
    for (const Part& part : message.parts) {
      if (part.kind == PartKind::kToolResult) {
        if (!draft.empty()) flush(draft, {}, {});
        write_result(part);
      } else {
        add(part, draft);
      }
    }
    // A message of tool results alone is written already; any other keeps its turn, even without words.
    bool results_only = !message.parts.empty() && std::ranges::all_of(message.parts, [](const Part& part) {
      return part.kind == PartKind::kToolResult;
    });
    if (!draft.empty() || !results_only) flush(draft, {}, {});
  }

 private:
  static std::string_view role_of(Role role) {
    return role == Role::kSystem ? "system" : role == Role::kUser ? "user" : "assistant";
  }

  void add(const Part& part, Draft& draft) {
    if (!part.cache_control.empty()) losses_.add("messages.content.cache_control");
    if (!part.signature.empty()) losses_.add("messages.content.signature");
    switch (part.kind) {
      case PartKind::kText:
      case PartKind::kRefusal:
        append_paragraph(draft.content, part.text);
        break;
      case PartKind::kThinking:
        append_paragraph(draft.thinking, part.text);
        break;
      case PartKind::kRedactedThinking:
        losses_.add("messages.content.redacted_thinking");
        break;
      case PartKind::kImage:
        if (!part.detail.empty() && part.detail != "auto") losses_.add("messages.content.image.detail");
        [[fallthrough]];
      case PartKind::kAudio:  // models that hear take it from the same list
        if (!part.data.empty())
          draft.images.push_back(part.data);
        else
          losses_.add(part.url.empty() ? "messages.content.image.file_id" : "messages.content.image.url");
        break;
      case PartKind::kFile:
        if (part.text.empty()) losses_.add("messages.content.document");
        if (!part.text.empty()) append_paragraph(draft.content, titled(part.name, part.text));
        break;
      case PartKind::kToolCall:
        names_.insert_or_assign(part.id, part.name);
        draft.calls.push_back(&part);
        break;
      case PartKind::kToolResult:
        break;
    }
  }

  static void append_paragraph(std::string& out, std::string_view text) {
    if (text.empty()) return;
    if (!out.empty()) out += '\n';
    out += text;
  }

  void write_result(const Part& result) {
    if (result.is_error) losses_.add("messages.content.is_error");
    if (!result.cache_control.empty()) losses_.add("messages.content.cache_control");
    Draft draft{.role = "tool"};
    for (const Part& part : result.content)
      add(part, draft);
    auto known = names_.find(result.id);
    flush(draft, result.name.empty() && known != names_.end() ? known->second : std::string_view(result.name),
          result.id);
  }

  void flush(Draft& draft, std::string_view tool_name, std::string_view call_id) {
    out_.begin_object().member("role", draft.role).member("content", draft.content);
    if (!draft.thinking.empty()) out_.member("thinking", draft.thinking);
    if (!draft.images.empty()) {
      out_.key("images").begin_array();
      for (std::string_view image : draft.images)
        out_.value(image);
      out_.end_array();
    }
    if (!draft.calls.empty()) {
      std::string calls;
      for (size_t i = 0; i < draft.calls.size(); ++i) {
        if (i > 0) calls += ',';
        const Part& call = *draft.calls[i];
        append_call(calls, call.id, call.name, static_cast<int>(i), call.text);
      }
      out_.key("tool_calls").raw("[" + calls + "]");
    }
    if (!tool_name.empty()) out_.member("tool_name", tool_name);
    if (!call_id.empty()) out_.member("tool_call_id", call_id);
    out_.end_object();
    draft = {.role = draft.role};
  }

  json::Writer& out_;
  chat::Losses& losses_;
  std::unordered_map<std::string_view, std::string_view> names_;  // of tools, by the call's id
};

template <class T>
void option(json::Writer& out, std::string_view name, const std::optional<T>& value) {
  if (value) out.member(name, *value);
}

void write_options(json::Writer& out, const chat::Request& request) {
  out.key("options").begin_object();
  option(out, "num_predict", request.max_tokens);
  option(out, "temperature", request.temperature);
  option(out, "top_p", request.top_p);
  option(out, "top_k", request.top_k);
  option(out, "min_p", request.min_p);
  option(out, "presence_penalty", request.presence_penalty);
  option(out, "frequency_penalty", request.frequency_penalty);
  option(out, "repeat_penalty", request.repetition_penalty);
  option(out, "seed", request.seed);
  if (!request.stop.empty()) {
    out.key("stop").begin_array();
    for (const std::string& stop : request.stop)
      out.value(stop);
    out.end_array();
  }
  out.end_object();
}

void write_tools(json::Writer& out, const chat::Request& request, chat::Losses& losses) {
  using Kind = chat::ToolChoice::Kind;
  Kind choice = request.tool_choice.kind;
  if (choice == Kind::kRequired || choice == Kind::kNamed) losses.add("tool_choice");
  if (request.tool_choice.parallel == false) losses.add("parallel_tool_calls");
  // A model that may call none is shown none.
  if (request.tools.empty() || choice == Kind::kNone) return;
  out.key("tools").begin_array();
  for (const chat::Tool& tool : request.tools) {
    if (tool.strict == true) losses.add("tools.strict");
    if (!tool.cache_control.empty()) losses.add("tools.cache_control");
    out.begin_object().member("type", "function").key("function").begin_object().member("name", tool.name);
    if (!tool.description.empty()) out.member("description", tool.description);
    out.key("parameters")
        .raw(tool.parameters.empty() ? R"({"type":"object","properties":{}})" : tool.parameters);
    out.end_object().end_object();
  }
  out.end_array();
}

// Ollama knows true, false, and the efforts low, medium, high and max.
void write_think(json::Writer& out, const chat::Reasoning& reasoning, chat::Losses& losses) {
  if (reasoning.budget_tokens) losses.add("reasoning.budget_tokens");
  if (reasoning.enabled == false || reasoning.effort == "none") {
    out.member("think", false);
    return;
  }
  if (reasoning.show == false) losses.add("reasoning.show");
  if (reasoning.effort.empty()) {
    if (reasoning.enabled || reasoning.budget_tokens) out.member("think", true);
    return;
  }
  constexpr std::string_view kEfforts[] = {"low", "medium", "high", "max"};
  if (std::ranges::find(kEfforts, reasoning.effort) != std::end(kEfforts)) {
    out.member("think", reasoning.effort);
    return;
  }
  losses.add("reasoning.effort");
  if (reasoning.effort == "minimal")
    out.member("think", "low");
  else if (reasoning.effort == "xhigh")
    out.member("think", "max");
  else
    out.member("think", true);
}

void note_losses(const chat::Request& request, chat::Losses& losses) {
  if (request.answers.value_or(1) > 1) losses.add("n");
  // Ollama would send them, but the conversation's tree has no place for them on the way back.
  if (request.logprobs.value_or(false)) losses.add("logprobs");
  if (request.top_logprobs) losses.add("top_logprobs");
  if (!request.user.empty()) losses.add("user");
  if (!request.service_tier.empty()) losses.add("service_tier");
  for (const std::string& name : request.unread)
    losses.add(name);
}

}  // namespace

std::string write_chat(const chat::Request& request, std::string_view model, chat::Losses& losses) {
  std::string text;
  json::Writer out(text);
  out.begin_object().member("model", model).member("stream", request.stream);
  out.key("messages").begin_array();
  MessagesWriter messages(out, losses);
  for (const Message& message : request.messages)
    messages.write(message);
  out.end_array();
  write_tools(out, request, losses);
  using Format = chat::ResponseFormat::Kind;
  if (request.format.kind == Format::kJsonObject ||
      (request.format.kind == Format::kJsonSchema && request.format.schema.empty()))
    out.member("format", "json");
  else if (request.format.kind == Format::kJsonSchema)
    out.key("format").raw(request.format.schema);
  if (!request.format.description.empty()) losses.add("response_format.description");
  write_think(out, request.reasoning, losses);
  write_options(out, request);
  out.end_object();
  note_losses(request, losses);
  return text;
}

std::string write_embedding_request(const EmbeddingRequest& request, std::string_view model,
                                    chat::Losses& losses) {
  std::string text;
  json::Writer out(text);
  out.begin_object().member("model", model).key("input").begin_array();
  for (const std::string& input : request.inputs)
    out.value(input);
  out.end_array();
  option(out, "dimensions", request.dimensions);
  out.end_object();
  for (const std::string& name : request.unread)
    losses.add(name);
  return text;
}

void append_arguments(std::string& out, std::string_view arguments) {
  arguments = trimmed(arguments);
  if (arguments.empty()) {
    out += "{}";
    return;
  }
  json::PaddedBuffer bytes(arguments);
  json::Parser parser;
  auto document = parser.parse(bytes.view());
  if (document && document->type == json::Type::kObject) {
    size_t at = out.size();
    out += arguments;
    // Between tokens a line end is white space, inside a string it is not JSON; in a stream it ends a line.
    std::replace_if(
        out.begin() + static_cast<std::ptrdiff_t>(at), out.end(),
        [](char c) { return c == '\n' || c == '\r'; }, ' ');
    return;
  }
  json::Writer(out).begin_object().member("arguments", arguments).end_object();
}

}  // namespace weir::wire::ollama
