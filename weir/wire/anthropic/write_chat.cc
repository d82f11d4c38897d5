// The canonical request in this dialect. What the API would refuse is not sent: system messages stand in
// `system` wherever they stood, neighbours of one role become one message, tool results come first in theirs,
// blocks without text go, and thinking goes back only with the signature that proves it.
#include <fmt/format.h>

#include <algorithm>

#include "weir/base/base64.h"
#include "weir/base/hash.h"
#include "weir/base/json_write.h"
#include "weir/wire/anthropic/anthropic.h"
#include "weir/wire/anthropic/thinking.h"

namespace weir::wire::anthropic {
namespace {

using chat::Part;
using chat::PartKind;
using chat::Role;

constexpr std::string_view kSpace = " \t\r\n";

bool is_blank(std::string_view text) {
  return text.find_first_not_of(kSpace) == std::string_view::npos;
}

// ------------------------------------------------------------------------------------------------ blocks

// Ids are letters, digits, '_' and '-' on this wire. Others (some servers number calls
// "functions.search:0") are replaced the same way in the call and in its result.
std::string id_of(const std::string& id) {
  auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  if (!id.empty() && std::ranges::all_of(id, good)) return id;
  std::string out = id.substr(0, 48);
  std::ranges::replace_if(out, [&](char c) { return !good(c); }, '_');
  return out + "_" + sha256_hex(id).substr(0, 12);
}

struct Message {
  Role role = Role::kUser;
  std::vector<const Part*> parts;
};

class BlockWriter {
 public:
  BlockWriter(json::Writer& w, chat::Losses& losses) : w_(w), losses_(losses) {}

  void write(const Part& part) {
    switch (part.kind) {
      case PartKind::kText:
      case PartKind::kRefusal:
        return text(part, part.text);
      case PartKind::kThinking:
        w_.begin_object().member("type", "thinking").member("thinking", part.text);
        w_.member("signature", part.signature).end_object();
        return;
      case PartKind::kRedactedThinking:
        w_.begin_object().member("type", "redacted_thinking").member("data", part.data).end_object();
        return;
      case PartKind::kImage:
        return image(part);
      case PartKind::kFile:
        return document(part);
      case PartKind::kToolCall:
        return tool_use(part);
      case PartKind::kToolResult:
        return tool_result(part);
      case PartKind::kAudio:
        return;  // writable() lets none through
    }
  }

  /// Has this dialect a block for it there? Notes the loss if not.
  bool writable(const Part& part, Role role) {
    switch (part.kind) {
      case PartKind::kText:
      case PartKind::kRefusal:
        return !is_blank(part.text);
      case PartKind::kThinking:
        if (!part.signature.empty()) return true;
        losses_.add("messages.content.thinking");
        return false;
      case PartKind::kImage:
        if (role == Role::kUser) return true;
        losses_.add("messages.content.image");
        return false;
      case PartKind::kFile:
        if (role == Role::kUser && (!part.url.empty() || !part.file_id.empty() || !part.text.empty() ||
                                    is_pdf(part) || is_text(part)))
          return true;
        losses_.add("messages.content.file");
        return false;
      case PartKind::kAudio:
        losses_.add("messages.content.audio");
        return false;
      default:
        return true;
    }
  }

  void text(const Part& part, std::string_view words) {
    w_.begin_object().member("type", "text").member("text", words);
    end(part);
  }

 private:
  static bool is_pdf(const Part& part) {
    if (part.data.empty()) return false;
    if (part.media_type.empty()) return part.data.starts_with("JVBERi");  // "%PDF-"
    return part.media_type == "application/pdf";
  }
  static bool is_text(const Part& part) { return !part.data.empty() && part.media_type.starts_with("text/"); }

  void end(const Part& part) {
    if (!part.cache_control.empty()) w_.key("cache_control").raw(part.cache_control);
    w_.end_object();
  }

  void source(const Part& part, std::string_view media_type) {
    w_.key("source").begin_object();
    if (!part.data.empty())
      w_.member("type", "base64").member("media_type", media_type).member("data", part.data);
    else if (!part.url.empty())
      w_.member("type", "url").member("url", part.url);
    else
      w_.member("type", "file").member("file_id", part.file_id);
    w_.end_object();
  }

  void image(const Part& part) {
    if (part.detail == "low" || part.detail == "high") losses_.add("messages.content.detail");
    w_.begin_object().member("type", "image");
    source(part, part.media_type.empty() ? std::string_view("image/png") : std::string_view(part.media_type));
    end(part);
  }

  void document(const Part& part) {
    w_.begin_object().member("type", "document");
    if (!part.text.empty() || is_text(part)) {
      w_.key("source").begin_object().member("type", "text").member("media_type", "text/plain");
      w_.member("data", part.text.empty() ? base64_decode(part.data).value_or("") : part.text);
      w_.end_object();
    } else {
      source(part, "application/pdf");
    }
    if (!part.name.empty()) w_.member("title", part.name);
    end(part);
  }

  void tool_use(const Part& part) {
    if (!part.signature.empty()) losses_.add("messages.content.signature");
    w_.begin_object().member("type", "tool_use").member("id", id_of(part.id)).member("name", part.name);
    std::string input;
    if (!append_arguments(input, part.text)) losses_.add("messages.tool_calls.arguments");
    w_.key("input").raw(input);
    end(part);
  }

  void tool_result(const Part& part) {
    w_.begin_object().member("type", "tool_result").member("tool_use_id", id_of(part.id));
    std::vector<const Part*> inner;
    for (const Part& p : part.content)
      if (writable(p, Role::kUser)) inner.push_back(&p);
    if (inner.size() == 1 && inner[0]->kind == PartKind::kText && inner[0]->cache_control.empty()) {
      w_.member("content", inner[0]->text);
    } else if (!inner.empty()) {
      w_.key("content").begin_array();
      for (const Part* p : inner)
        write(*p);
      w_.end_array();
    }
    if (part.is_error) w_.member("is_error", true);
    end(part);
  }

  json::Writer& w_;
  chat::Losses& losses_;
};

// ---------------------------------------------------------------------------------------------- messages

// BlockWriter as the message's content: plain text where that says it all.
void write_content(json::Writer& w, const std::vector<const Part*>& parts, std::string_view last_text,
                   BlockWriter& blocks) {
  bool plain = parts.size() == 1 && parts[0]->cache_control.empty() &&
               (parts[0]->kind == PartKind::kText || parts[0]->kind == PartKind::kRefusal);
  if (plain) {
    w.value(last_text);
    return;
  }
  w.begin_array();
  for (const Part* part : parts) {
    if (part == parts.back() && (part->kind == PartKind::kText || part->kind == PartKind::kRefusal))
      blocks.text(*part, last_text);
    else
      blocks.write(*part);
  }
  w.end_array();
}

std::vector<Message> arranged(const chat::Request& request, Message& system, BlockWriter& blocks,
                              chat::Losses& losses) {
  std::vector<Message> messages;
  for (const chat::Message& message : request.messages) {
    if (!message.name.empty()) losses.add("messages.name");
    bool is_system = message.role == Role::kSystem;
    if (is_system && !messages.empty()) losses.add("messages.role");  // where it stood is lost
    Message* to = &system;
    if (!is_system) {
      if (messages.empty() || messages.back().role != message.role) messages.push_back({message.role, {}});
      to = &messages.back();
    }
    for (const Part& part : message.parts)
      if (blocks.writable(part, message.role)) to->parts.push_back(&part);
  }
  std::erase_if(messages, [](const Message& m) { return m.parts.empty(); });
  for (Message& message : messages) {
    std::vector<const Part*> sorted;
    for (bool results : {true, false})
      for (const Part* part : message.parts)
        if ((part->kind == PartKind::kToolResult) == results) sorted.push_back(part);
    message.parts = std::move(sorted);
  }
  return messages;
}

void write_messages(json::Writer& w, const chat::Request& request, BlockWriter& blocks,
                    chat::Losses& losses) {
  Message system{Role::kSystem, {}};
  std::vector<Message> messages = arranged(request, system, blocks, losses);
  auto last_text = [](const Message& m) { return std::string_view(m.parts.back()->text); };
  if (!system.parts.empty()) {
    w.key("system");
    write_content(w, system.parts, last_text(system), blocks);
  }
  w.key("messages").begin_array();
  for (const Message& message : messages) {
    bool assistant = message.role == Role::kAssistant;
    std::string_view text = last_text(message);
    if (assistant && &message == &messages.back())  // an answer begun must not end in white space
      text = text.substr(0, text.find_last_not_of(kSpace) + 1);
    w.begin_object().member("role", assistant ? "assistant" : "user").key("content");
    write_content(w, message.parts, text, blocks);
    w.end_object();
  }
  w.end_array();
}

// ------------------------------------------------------------------------------------------------- tools

// A schema must be of type object; other dialects let the type go unsaid.
std::string schema_of(const std::string& parameters) {
  if (parameters.empty()) return R"({"type":"object","properties":{}})";
  if (json::find_in(parameters, "type")) return parameters;
  json::Edits edits(parameters);
  edits.insert_first_member(parameters, R"("type":"object")");
  return edits.str();
}

void write_tools(json::Writer& w, const chat::Request& request, chat::Losses& losses) {
  using Kind = chat::ToolChoice::Kind;
  const chat::ToolChoice& choice = request.tool_choice;
  if (request.tools.empty()) {  // without tools the API takes no choice
    if (choice.kind == Kind::kRequired || choice.kind == Kind::kNamed) losses.add("tool_choice");
    return;
  }
  w.key("tools").begin_array();
  for (const chat::Tool& tool : request.tools) {
    w.begin_object().member("name", tool.name);
    if (!tool.description.empty()) w.member("description", tool.description);
    w.key("input_schema").raw(schema_of(tool.parameters));
    if (tool.strict) w.member("strict", *tool.strict);
    if (!tool.cache_control.empty()) w.key("cache_control").raw(tool.cache_control);
    w.end_object();
  }
  w.end_array();

  bool serial = choice.parallel && !*choice.parallel;
  if (choice.kind == Kind::kUnset && !serial) return;
  w.key("tool_choice").begin_object();
  switch (choice.kind) {
    case Kind::kUnset:
    case Kind::kAuto:
      w.member("type", "auto");
      break;
    case Kind::kNone:
      w.member("type", "none");
      break;
    case Kind::kRequired:
      w.member("type", "any");
      break;
    case Kind::kNamed:
      w.member("type", "tool").member("name", choice.name);
      break;
  }
  if (choice.parallel && choice.kind != Kind::kNone) w.member("disable_parallel_tool_use", serial);
  w.end_object();
}

// ------------------------------------------------------------------------------------------------ output

void write_thinking(json::Writer& w, const ThinkingPlan& plan, const chat::Reasoning& reasoning) {
  if (plan.mode == ThinkingPlan::Mode::kUnset) return;
  w.key("thinking").begin_object();
  if (plan.mode == ThinkingPlan::Mode::kOff) {
    w.member("type", "disabled");
  } else if (plan.mode == ThinkingPlan::Mode::kBudget) {
    w.member("type", "enabled").member("budget_tokens", plan.budget_tokens);
  } else {
    w.member("type", "adaptive");
  }
  if (plan.on() && reasoning.show) w.member("display", *reasoning.show ? "summarized" : "omitted");
  w.end_object();
}

void write_output_config(json::Writer& w, const ThinkingPlan& plan, const chat::ResponseFormat& format,
                         chat::Losses& losses) {
  using Kind = chat::ResponseFormat::Kind;
  bool schema = format.kind == Kind::kJsonSchema && !format.schema.empty();
  if (!schema && (format.kind == Kind::kJsonObject || format.kind == Kind::kJsonSchema))
    losses.add("response_format");  // any JSON at all: the API has only schemas
  if (!format.description.empty()) losses.add("response_format.description");
  if (plan.effort.empty() && !schema) return;
  w.key("output_config").begin_object();
  if (!plan.effort.empty()) w.member("effort", plan.effort);
  if (schema) {
    w.key("format").begin_object().member("type", "json_schema").key("schema").raw(format.schema);
    w.end_object();
  }
  w.end_object();
}

// Newer models take no sampling parameters, thinking ones only their defaults, and most not two at once.
void write_sampling(json::Writer& w, const chat::Request& request, Claude claude, bool thinks,
                    chat::Losses& losses) {
  bool fixed = thinks || !claude.sampled();
  std::optional<double> temperature = request.temperature;
  if (temperature && *temperature > 1) {
    temperature = 1;
    losses.add("temperature");
  }
  if (temperature && fixed) {
    if (*temperature != 1) losses.add("temperature");
    temperature.reset();
  }
  if (temperature) w.member("temperature", *temperature);
  if (request.top_p) {
    bool kept = !fixed && !(temperature && claude.one_of_temperature_and_top_p());
    if (kept)
      w.member("top_p", *request.top_p);
    else if (*request.top_p < 1)
      losses.add("top_p");
  }
  if (request.top_k) {
    if (fixed)
      losses.add("top_k");
    else
      w.member("top_k", *request.top_k);
  }
}

void write_stop(json::Writer& w, const std::vector<std::string>& words, chat::Losses& losses) {
  if (std::ranges::any_of(words, is_blank)) losses.add("stop");  // the API takes no blank ones
  if (std::ranges::all_of(words, is_blank)) return;
  w.key("stop_sequences").begin_array();
  for (const std::string& word : words)
    if (!is_blank(word)) w.value(word);
  w.end_array();
}

void write_service(json::Writer& w, const chat::Request& request, chat::Losses& losses) {
  constexpr size_t kUserBytesMax = 256;  // the API's limit
  if (request.user.size() > kUserBytesMax)
    losses.add("user");
  else if (!request.user.empty())
    w.key("metadata").begin_object().member("user_id", request.user).end_object();
  if (request.service_tier == "auto")
    w.member("service_tier", "auto");
  else if (request.service_tier == "default")
    w.member("service_tier", "standard_only");
  else if (!request.service_tier.empty())
    losses.add("service_tier");
}

// Parameters without a place here, unless they say what holds anyway.
void note_losses(const chat::Request& request, chat::Losses& losses) {
  if (request.min_p.value_or(0) != 0) losses.add("min_p");
  if (request.presence_penalty.value_or(0) != 0) losses.add("presence_penalty");
  if (request.frequency_penalty.value_or(0) != 0) losses.add("frequency_penalty");
  if (request.repetition_penalty.value_or(1) != 1) losses.add("repetition_penalty");
  if (request.seed) losses.add("seed");
  if (request.answers.value_or(1) != 1) losses.add("n");
  if (request.logprobs.value_or(false)) losses.add("logprobs");
  if (request.top_logprobs.value_or(0) != 0) losses.add("top_logprobs");
  for (const std::string& field : request.unread)
    losses.add(field);
}

}  // namespace

std::string write_chat(const chat::Request& request, std::string_view model, chat::Losses& losses) {
  Claude claude = claude_of(model);
  ThinkingPlan plan = plan_thinking(request, claude, losses);
  std::string out;
  json::Writer w(out);
  BlockWriter blocks(w, losses);
  w.begin_object().member("model", model).member("max_tokens", plan.max_tokens);
  write_messages(w, request, blocks, losses);
  write_tools(w, request, losses);
  write_thinking(w, plan, request.reasoning);
  write_output_config(w, plan, request.format, losses);
  write_sampling(w, request, claude, plan.on(), losses);
  write_stop(w, request.stop, losses);
  write_service(w, request, losses);
  if (request.stream) w.member("stream", true);
  w.end_object();
  note_losses(request, losses);
  return out;
}

}  // namespace weir::wire::anthropic
