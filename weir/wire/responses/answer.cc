#include <fmt/format.h>

#include "weir/base/json_write.h"
#include "weir/wire/fields.h"
#include "weir/wire/openai/openai.h"
#include "weir/wire/responses/responses.h"

namespace weir::wire::responses {

using chat::Finish;
using chat::Part;
using chat::PartKind;
using json::Type;
using json::Value;

std::string response_id(const AnswerContext& context) {
  std::string_view digits = context.id;
  if (size_t at = digits.find('_'); at != std::string_view::npos) digits.remove_prefix(at + 1);
  return "resp_" + std::string(digits);
}

std::string ResponseText::item_id(const Part& part, size_t index) const {
  std::string_view kind = part.kind == PartKind::kToolCall ? "fc"
                          : part.kind == PartKind::kThinking || part.kind == PartKind::kRedactedThinking
                              ? "rs"
                              : "msg";
  return fmt::format("{}_{}_{}", kind, response_id(context_).substr(5), index);
}

std::string ResponseText::item(const Part& part, size_t index, bool done) const {
  std::string out;
  json::Writer w(out);
  w.begin_object().member("id", item_id(part, index));
  switch (part.kind) {
    case PartKind::kToolCall:
      w.member("type", "function_call").member("status", done ? "completed" : "in_progress");
      w.member("call_id", part.id).member("name", part.name);
      w.member("arguments", !done ? std::string() : part.text.empty() ? std::string("{}") : part.text);
      break;
    case PartKind::kThinking:
    case PartKind::kRedactedThinking:
      w.member("type", "reasoning").key("summary").begin_array();
      if (done && !part.text.empty())
        w.begin_object().member("type", "summary_text").member("text", part.text).end_object();
      w.end_array();
      break;
    default:
      w.member("type", "message").member("status", done ? "completed" : "in_progress");
      w.member("role", "assistant").key("content").begin_array();
      if (done && part.kind == PartKind::kRefusal)
        w.begin_object().member("type", "refusal").member("refusal", part.text).end_object();
      else if (done)
        w.begin_object()
            .member("type", "output_text")
            .member("text", part.text)
            .key("annotations")
            .raw("[]")
            .key("logprobs")
            .raw("[]")
            .end_object();
      w.end_array();
      break;
  }
  w.end_object();
  return out;
}

std::string ResponseText::response(const std::vector<Part>& parts, std::optional<Finish> finish,
                                   const exchange::Usage* usage) const {
  std::string_view incomplete;
  if (finish == Finish::kLength) incomplete = "max_output_tokens";
  if (finish == Finish::kContentFilter) incomplete = "content_filter";
  std::string out;
  json::Writer w(out);
  w.begin_object().member("id", response_id(context_)).member("object", "response");
  w.member("created_at", context_.created_s);
  w.member("status", !finish ? "in_progress" : incomplete.empty() ? "completed" : "incomplete");
  w.key("error").null().key("incomplete_details");
  if (incomplete.empty())
    w.null();
  else
    w.begin_object().member("reason", incomplete).end_object();
  w.member("model", context_.model).key("output").begin_array();
  if (finish)
    for (size_t i = 0; i < parts.size(); ++i)
      w.raw(item(parts[i], i, true));
  w.end_array().key("usage");
  if (!usage || !usage->known()) {
    w.null();
  } else {
    int64_t input = usage->input_tokens.value_or(0), output = usage->output_tokens.value_or(0);
    w.begin_object().member("input_tokens", input).key("input_tokens_details").begin_object();
    w.member("cached_tokens", usage->cached_input_tokens.value_or(0)).end_object();
    w.member("output_tokens", output).key("output_tokens_details").begin_object();
    w.member("reasoning_tokens", usage->reasoning_tokens.value_or(0)).end_object();
    w.member("total_tokens", input + output).end_object();
  }
  out += context_.echo;
  w.end_object();
  return out;
}

std::string write_answer(const AnswerContext& context, const chat::Answer& answer) {
  static const chat::Answer::Choice kNone;
  const chat::Answer::Choice& choice = answer.choices.empty() ? kNone : answer.choices.front();
  return ResponseText(context).response(choice.parts, choice.finish.value_or(Finish::kOther), &answer.usage);
}

std::string error_event(const Error& error) {
  std::string data;
  json::Writer w(data);
  w.begin_object().member("type", "error");
  w.member("code", error.reason.empty() ? weir::name(error.code) : std::string_view(error.reason));
  w.member("message", error.for_caller()).key("param");
  if (error.param.empty())
    w.null();
  else
    w.value(error.param);
  w.end_object();
  return "event: error\ndata: " + data + "\n\n";
}

// ------------------------------------------------------------------------------------------------ relayed

std::optional<exchange::Usage> read_usage(const Value& value) {
  if (value.type != Type::kObject) return std::nullopt;
  Fields fields(value);
  exchange::Usage usage;
  usage.input_tokens = fields.integer("input_tokens");
  usage.output_tokens = fields.integer("output_tokens");
  if (const Value* details = fields.find("input_tokens_details", Type::kObject)) {
    usage.cached_input_tokens = Fields(*details).integer("cached_tokens");
    usage.cache_write_tokens = Fields(*details).integer("cache_write_tokens");
  }
  if (const Value* details = fields.find("output_tokens_details", Type::kObject))
    usage.reasoning_tokens = Fields(*details).integer("reasoning_tokens");
  if (!usage.known()) return std::nullopt;
  return usage;
}

EventFacts read_event(const StreamFrame& frame, bool look_for_output) {
  EventFacts facts;
  auto type = json::find_in(frame.data, "type");
  if (!frame.data.starts_with('{') || !type || type->type != Type::kString) {
    facts.malformed = true;
    return facts;
  }
  auto is = [&](std::string_view name) { return type->is_string(name); };
  if (is("response.completed") || is("response.incomplete")) {
    facts.done = true;
    facts.finished = 1;
    if (auto response = json::find_in(frame.data, "response"); response && response->type == Type::kObject)
      if (auto usage = json::find_in(response->raw, "usage")) facts.usage = read_usage(*usage);
  }
  facts.error = is("error") || is("response.failed");
  if (look_for_output) facts.has_output = type->raw.ends_with(".delta\"");
  return facts;
}

}  // namespace weir::wire::responses
