// Answers of this dialect out of canonical steps: what a model server of it (`weir mock`) writes. A function
// call can only be said whole: its arguments are collected until its block closes.
#include "weir/base/json_write.h"
#include "weir/wire/gemini/codec.h"

namespace weir::wire::gemini {
namespace {

using chat::Finish;
using chat::Part;
using chat::PartKind;
using chat::Step;
using json::Writer;

std::string_view reason_of(Finish finish) {
  switch (finish) {
    case Finish::kLength:
      return "MAX_TOKENS";
    case Finish::kContentFilter:
    case Finish::kRefusal:
      return "SAFETY";
    case Finish::kOther:
      return "OTHER";
    case Finish::kStop:
    case Finish::kStopSequence:
    case Finish::kToolCalls:
    case Finish::kPause:
      break;
  }
  return "STOP";
}

std::string_view status_of(int code) {
  switch (code) {
    case 401:
      return "UNAUTHENTICATED";
    case 403:
      return "PERMISSION_DENIED";
    case 404:
      return "NOT_FOUND";
    case 429:
      return "RESOURCE_EXHAUSTED";
    case 499:
      return "CANCELLED";
    case 503:
      return "UNAVAILABLE";
    case 504:
      return "DEADLINE_EXCEEDED";
    default:
      return code >= 500 ? "INTERNAL" : "INVALID_ARGUMENT";
  }
}

// A part of the answer. A signature without words is a thought's.
void write_part(Writer& out, const Part& part) {
  out.begin_object();
  if (part.kind == PartKind::kToolCall) {
    out.key("functionCall").begin_object();
    if (!part.id.empty()) out.member("id", part.id);
    out.member("name", part.name).key("args");
    write_arguments(out, part.text);
    out.end_object();
  } else {
    out.member("text", part.text);
    if (part.kind == PartKind::kThinking) out.member("thought", true);
  }
  if (!part.signature.empty()) out.member("thoughtSignature", part.signature);
  out.end_object();
}

bool has_part(PartKind kind) {
  return kind == PartKind::kText || kind == PartKind::kRefusal || kind == PartKind::kThinking ||
         kind == PartKind::kToolCall;
}

void write_usage(Writer& out, const exchange::Usage& usage) {
  if (!usage.known()) return;
  int64_t input = usage.input_tokens.value_or(0), output = usage.output_tokens.value_or(0);
  int64_t thoughts = usage.reasoning_tokens.value_or(0);
  out.key("usageMetadata").begin_object().member("promptTokenCount", input);
  if (usage.cached_input_tokens) out.member("cachedContentTokenCount", *usage.cached_input_tokens);
  if (usage.output_tokens) out.member("candidatesTokenCount", output - thoughts);
  if (usage.reasoning_tokens) out.member("thoughtsTokenCount", thoughts);
  out.member("totalTokenCount", input + output).end_object();
}

void write_names(Writer& out, const AnswerContext& context) {
  out.member("modelVersion", context.model).member("responseId", context.id);
}

// The members of a response that has no candidate: the prompt itself was refused.
void write_blocked(Writer& out) {
  out.key("promptFeedback").begin_object().member("blockReason", "SAFETY").end_object();
}

class StreamOfChunks final : public StreamWriter {
 public:
  explicit StreamOfChunks(AnswerContext context) : context_(std::move(context)) {}

  void take(const Step& step) override {
    switch (step.kind) {
      case Step::Kind::kOpen:
        call_ = {.kind = step.part, .id = std::string(step.id), .name = std::string(step.name)};
        return;
      case Step::Kind::kText:
        if (step.part == PartKind::kToolCall)
          call_.text += step.text;
        else if (has_part(step.part) && !step.text.empty())
          chunk(step.choice, {.kind = step.part, .text = std::string(step.text)});
        return;
      case Step::Kind::kSignature:
        if (step.part == PartKind::kToolCall)
          call_.signature += step.text;
        else if (!step.text.empty())
          chunk(step.choice, {.kind = step.part, .signature = std::string(step.text)});
        return;
      case Step::Kind::kClose:
        if (step.part == PartKind::kToolCall) chunk(step.choice, call_);
        return;
      case Step::Kind::kFinish:
        if (finishes_.size() < chat::Collector::kChoicesMax) finishes_.push_back({step.choice, step.finish});
        return;
      case Step::Kind::kUsage:
        usage_.merge(*step.usage);
        return;
      case Step::Kind::kEnd:
        end();
        return;
      case Step::Kind::kStart:
        return;
    }
  }

 private:
  void close(Writer& chunk) {
    write_usage(chunk, usage_);
    write_names(chunk, context_);
    chunk.end_object();
    out += "\r\n\r\n";
  }
  void chunk(int choice, const Part& part) {
    said_ = true;
    out += "data: ";
    Writer chunk(out);
    chunk.begin_object().key("candidates").begin_array().begin_object().key("content").begin_object();
    chunk.key("parts").begin_array();
    write_part(chunk, part);
    chunk.end_array().member("role", "model").end_object().member("index", choice).end_object().end_array();
    close(chunk);
  }
  void end() {
    out += "data: ";
    Writer chunk(out);
    chunk.begin_object();
    if (!said_ && finishes_.size() == 1 && finishes_[0].finish == Finish::kContentFilter) {
      write_blocked(chunk);
    } else {
      chunk.key("candidates").begin_array();
      for (const Last& last : finishes_)
        chunk.begin_object()
            .key("content")
            .begin_object()
            .key("parts")
            .begin_array()
            .begin_object()
            .member("text", "")
            .end_object()
            .end_array()
            .member("role", "model")
            .end_object()
            .member("finishReason", reason_of(last.finish))
            .member("index", last.choice)
            .end_object();
      chunk.end_array();
    }
    close(chunk);
  }

  struct Last {
    int choice;
    Finish finish;
  };
  AnswerContext context_;
  Part call_;  // the open block, where it is a call
  std::vector<Last> finishes_;
  exchange::Usage usage_;
  bool said_ = false;
};

}  // namespace

std::unique_ptr<StreamWriter> stream_writer(AnswerContext context) {
  return std::make_unique<StreamOfChunks>(std::move(context));
}

std::string write_answer(const AnswerContext& context, const chat::Answer& answer) {
  std::string text;
  Writer out(text);
  out.begin_object();
  if (context.operation == Operation::kCountTokens) {
    out.member("totalTokens", answer.usage.input_tokens.value_or(0)).end_object();
    return text;
  }
  bool blocked = answer.choices.size() == 1 && answer.choices[0].parts.empty() &&
                 answer.choices[0].finish == Finish::kContentFilter;
  if (blocked) write_blocked(out);
  if (!blocked) out.key("candidates").begin_array();
  for (size_t i = 0; !blocked && i < answer.choices.size(); ++i) {
    const chat::Answer::Choice& choice = answer.choices[i];
    out.begin_object().key("content").begin_object().key("parts").begin_array();
    for (const Part& part : choice.parts)
      if (has_part(part.kind)) write_part(out, part);
    out.end_array().member("role", "model").end_object();
    out.member("finishReason", reason_of(choice.finish.value_or(Finish::kOther))).member("index", i);
    out.end_object();
  }
  if (!blocked) out.end_array();
  write_usage(out, answer.usage);
  write_names(out, context);
  out.end_object();
  return text;
}

std::string write_embedding(const exchange::ModelRequest& request, const EmbeddingAnswer& answer) {
  std::string text;
  Writer out(text);
  out.begin_object();
  auto write = [&](std::string_view values) { out.begin_object().key("values").raw(values).end_object(); };
  if (!request.document.find("requests")) {
    out.key("embedding");
    write(answer.vectors.empty() ? "[]" : answer.vectors.front());
  } else {
    out.key("embeddings").begin_array();
    for (const std::string& vector : answer.vectors)
      write(vector);
    out.end_array();
  }
  out.end_object();
  return text;
}

std::string error_body(const Error& error) {
  int code = http_status(error.code);
  std::string text;
  Writer(text)
      .begin_object()
      .key("error")
      .begin_object()
      .member("code", code)
      .member("message", error.for_caller())
      .member("status", status_of(code))
      .end_object()
      .end_object();
  return text;
}

}  // namespace weir::wire::gemini
