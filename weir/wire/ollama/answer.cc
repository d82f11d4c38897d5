#include <fmt/format.h>

#include <algorithm>

#include "weir/base/hash.h"
#include "weir/base/json_write.h"
#include "weir/base/time_text.h"
#include "weir/wire/malformed.h"
#include "weir/wire/ollama/codec.h"
#include "weir/wire/ollama/ollama.h"

namespace weir::wire::ollama {
namespace {

using chat::Finish;
using chat::Part;
using chat::PartKind;
using chat::Step;
using json::Type;
using json::Value;

std::optional<int64_t> count(const json::Members& frame, std::string_view key) {
  const Value* value = frame.find(key);
  if (!value) return std::nullopt;
  auto n = value->as_int();
  if (!n || *n < 0) return std::nullopt;
  return n;
}

std::string text_in(const json::Members& members, std::string_view key) {
  const Value* value = members.find(key);
  return value ? value->as_string().value_or("") : std::string();
}

// Unique among the calls of a conversation, which no counter of one answer could be: the frame's time is in
// nanoseconds.
std::string invented_id(std::string_view created_at, int number, std::string_view name) {
  return "call_" + sha256_hex(fmt::format("{}\n{}\n{}", created_at, number, name)).substr(0, 16);
}

Finish finish_of(std::string_view reason, bool calls) {
  if (reason.empty() || reason == "stop") return calls ? Finish::kToolCalls : Finish::kStop;
  if (reason == "length") return Finish::kLength;
  if (reason == "load" || reason == "unload") return Finish::kStop;
  if (reason == "content_filter") return Finish::kContentFilter;
  return Finish::kOther;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// ---- reading

Result<void> FrameReader::read(std::string_view data, chat::Sink& sink) {
  if (done_) return {};
  data = trimmed(data);
  if (!data.starts_with('{') || !data.ends_with('}')) return malformed("a frame that is no JSON object");
  json::Members frame = json::members_of(data);
  if (const Value* error = frame.find("error"); error && error->type != Type::kNull) {
    Error failed = make_error(ErrorCode::kUpstream, words_of(*error), {}, "upstream_error_event");
    return Unexpected(std::move(failed));
  }
  const Value* done = frame.find("done");
  if (!done || done->type != Type::kBool)
    return malformed("a frame that does not say whether it is the last");
  if (!started_) {
    started_ = true;
    std::string model = text_in(frame, "model");
    sink.take({.kind = Step::Kind::kStart, .name = model});
  }
  const json::Members* holder = &frame;  // of a generation
  json::Members message;
  if (const Value* value = frame.find("message")) {
    if (value->type != Type::kObject && value->type != Type::kNull)
      return malformed("a message that is none");
    message = json::members_of(value->raw);
    holder = &message;
  }
  blocks_.text(PartKind::kThinking, text_in(*holder, "thinking"), sink);
  blocks_.text(PartKind::kText, text_in(*holder, holder == &frame ? "response" : "content"), sink);
  if (const Value* calls = holder->find("tool_calls"); calls && calls->type == Type::kArray)
    TRY_VOID(read_calls(calls->raw, text_in(frame, "created_at"), sink));
  if (done->as_bool().value_or(false)) finish(frame, sink);
  return {};
}

Result<void> FrameReader::read_calls(std::string_view calls, std::string_view created_at, chat::Sink& sink) {
  for (const Value& call : json::elements_of(calls)) {
    auto function = json::find_in(call.raw, "function");
    if (call.type != Type::kObject || !function || function->type != Type::kObject)
      return malformed("a tool call without function");
    json::Members members = json::members_of(function->raw);
    std::string name = text_in(members, "name");
    if (name.empty()) return malformed("a tool call without name");
    std::string id = text_in(json::members_of(call.raw), "id");
    if (id.empty()) id = invented_id(created_at, blocks_.calls(), name);
    std::string arguments = "{}";
    if (const Value* value = members.find("arguments")) {
      if (value->type == Type::kObject)
        arguments = value->raw;
      else if (value->type == Type::kString)  // servers that take OpenAI's shape for Ollama's
        arguments = value->as_string().value_or("");
      else if (value->type != Type::kNull)
        return malformed("a tool call whose arguments are no object");
    }
    blocks_.call(id, name, arguments, {}, sink);
  }
  return {};
}

void FrameReader::finish(const json::Members& frame, chat::Sink& sink) {
  done_ = true;
  blocks_.close(sink);
  if (auto usage = usage_in(frame)) sink.take({.kind = Step::Kind::kUsage, .usage = &*usage});
  sink.take(
      {.kind = Step::Kind::kFinish, .finish = finish_of(text_in(frame, "done_reason"), blocks_.calls() > 0)});
  sink.take({.kind = Step::Kind::kEnd});
}

std::optional<exchange::Usage> usage_in(const json::Members& frame) {
  exchange::Usage usage;
  usage.input_tokens = count(frame, "prompt_eval_count");
  usage.output_tokens = count(frame, "eval_count");
  if (!usage.known()) return std::nullopt;
  return usage;
}

std::string words_of(const Value& error) {
  if (error.type == Type::kObject)
    if (auto message = json::find_in(error.raw, "message")) return message->as_string().value_or("");
  return error.as_string().value_or("");
}

Result<EmbeddingAnswer> read_embedding_answer(const json::Document& answer) {
  EmbeddingAnswer out;
  auto take = [&](const Value& vector) {
    if (vector.type != Type::kArray) return false;
    // An array that holds numbers only has no other characters than these.
    std::string_view inside = vector.raw.substr(1, vector.raw.size() - 2);
    if (inside.find_first_not_of("0123456789+-.eE, \t\r\n") != std::string_view::npos) return false;
    out.vectors.emplace_back(vector.raw);
    return true;
  };
  if (const Value* vectors = answer.find("embeddings"); vectors && vectors->type == Type::kArray) {
    for (const Value& vector : json::elements_of(vectors->raw))
      if (!take(vector)) return malformed("an embedding that is no array of numbers");
  } else if (const Value* vector = answer.find("embedding"); !vector || !take(*vector)) {
    return malformed("an answer without embeddings");
  }
  if (auto usage = usage_in(json::members_of(answer.root.raw))) out.usage = *usage;
  return out;
}

// ---- writing

FrameWriter::FrameWriter(AnswerContext context) : context_(std::move(context)) {
  head_ = R"({"model":)";
  json::append_quoted(head_, context_.model);
  head_ += R"(,"created_at":")";
}

void FrameWriter::begin(std::string& out, int64_t elapsed_ns) {
  WallTime now{context_.created_s * 1'000'000'000 + context_.created_ns + elapsed_ns};
  TimeText time(now);
  std::string_view seconds = time.view().substr(0, std::string_view("2026-11-21T08:15:30").size());
  out += head_;
  out += seconds;
  fmt::format_to(std::back_inserter(out), ".{:09}Z\"", now.unix_ns % 1'000'000'000);
}

void FrameWriter::output(std::string& out, std::string_view text, std::string_view thinking,
                         std::string_view calls) {
  bool chat = context_.operation == Operation::kChat;
  out += chat ? R"(,"message":{"role":"assistant","content":)" : R"(,"response":)";
  json::append_quoted(out, text);
  if (!thinking.empty()) {
    out += R"(,"thinking":)";
    json::append_quoted(out, thinking);
  }
  if (!calls.empty()) {
    out += R"(,"tool_calls":[)";
    out += calls;
    out += ']';
  }
  if (chat) out += '}';
}

// Clients divide tokens by durations: those that weir cannot know are told from what it saw. All until the
// first output is the prompt's time, the rest the answer's; a whole answer's is the answer's altogether.
void FrameWriter::end(std::string& out, std::string_view reason, const exchange::Usage& usage,
                      int64_t first_ns, int64_t elapsed_ns) {
  first_ns = std::clamp(first_ns, int64_t{0}, elapsed_ns);
  fmt::format_to(std::back_inserter(out),
                 R"(,"done":true,"done_reason":"{}","total_duration":{},"load_duration":0)", reason,
                 elapsed_ns);
  if (usage.input_tokens)
    fmt::format_to(std::back_inserter(out), R"(,"prompt_eval_count":{})", *usage.input_tokens);
  fmt::format_to(std::back_inserter(out), R"(,"prompt_eval_duration":{})", first_ns);
  if (usage.output_tokens)
    fmt::format_to(std::back_inserter(out), R"(,"eval_count":{})", *usage.output_tokens);
  fmt::format_to(std::back_inserter(out), R"(,"eval_duration":{}}})", elapsed_ns - first_ns);
}

void append_call(std::string& out, std::string_view id, std::string_view name, int index,
                 std::string_view arguments) {
  out += '{';
  if (!id.empty()) {
    out += R"("id":)";
    json::append_quoted(out, id);
    out += ',';
  }
  fmt::format_to(std::back_inserter(out), R"("function":{{"index":{},"name":)", index);
  json::append_quoted(out, name);
  out += R"(,"arguments":)";
  append_arguments(out, arguments);
  out += "}}";
}

// The real server says stop or length. What was filtered out must not look like an answer that is complete.
std::string_view done_reason(Finish finish) {
  switch (finish) {
    case Finish::kLength:
    case Finish::kPause:
      return "length";
    case Finish::kContentFilter:
      return "content_filter";
    case Finish::kStop:
    case Finish::kStopSequence:
    case Finish::kToolCalls:
    case Finish::kRefusal:
    case Finish::kOther:
      break;
  }
  return "stop";
}

std::string write_answer(const AnswerContext& context, const chat::Answer& answer) {
  std::string text, thinking, calls;
  int index = 0;
  Finish finish = Finish::kStop;
  if (!answer.choices.empty()) {  // a caller of this dialect cannot ask for more than one
    const chat::Answer::Choice& choice = answer.choices.front();
    finish = choice.finish.value_or(Finish::kOther);
    for (const Part& part : choice.parts) {
      if (part.kind == PartKind::kText || part.kind == PartKind::kRefusal) {
        text += part.text;
      } else if (part.kind == PartKind::kThinking) {
        thinking += part.text;
      } else if (part.kind == PartKind::kToolCall) {
        if (index > 0) calls += ',';
        append_call(calls, part.id, part.name, index++, part.text);
      }
    }
  }
  std::string out;
  FrameWriter frame(context);
  frame.begin(out, context.elapsed_ns);
  frame.output(out, text, thinking, calls);
  FrameWriter::end(out, done_reason(finish), answer.usage, 0, context.elapsed_ns);
  return out;
}

std::string write_embedding(const AnswerContext& context, const exchange::ModelRequest& request,
                            const EmbeddingAnswer& answer) {
  std::string text;
  json::Writer out(text);
  out.begin_object();
  if (is_old_embedding(request)) {
    out.key("embedding").raw(answer.vectors.empty() ? "[]" : answer.vectors.front());
  } else {
    out.member("model", context.model).key("embeddings").begin_array();
    for (const std::string& vector : answer.vectors)
      out.raw(vector);
    out.end_array().member("total_duration", context.elapsed_ns).member("load_duration", 0);
    if (answer.usage.input_tokens) out.member("prompt_eval_count", *answer.usage.input_tokens);
  }
  out.end_object();
  return text;
}

std::string error_body(const Error& error) {
  std::string text;
  json::Writer(text).begin_object().member("error", error.for_caller()).end_object();
  return text;
}

}  // namespace weir::wire::ollama
