// Chat and completion streams between OpenAI's wire and canonical steps.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "weir/base/json_write.h"
#include "weir/wire/malformed.h"
#include "weir/wire/openai/openai.h"

namespace weir::wire::openai {
namespace {

using chat::Finish;
using chat::PartKind;
using chat::Step;
using exchange::Operation;
using json::Type;
using json::Value;

}  // namespace

Finish finish_of(std::string_view reason) {
  if (reason == "length") return Finish::kLength;
  if (reason == "tool_calls" || reason == "function_call") return Finish::kToolCalls;
  if (reason == "content_filter") return Finish::kContentFilter;
  return reason == "stop" ? Finish::kStop : Finish::kOther;
}

std::string_view name_of(Finish finish) {
  switch (finish) {
    case Finish::kLength:
      return "length";
    case Finish::kToolCalls:
      return "tool_calls";
    case Finish::kContentFilter:
    case Finish::kRefusal:
      return "content_filter";
    default:
      return "stop";
  }
}

// ------------------------------------------------------------------------------------------------ reading

namespace {

class Reader final : public StreamReader {
 public:
  Result<void> read(const StreamFrame& frame, chat::Sink& sink) override;
  void finish(chat::Sink& sink) override {
    if (ended_ || choices_.empty()) return;
    if (std::ranges::all_of(choices_, [](const Choice& c) { return c.finished; })) end(sink);
  }

 private:
  struct Choice {
    bool open = false;
    bool finished = false;
    PartKind part = PartKind::kText;
    int64_t call = -1;  // the index of the open tool call, and of the last one
    int64_t calls = 0;  // tool calls begun
  };

  void end(chat::Sink& sink) {
    ended_ = true;
    sink.take({.kind = Step::Kind::kEnd});
  }
  void close(int index, Choice& choice, chat::Sink& sink) {
    if (choice.open) sink.take({.kind = Step::Kind::kClose, .choice = index, .part = choice.part});
    choice.open = false;
  }
  // Text of one kind: opens a block of it unless one is open.
  void text(int index, PartKind part, const Value& value, chat::Sink& sink);
  Result<void> tool_call(int index, std::string_view call, chat::Sink& sink);
  Result<void> delta(int index, std::string_view delta, chat::Sink& sink);
  Result<void> choice(std::string_view raw, chat::Sink& sink);
  std::string_view unescaped(const Value& value, std::string& scratch) {
    if (auto plain = value.as_plain_string()) return *plain;
    scratch.clear();
    value.append_string_to(scratch);
    return scratch;
  }

  std::vector<Choice> choices_;
  std::string text_, id_, name_, answer_id_;
  bool started_ = false;
  bool ended_ = false;
};

void Reader::text(int index, PartKind part, const Value& value, chat::Sink& sink) {
  if (value.type != Type::kString || value.raw.size() <= 2) return;
  Choice& choice = choices_[static_cast<size_t>(index)];
  if (choice.open && choice.part != part) close(index, choice, sink);
  if (!choice.open) {
    choice.open = true;
    choice.part = part;
    sink.take({.kind = Step::Kind::kOpen, .choice = index, .part = part});
  }
  sink.take({.kind = Step::Kind::kText, .choice = index, .part = part, .text = unescaped(value, text_)});
}

Result<void> Reader::tool_call(int index, std::string_view raw, chat::Sink& sink) {
  Choice& choice = choices_[static_cast<size_t>(index)];
  auto id = json::find_in(raw, "id");
  auto position = json::find_in(raw, "index");
  auto function = json::find_in(raw, "function");
  std::string_view body =
      function && function->type == Type::kObject ? function->raw : std::string_view("{}");
  auto name = json::find_in(body, "name");
  bool named = name && name->type == Type::kString && name->raw.size() > 2;
  bool current = choice.open && choice.part == PartKind::kToolCall;
  // Servers that number no calls give each a new id.
  int64_t call = position && position->as_int() ? *position->as_int() : named ? choice.calls : choice.call;
  if (!current || call != choice.call) {
    if (call < choice.calls && call <= choice.call)
      return malformed("went back to a tool call that had ended");
    if (!named) return malformed("sent arguments of a tool call without a name");
    close(index, choice, sink);
    choice.open = true;
    choice.part = PartKind::kToolCall;
    choice.call = call;
    ++choice.calls;
    std::string_view call_id = id && id->type == Type::kString ? unescaped(*id, id_) : std::string_view();
    if (call_id.empty()) {
      id_ = fmt::format("call_{}_{}_{}", answer_id_, index, choice.calls);
      call_id = id_;
    }
    sink.take({.kind = Step::Kind::kOpen,
               .choice = index,
               .part = PartKind::kToolCall,
               .id = call_id,
               .name = unescaped(*name, name_)});
  }
  auto arguments = json::find_in(body, "arguments");
  if (!arguments) return {};
  if (arguments->type == Type::kString && arguments->raw.size() > 2)
    sink.take({.kind = Step::Kind::kText,
               .choice = index,
               .part = PartKind::kToolCall,
               .text = unescaped(*arguments, text_)});
  else if (arguments->type == Type::kObject)  // some servers send the object itself
    sink.take(
        {.kind = Step::Kind::kText, .choice = index, .part = PartKind::kToolCall, .text = arguments->raw});
  return {};
}

Result<void> Reader::delta(int index, std::string_view delta, chat::Sink& sink) {
  for (std::string_view key : {"reasoning_content", "reasoning"})
    if (auto v = json::find_in(delta, key)) text(index, PartKind::kThinking, *v, sink);
  if (auto v = json::find_in(delta, "content")) text(index, PartKind::kText, *v, sink);
  if (auto v = json::find_in(delta, "refusal")) text(index, PartKind::kRefusal, *v, sink);
  if (auto calls = json::find_in(delta, "tool_calls"); calls && calls->type == Type::kArray)
    for (const Value& call : json::elements_of(calls->raw))
      TRY_VOID(tool_call(index, call.raw, sink));
  return {};
}

Result<void> Reader::choice(std::string_view raw, chat::Sink& sink) {
  auto position = json::find_in(raw, "index");
  int64_t index = position ? position->as_int().value_or(0) : 0;
  if (index < 0 || index >= chat::Collector::kChoicesMax) return malformed("sent a choice out of range");
  if (choices_.size() <= static_cast<size_t>(index)) choices_.resize(static_cast<size_t>(index) + 1);
  int at = static_cast<int>(index);
  Choice& mine = choices_[static_cast<size_t>(index)];
  if (mine.finished) return {};  // nothing counts after its end
  if (auto d = json::find_in(raw, "delta"); d && d->type == Type::kObject) TRY_VOID(delta(at, d->raw, sink));
  if (auto t = json::find_in(raw, "text")) text(at, PartKind::kText, *t, sink);
  if (auto reason = json::find_in(raw, "finish_reason"); reason && reason->type == Type::kString) {
    bool called = mine.calls > 0;
    close(at, mine, sink);
    mine.finished = true;
    Finish finish = finish_of(unescaped(*reason, text_));
    if (finish == Finish::kStop && called) finish = Finish::kToolCalls;  // several servers say "stop"
    sink.take({.kind = Step::Kind::kFinish, .choice = at, .finish = finish});
  }
  return {};
}

Result<void> Reader::read(const StreamFrame& frame, chat::Sink& sink) {
  EventFacts facts = read_event(frame.data, false);
  if (facts.malformed) return malformed("sent an event that is not JSON");
  if (ended_) return {};
  if (facts.error) {
    Error e = internal_error(ErrorCode::kUpstream, "sent an error event");
    e.reason = "upstream_error_event";
    e.safe = error_text(frame.data);
    return Unexpected(std::move(e));
  }
  if (facts.done) {
    if (!started_) return malformed("ended before it began");
    // Some servers give no finish_reason: their word that all is said is enough.
    for (size_t i = 0; i < choices_.size(); ++i) {
      Choice& mine = choices_[i];
      if (mine.finished) continue;
      close(static_cast<int>(i), mine, sink);
      sink.take({.kind = Step::Kind::kFinish,
                 .choice = static_cast<int>(i),
                 .finish = mine.calls > 0 ? Finish::kToolCalls : Finish::kStop});
    }
    end(sink);
    return {};
  }
  if (!started_) {
    started_ = true;
    auto id = json::find_in(frame.data, "id"), model = json::find_in(frame.data, "model");
    answer_id_ = id ? id->as_string().value_or("") : "";
    std::string name = model ? model->as_string().value_or("") : "";
    sink.take({.kind = Step::Kind::kStart, .id = answer_id_, .name = name});
  }
  if (auto choices = json::find_in(frame.data, "choices"); choices && choices->type == Type::kArray)
    for (const Value& one : json::elements_of(choices->raw))
      TRY_VOID(choice(one.raw, sink));
  if (facts.usage) sink.take({.kind = Step::Kind::kUsage, .usage = &*facts.usage});
  return {};
}

// ------------------------------------------------------------------------------------------------ writing

class Writer final : public StreamWriter {
 public:
  explicit Writer(AnswerContext context) : context_(std::move(context)) {}
  void take(const Step& step) override;

 private:
  struct Choice {
    bool begun = false;
    int calls = 0;
  };
  Choice& begin(int index);
  // `data: {...` up to and with `"choices":[`.
  void head();
  void chunk(int index, std::string_view delta_key, std::string_view text);
  void tool(const Step& step, int call, bool opens);
  void finish(const Step& step);
  bool chat() const { return context_.operation == Operation::kChat; }

  AnswerContext context_;
  std::vector<Choice> choices_;
  std::string prefix_;
  exchange::Usage usage_;
};

Writer::Choice& Writer::begin(int index) {
  auto at = static_cast<size_t>(std::max(index, 0));
  if (choices_.size() <= at) choices_.resize(at + 1);
  Choice& choice = choices_[at];
  if (!choice.begun && chat()) {
    choice.begun = true;
    head();
    out += fmt::format(
        R"({{"index":{},"delta":{{"role":"assistant","content":""}},"finish_reason":null}}]}})", at);
    out += "\n\n";
  }
  return choice;
}

void Writer::head() {
  if (prefix_.empty()) {
    prefix_ = R"(data: {"id":)";
    json::append_quoted(prefix_, answer_id(context_));
    prefix_ += chat() ? R"(,"object":"chat.completion.chunk","created":)"
                      : R"(,"object":"text_completion","created":)";
    prefix_ += std::to_string(context_.created_s) + R"(,"model":)";
    json::append_quoted(prefix_, context_.model);
    prefix_ += R"(,"choices":[)";
  }
  out += prefix_;
}

void Writer::chunk(int index, std::string_view key, std::string_view text) {
  head();
  out += R"({"index":)" + std::to_string(index);
  out += chat() ? R"(,"delta":{")" : R"(,")";
  out += key;
  out += "\":";
  json::append_quoted(out, text);
  out += chat() ? R"(},"finish_reason":null}]})" : R"(,"logprobs":null,"finish_reason":null}]})";
  out += "\n\n";
}

void Writer::tool(const Step& step, int call, bool opens) {
  head();
  out += fmt::format(R"({{"index":{},"delta":{{"tool_calls":[{{"index":{},)", step.choice, call);
  if (opens) {
    out += R"("id":)";
    json::append_quoted(out, step.id);
    out += R"(,"type":"function","function":{"name":)";
    json::append_quoted(out, step.name);
    out += ',';
  } else {
    out += R"("function":{)";
  }
  out += R"("arguments":)";
  json::append_quoted(out, opens ? std::string_view() : step.text);
  out += R"(}}]},"finish_reason":null}]})";
  out += "\n\n";
}

void Writer::finish(const Step& step) {
  head();
  out += R"({"index":)" + std::to_string(step.choice);
  out += chat() ? R"(,"delta":{})" : R"(,"text":"","logprobs":null)";
  out += R"(,"finish_reason":")";
  out += name_of(step.finish);
  out += "\"}]}\n\n";
}

void Writer::take(const Step& step) {
  switch (step.kind) {
    case Step::Kind::kUsage:
      usage_.merge(*step.usage);
      return;
    case Step::Kind::kEnd:
      if (context_.usage_wanted) {
        head();
        out += R"(],"usage":)";
        append_usage(out, usage_);
        out += "}\n\n";
      }
      out += "data: [DONE]\n\n";
      return;
    case Step::Kind::kStart:
    case Step::Kind::kSignature:
    case Step::Kind::kClose:
      return;
    default:
      break;
  }
  Choice& choice = begin(step.choice);
  if (step.kind == Step::Kind::kFinish) return finish(step);
  if (step.part == PartKind::kToolCall) {
    if (!chat()) return;
    if (step.kind == Step::Kind::kOpen) ++choice.calls;
    return tool(step, choice.calls - 1, step.kind == Step::Kind::kOpen);
  }
  if (step.kind == Step::Kind::kOpen || step.text.empty()) return;
  if (step.part == PartKind::kText)
    chunk(step.choice, chat() ? "content" : "text", step.text);
  else if (step.part == PartKind::kThinking && chat())
    chunk(step.choice, "reasoning_content", step.text);
  else if (step.part == PartKind::kRefusal)
    chunk(step.choice, chat() ? "refusal" : "text", step.text);
}

}  // namespace

std::unique_ptr<StreamReader> stream_reader() {
  return std::make_unique<Reader>();
}

std::unique_ptr<StreamWriter> stream_writer(AnswerContext context) {
  return std::make_unique<Writer>(std::move(context));
}

}  // namespace weir::wire::openai
