#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "weir/base/json_write.h"
#include "weir/wire/fields.h"
#include "weir/wire/gemini/codec.h"

namespace weir::wire::gemini {
namespace {

using chat::Message;
using chat::Part;
using chat::PartKind;
using chat::Role;
using json::Writer;

// What Google documents for function calls that no Gemini model of the session made.
constexpr std::string_view kForeignCallSignature = "skip_thought_signature_validator";

// 2 of "gemini-2.5-pro"; 0: no such name.
int generation_of(std::string_view model) {
  constexpr std::string_view kFamily = "gemini-";
  size_t at = model.rfind(kFamily);
  if (at == std::string_view::npos) return 0;
  int generation = 0;
  for (char c : model.substr(at + kFamily.size()).substr(0, 3)) {
    if (c < '0' || c > '9') break;
    generation = generation * 10 + (c - '0');
  }
  return generation;
}

std::string joined_texts(const std::vector<Part>& parts) {
  std::string out;
  for (const Part& part : parts) {
    if (part.kind != PartKind::kText || part.text.empty()) continue;
    if (!out.empty()) out += '\n';
    out += part.text;
  }
  return out;
}

// The object an arguments' or a result's text is; nothing: it is none.
bool is_object(std::string_view text) {
  json::PaddedBuffer bytes(text);
  json::Parser parser;
  auto document = parser.parse(bytes.view());
  return document && document->type == json::Type::kObject;
}

// Contents: turns of "user" and "model" that alternate, so neighbours of one role become one; what was said
// as system goes to systemInstruction, wherever it stood.
class ContentsWriter {
 public:
  ContentsWriter(Writer& out, chat::Losses& losses, bool wants_signatures)
      : out_(out), losses_(losses), wants_signatures_(wants_signatures) {}

  void write(const Message& message) {
    if (message.role == Role::kSystem) return;
    if (!message.name.empty()) losses_.add("messages.name");
    role_ = message.role;
    first_call_ = true;
    for (const Part& part : message.parts)
      write_part(part);
  }

  void end() {
    if (open_) out_.end_array().end_object();
    open_.reset();
  }

 private:
  Writer& begin() {
    if (open_ != role_) {
      end();
      open_ = role_;
      out_.begin_object()
          .member("role", role_ == Role::kAssistant ? "model" : "user")
          .key("parts")
          .begin_array();
    }
    return out_.begin_object();
  }

  void write_part(const Part& part) {
    if (!part.cache_control.empty()) losses_.add("messages.content.cache_control");
    switch (part.kind) {
      case PartKind::kText:
      case PartKind::kRefusal:
        text(part.text);
        break;
      case PartKind::kThinking:
        thinking(part);
        break;
      case PartKind::kRedactedThinking:
        losses_.add("messages.content.redacted_thinking");
        break;
      case PartKind::kImage:
      case PartKind::kAudio:
      case PartKind::kFile:
        media(part);
        break;
      case PartKind::kToolCall:
        call(part);
        break;
      case PartKind::kToolResult:
        result(part);
        break;
    }
  }

  void text(std::string_view text) {
    if (!text.empty()) begin().member("text", text).end_object();
  }

  void thinking(const Part& part) {
    if (part.text.empty() && part.signature.empty()) return;
    begin().member("text", part.text);
    if (!part.text.empty()) out_.member("thought", true);
    if (!part.signature.empty()) out_.member("thoughtSignature", part.signature);
    out_.end_object();
  }

  void media(const Part& part) {
    if (part.kind == PartKind::kFile && !part.text.empty()) return text(titled(part.name, part.text));
    if (!part.name.empty()) losses_.add("messages.content.file.name");
    if (!part.detail.empty() && part.detail != "auto") losses_.add("messages.content.image.detail");
    std::string_view uri = part.url.empty() ? std::string_view(part.file_id) : part.url;
    if (part.data.empty() && uri.empty()) return;
    begin();
    if (!part.data.empty()) {
      inline_data(part);
    } else {
      out_.key("fileData").begin_object();
      if (!part.media_type.empty()) out_.member("mimeType", part.media_type);
      out_.member("fileUri", uri).end_object();
    }
    out_.end_object();
  }

  void inline_data(const Part& part) {
    std::string_view type = part.media_type;
    if (type.empty())  // this dialect wants one
      type = part.kind == PartKind::kImage   ? "image/png"
             : part.kind == PartKind::kAudio ? "audio/wav"
                                             : "application/pdf";
    out_.key("inlineData").begin_object().member("mimeType", type).member("data", part.data).end_object();
  }

  void call(const Part& part) {
    names_.insert_or_assign(part.id, part.name);
    begin().key("functionCall").begin_object();
    if (!part.id.empty()) out_.member("id", part.id);
    out_.member("name", part.name).key("args");
    write_arguments(out_, part.text);
    out_.end_object();
    if (!part.signature.empty())
      out_.member("thoughtSignature", part.signature);
    else if (wants_signatures_ && first_call_)
      out_.member("thoughtSignature", kForeignCallSignature);
    out_.end_object();
    first_call_ = false;
  }

  void result(const Part& part) {
    auto known = names_.find(part.id);
    std::string_view name = part.name;
    if (name.empty() && known != names_.end()) name = known->second;
    begin().key("functionResponse").begin_object();
    if (!part.id.empty()) out_.member("id", part.id);
    out_.member("name", name).key("response").begin_object();
    out_.member(part.is_error ? "error" : "output", joined_texts(part.content)).end_object();
    bool pictures = false;
    for (const Part& inside : part.content) {
      if (inside.kind == PartKind::kText) continue;
      if (inside.data.empty()) {
        losses_.add("messages.content.image.url");
        continue;
      }
      if (!pictures) out_.key("parts").begin_array();
      pictures = true;
      out_.begin_object();
      inline_data(inside);
      out_.end_object();
    }
    if (pictures) out_.end_array();
    out_.end_object().end_object();
  }

  Writer& out_;
  chat::Losses& losses_;
  bool wants_signatures_;
  bool first_call_ = true;  // of the message
  Role role_ = Role::kUser;
  std::optional<Role> open_;
  std::unordered_map<std::string_view, std::string_view> names_;  // of tools, by the call's id
};

void write_system(Writer& out, const chat::Request& request, chat::Losses& losses) {
  bool any = false;
  for (const Message& message : request.messages) {
    if (message.role != Role::kSystem) continue;
    for (const Part& part : message.parts) {
      if (!part.cache_control.empty()) losses.add("messages.content.cache_control");
      if (part.text.empty()) continue;
      if (!any) out.key("systemInstruction").begin_object().key("parts").begin_array();
      any = true;
      out.begin_object().member("text", part.text).end_object();
    }
  }
  if (any) out.end_array().end_object();
}

void write_tools(Writer& out, const chat::Request& request, chat::Losses& losses) {
  using Kind = chat::ToolChoice::Kind;
  const chat::ToolChoice& choice = request.tool_choice;
  if (choice.parallel == false) losses.add("parallel_tool_calls");
  if (request.tools.empty()) return;
  out.key("tools").begin_array().begin_object().key("functionDeclarations").begin_array();
  for (const chat::Tool& tool : request.tools) {
    if (tool.strict == true) losses.add("tools.strict");
    if (!tool.cache_control.empty()) losses.add("tools.cache_control");
    out.begin_object().member("name", tool.name);
    if (!tool.description.empty()) out.member("description", tool.description);
    if (!tool.parameters.empty()) {
      out.key("parametersJsonSchema").raw(tool.parameters);
      note_schema_losses(tool.parameters, "tools.parameters", losses);
    }
    out.end_object();
  }
  out.end_array().end_object().end_array();
  if (choice.kind == Kind::kUnset) return;
  out.key("toolConfig").begin_object().key("functionCallingConfig").begin_object();
  out.member("mode", choice.kind == Kind::kAuto ? "AUTO" : choice.kind == Kind::kNone ? "NONE" : "ANY");
  if (choice.kind == Kind::kNamed)
    out.key("allowedFunctionNames").begin_array().value(choice.name).end_array();
  out.end_object().end_object();
}

// Up to gemini-2 the thinking is bounded in tokens, from gemini-3 on by a level. The budgets of efforts are
// those of Google's own OpenAI-compatible endpoint.
void write_thinking(Writer& out, const chat::Reasoning& reasoning, int generation, chat::Losses& losses) {
  bool off = reasoning.enabled == false || reasoning.effort == "none";
  bool on = reasoning.enabled == true || reasoning.budget_tokens || (!reasoning.effort.empty() && !off);
  if (!off && !on && !reasoning.show) return;
  out.key("thinkingConfig").begin_object();
  if (off) {
    if (generation >= 3)  // it cannot be turned off
      out.member("thinkingLevel", "MINIMAL");
    else
      out.member("thinkingBudget", 0);
    out.end_object();
    return;
  }
  out.member("includeThoughts", reasoning.show.value_or(true));
  struct Row {
    std::string_view effort, level;
    int64_t budget;
  };
  static constexpr Row kEfforts[] = {{"minimal", "MINIMAL", 512}, {"low", "LOW", 1024},
                                     {"medium", "MEDIUM", 8192},  {"high", "HIGH", 24576},
                                     {"xhigh", "HIGH", 24576},    {"max", "HIGH", 24576}};
  if (reasoning.budget_tokens) {
    out.member("thinkingBudget", *reasoning.budget_tokens);
    if (!reasoning.effort.empty()) losses.add("reasoning.effort");
  } else if (!reasoning.effort.empty()) {
    const Row* row = std::ranges::find(kEfforts, reasoning.effort, &Row::effort);
    if (row == std::end(kEfforts) || row->effort == "xhigh" || row->effort == "max")
      losses.add("reasoning.effort");
    if (row != std::end(kEfforts) && generation >= 3)
      out.member("thinkingLevel", row->level);
    else if (row != std::end(kEfforts))
      out.member("thinkingBudget", row->budget);
  }
  out.end_object();
}

void write_format(Writer& out, const chat::ResponseFormat& format, chat::Losses& losses) {
  using Kind = chat::ResponseFormat::Kind;
  if (format.kind != Kind::kJsonObject && format.kind != Kind::kJsonSchema) return;
  out.member("responseMimeType", "application/json");
  if (!format.description.empty()) losses.add("response_format.description");
  if (format.kind != Kind::kJsonSchema || format.schema.empty()) return;
  out.key("responseJsonSchema").raw(format.schema);
  note_schema_losses(format.schema, "response_format.schema", losses);
}

void write_config(Writer& out, const chat::Request& request, int generation, chat::Losses& losses) {
  auto optional = [&](std::string_view key, const auto& value) {
    if (value) out.member(key, *value);
  };
  out.key("generationConfig").begin_object();
  optional("maxOutputTokens", request.max_tokens);
  optional("temperature", request.temperature);
  optional("topP", request.top_p);
  optional("topK", request.top_k);
  optional("candidateCount", request.answers);
  optional("seed", request.seed);
  optional("presencePenalty", request.presence_penalty);
  optional("frequencyPenalty", request.frequency_penalty);
  if (!request.stop.empty()) {
    out.key("stopSequences").begin_array();
    for (const std::string& stop : request.stop)
      out.value(stop);
    out.end_array();
  }
  write_format(out, request.format, losses);
  write_thinking(out, request.reasoning, generation, losses);
  out.end_object();
  if (request.min_p) losses.add("min_p");
  if (request.repetition_penalty) losses.add("repetition_penalty");
  // Gemini would send them, but the conversation's tree has no place for them on the way back.
  if (request.logprobs.value_or(false)) losses.add("logprobs");
  if (request.top_logprobs) losses.add("top_logprobs");
  if (!request.user.empty()) losses.add("user");
  if (!request.service_tier.empty()) losses.add("service_tier");
  for (const std::string& name : request.unread)
    losses.add(name);
}

}  // namespace

void write_arguments(json::Writer& out, std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string::npos)
    out.raw("{}");
  else if (is_object(text))
    out.raw(text);
  else  // what the model wrote, where the tool can see it
    out.begin_object().member("arguments", text).end_object();
}

std::string resource_name(std::string_view model) {
  std::string out;
  std::string_view name = model;
  for (std::string_view kind : {"models/", "tunedModels/"}) {
    if (!model.starts_with(kind)) continue;
    out = kind;
    name.remove_prefix(kind.size());
  }
  if (out.empty()) out = "models/";
  return out += name;
}

std::string write_chat(const chat::Request& request, std::string_view model, chat::Losses& losses) {
  int generation = generation_of(model);
  std::string text;
  Writer out(text);
  out.begin_object();
  write_system(out, request, losses);
  out.key("contents").begin_array();
  ContentsWriter contents(out, losses, generation >= 3);
  for (const Message& message : request.messages)
    contents.write(message);
  contents.end();
  out.end_array();
  write_tools(out, request, losses);
  write_config(out, request, generation, losses);
  out.end_object();
  return text;
}

std::string write_embedding_request(const EmbeddingRequest& request, std::string_view model,
                                    chat::Losses& losses) {
  std::string text;
  Writer out(text);
  std::string name = resource_name(model);
  out.begin_object().key("requests").begin_array();
  for (const std::string& input : request.inputs) {
    out.begin_object().member("model", name).key("content").begin_object().key("parts").begin_array();
    out.begin_object().member("text", input).end_object().end_array().end_object();
    if (request.dimensions) out.member("outputDimensionality", *request.dimensions);
    out.end_object();
  }
  out.end_array().end_object();
  for (const std::string& name_of_field : request.unread)
    losses.add(name_of_field);
  return text;
}

}  // namespace weir::wire::gemini
