// Whole answers, usage, the reasons to stop, and errors.
#include <fmt/format.h>

#include <algorithm>

#include "weir/base/json_write.h"
#include "weir/wire/anthropic/anthropic.h"
#include "weir/wire/fields.h"

namespace weir::wire::anthropic {

using chat::Finish;
using chat::PartKind;
using chat::Step;
using json::Type;
using json::Value;

// ------------------------------------------------------------------------------------------------- usage

namespace {

constexpr int64_t kTokensMax = int64_t{1} << 48;  // so that sums stay sums

void take(std::optional<int64_t>& count, std::string_view object, std::string_view key) {
  auto v = json::find_in(object, key);
  if (!v || v->type != Type::kNumber) return;
  auto n = v->as_int();
  if (!n || *n < 0 || *n > kTokensMax) return;
  count = std::max(count.value_or(0), *n);
}

std::optional<Value> object_in(std::string_view object, std::string_view key) {
  auto v = json::find_in(object, key);
  if (v && v->type != Type::kObject) v.reset();
  return v;
}

}  // namespace

void Counts::add(std::string_view usage) {
  take(input, usage, "input_tokens");
  take(output, usage, "output_tokens");
  take(cache_read, usage, "cache_read_input_tokens");
  take(cache_write, usage, "cache_creation_input_tokens");
  if (auto by_life = object_in(usage, "cache_creation")) {
    take(cache_write_5m, by_life->raw, "ephemeral_5m_input_tokens");
    take(cache_write_1h, by_life->raw, "ephemeral_1h_input_tokens");
  }
  if (auto details = object_in(usage, "output_tokens_details"))
    take(thinking, details->raw, "thinking_tokens");
}

exchange::Usage Counts::usage() const {
  exchange::Usage usage;
  usage.output_tokens = output;
  usage.cached_input_tokens = cache_read;
  usage.cache_write_tokens = cache_write;
  if (!cache_write && (cache_write_5m || cache_write_1h))
    usage.cache_write_tokens = cache_write_5m.value_or(0) + cache_write_1h.value_or(0);
  usage.cache_write_1h_tokens = cache_write_1h;
  usage.reasoning_tokens = thinking;
  if (input) usage.input_tokens = *input + cache_read.value_or(0) + usage.cache_write_tokens.value_or(0);
  return usage;
}

void append_usage(std::string& out, const exchange::Usage& usage) {
  int64_t read = usage.cached_input_tokens.value_or(0), write = usage.cache_write_tokens.value_or(0);
  int64_t rest = std::max<int64_t>(0, usage.input_tokens.value_or(0) - read - write);
  json::Writer w(out);
  w.begin_object().member("input_tokens", rest);
  auto known = [&](std::string_view key, std::optional<int64_t> count) {
    w.key(key);
    if (count)
      w.value(*count);
    else
      w.null();
  };
  known("cache_creation_input_tokens", usage.cache_write_tokens);
  known("cache_read_input_tokens", usage.cached_input_tokens);
  if (usage.cache_write_1h_tokens) {
    int64_t hour = *usage.cache_write_1h_tokens;
    w.key("cache_creation").begin_object();
    w.member("ephemeral_5m_input_tokens", std::max<int64_t>(0, write - hour));
    w.member("ephemeral_1h_input_tokens", hour).end_object();
  }
  w.member("output_tokens", usage.output_tokens.value_or(0));
  if (usage.reasoning_tokens)
    w.key("output_tokens_details")
        .begin_object()
        .member("thinking_tokens", *usage.reasoning_tokens)
        .end_object();
  w.end_object();
}

// ------------------------------------------------------------------------------------------- small pieces

Finish finish_of(std::string_view reason) {
  if (reason == "end_turn") return Finish::kStop;
  if (reason == "tool_use") return Finish::kToolCalls;
  if (reason == "max_tokens" || reason == "model_context_window_exceeded") return Finish::kLength;
  if (reason == "stop_sequence") return Finish::kStopSequence;
  if (reason == "refusal") return Finish::kRefusal;
  return reason == "pause_turn" ? Finish::kPause : Finish::kOther;
}

std::string_view stop_reason(Finish finish, bool called, bool refused) {
  switch (finish) {
    case Finish::kStopSequence:
      return "stop_sequence";
    case Finish::kLength:
      return "max_tokens";
    case Finish::kToolCalls:
      return "tool_use";
    case Finish::kContentFilter:
    case Finish::kRefusal:
      return "refusal";
    case Finish::kPause:
      return "pause_turn";
    case Finish::kStop:
    case Finish::kOther:
      break;
  }
  return called ? "tool_use" : refused ? "refusal" : "end_turn";
}

namespace {

// The exchange's id without its "req_".
std::string_view digits_of(std::string_view id) {
  if (size_t at = id.find('_'); at != std::string_view::npos) id.remove_prefix(at + 1);
  return id;
}

}  // namespace

std::string message_id(const AnswerContext& context) {
  if (!context.known_id.empty()) return context.known_id;
  return fmt::format("msg_{}", digits_of(context.id));
}

std::string call_id(const AnswerContext& context, size_t n) {
  return fmt::format("toolu_{}_{}", digits_of(context.id), n);
}

bool append_arguments(std::string& out, std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    out += "{}";
    return true;
  }
  json::PaddedBuffer bytes(text);  // a model wrote this; nobody checked it
  json::Parser parser;
  auto document = parser.parse(bytes.view());
  if (document && document->type == Type::kObject) {
    out += document->root.raw;
    return true;
  }
  json::Writer(out).begin_object().member("arguments", text).end_object();
  return false;
}

// ---------------------------------------------------------------------------------------- whole answers

namespace {

struct Block {
  PartKind part = PartKind::kText;
  std::string id, name;
  std::string text;  // or a redacted block's data
  std::string signature;
};

// nullopt: one that only this dialect knows.
std::optional<Block> read_block(const Fields& fields) {
  Block block;
  if (fields.is("type", "text")) {
    block.text = fields.text("text");
  } else if (fields.is("type", "thinking")) {
    block.part = PartKind::kThinking;
    block.text = fields.text("thinking");
    block.signature = fields.text("signature");
  } else if (fields.is("type", "redacted_thinking")) {
    block.part = PartKind::kRedactedThinking;
    block.text = fields.text("data");
  } else if (fields.is("type", "tool_use")) {
    block.part = PartKind::kToolCall;
    block.id = fields.text("id");
    block.name = fields.text("name");
    block.text = fields.json("input");
  } else {
    return std::nullopt;
  }
  return block;
}

void give(const Block& block, chat::Sink& sink) {
  bool redacted = block.part == PartKind::kRedactedThinking;
  sink.take({.kind = Step::Kind::kOpen,
             .part = block.part,
             .id = block.id,
             .name = block.name,
             .text = redacted ? std::string_view(block.text) : std::string_view()});
  if (!redacted && !block.text.empty())
    sink.take({.kind = Step::Kind::kText, .part = block.part, .text = block.text});
  if (!block.signature.empty())
    sink.take({.kind = Step::Kind::kSignature, .part = block.part, .text = block.signature});
  sink.take({.kind = Step::Kind::kClose, .part = block.part});
}

}  // namespace

Result<void> read_answer(const json::Document& answer, chat::Sink& sink) {
  Fields fields(answer.root);
  if (fields.is("type", "error")) return Unexpected(error_of(answer.root.raw));
  const Value* content = fields.find("content", Type::kArray);
  if (!content) return malformed("answered without content");
  std::string id = fields.text("id"), model = fields.text("model");
  sink.take({.kind = Step::Kind::kStart, .id = id, .name = model});
  for (const Value& element : json::elements_of(content->raw))
    if (auto block = read_block(Fields(element))) give(*block, sink);
  std::string stop = fields.text("stop_sequence");
  sink.take({.kind = Step::Kind::kFinish, .text = stop, .finish = finish_of(fields.text("stop_reason"))});
  Counts counts;
  if (const Value* usage = fields.find("usage", Type::kObject)) counts.add(usage->raw);
  exchange::Usage usage = counts.usage();
  if (usage.known()) sink.take({.kind = Step::Kind::kUsage, .usage = &usage});
  sink.take({.kind = Step::Kind::kEnd});
  return {};
}

std::string write_answer(const AnswerContext& context, const chat::Answer& answer) {
  std::string out;
  json::Writer w(out);
  w.begin_object();
  if (context.operation == Operation::kCountTokens) {
    w.member("input_tokens", answer.usage.input_tokens.value_or(0)).end_object();
    return out;
  }
  w.member("id", message_id(context)).member("type", "message").member("role", "assistant");
  w.member("model", context.model).key("content").begin_array();
  static const chat::Answer::Choice kNone;
  const chat::Answer::Choice& choice = answer.choices.empty() ? kNone : answer.choices[0];
  size_t calls = 0;
  bool refused = false;
  for (const chat::Part& part : choice.parts) {
    switch (part.kind) {
      case PartKind::kRefusal:
        refused = true;
        [[fallthrough]];
      case PartKind::kText:
        w.begin_object().member("type", "text").member("text", part.text).end_object();
        break;
      case PartKind::kThinking:
        w.begin_object().member("type", "thinking").member("thinking", part.text);
        w.member("signature", part.signature).end_object();
        break;
      case PartKind::kRedactedThinking:
        w.begin_object().member("type", "redacted_thinking").member("data", part.data).end_object();
        break;
      case PartKind::kToolCall: {
        ++calls;
        w.begin_object().member("type", "tool_use");
        w.member("id", part.id.empty() ? call_id(context, calls) : part.id).member("name", part.name);
        std::string input;
        append_arguments(input, part.text);
        w.key("input").raw(input).end_object();
        break;
      }
      default:
        break;
    }
  }
  Finish finish = choice.finish.value_or(Finish::kOther);
  w.end_array().member("stop_reason", stop_reason(finish, calls > 0, refused)).key("stop_sequence");
  if (finish == Finish::kStopSequence && !choice.stop_sequence.empty())
    w.value(choice.stop_sequence);
  else
    w.null();
  std::string usage;
  append_usage(usage, answer.usage);
  w.key("usage").raw(usage).end_object();
  return out;
}

// ------------------------------------------------------------------------------------------------ errors

namespace {

std::string_view type_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnauthenticated:
      return "authentication_error";
    case ErrorCode::kPermissionDenied:
      return "permission_error";
    case ErrorCode::kNotFound:
      return "not_found_error";
    case ErrorCode::kPayloadTooLarge:
      return "request_too_large";
    case ErrorCode::kRateLimited:
      return "rate_limit_error";
    case ErrorCode::kUnavailable:
      return "overloaded_error";
    case ErrorCode::kRequestTimeout:
    case ErrorCode::kUpstreamTimeout:
      return "timeout_error";
    case ErrorCode::kUpstream:
    case ErrorCode::kInternal:
    case ErrorCode::kIo:
    case ErrorCode::kConfig:
      return "api_error";
    case ErrorCode::kInvalidRequest:
    case ErrorCode::kMethodNotAllowed:
    case ErrorCode::kUriTooLong:
    case ErrorCode::kUnsupportedMedia:
    case ErrorCode::kHeadersTooLarge:
    case ErrorCode::kCancelled:
      break;
  }
  return "invalid_request_error";
}

}  // namespace

std::string error_body(const Error& error) {
  // This dialect names the parameter in the sentence or nowhere.
  std::string message(error.for_caller());
  if (!error.param.empty() && !message.contains(error.param)) message = error.param + ": " + message;
  std::string out;
  json::Writer(out)
      .begin_object()
      .member("type", "error")
      .key("error")
      .begin_object()
      .member("type", type_of(error.code))
      .member("message", message)
      .end_object()
      .key("request_id")
      .null()
      .end_object();
  return out;
}

std::string error_event(const Error& error) {
  return "event: error\ndata: " + error_body(error) + "\n\n";
}

std::string error_text(std::string_view object) {
  auto value = json::find_in(object, "error");
  if (value && value->type == Type::kObject) value = json::find_in(value->raw, "message");
  if (!value || value->type != Type::kString) return {};
  return value->as_string().value_or("").substr(0, 500);
}

Error error_of(std::string_view object) {
  Error e = internal_error(ErrorCode::kUpstream, "sent an error instead of an answer");
  e.reason = "upstream_error_event";
  e.safe = error_text(object);
  // What the caller did wrong stays wrong; all else may go better elsewhere or later.
  auto error = object_in(object, "error");
  auto type = error ? json::find_in(error->raw, "type") : std::nullopt;
  constexpr std::string_view kFinal[] = {"invalid_request_error", "authentication_error", "permission_error",
                                         "not_found_error",       "request_too_large",    "billing_error"};
  e.retryable = !type || std::ranges::none_of(kFinal, [&](std::string_view t) { return type->is_string(t); });
  return e;
}

}  // namespace weir::wire::anthropic
