#include "weir/base/json_write.h"
#include "weir/wire/ollama/codec.h"
#include "weir/wire/ollama/ollama.h"

namespace weir::wire::ollama {
namespace {

using chat::PartKind;
using chat::Step;
using json::Type;
using json::Value;

class Reader final : public StreamReader {
 public:
  Result<void> read(const StreamFrame& frame, chat::Sink& sink) override {
    return frame.has_data ? frames_.read(frame.data, sink) : Result<void>{};
  }
  void finish(chat::Sink&) override {}  // without its last frame a stream was cut

 private:
  FrameReader frames_;
};

// One line for each piece of text, one for each tool call when it is whole, and the last one when the answer
// has ended, with the usage known by then. Other choices than the first cannot be said and are not asked for.
class Writer final : public StreamWriter {
 public:
  explicit Writer(AnswerContext context) : frame_(std::move(context)) {}

  void take(const Step& step) override {
    if (over_ || step.choice != 0) return;
    switch (step.kind) {
      case Step::Kind::kOpen:
        note_output();
        if (step.part != PartKind::kToolCall) break;
        id_ = step.id;
        name_ = step.name;
        arguments_.clear();
        break;
      case Step::Kind::kText:
        text(step);
        break;
      case Step::Kind::kClose:
        if (step.part == PartKind::kToolCall) call();
        break;
      case Step::Kind::kFinish:
        reason_ = done_reason(step.finish);
        break;
      case Step::Kind::kUsage:
        usage_.merge(*step.usage);
        break;
      case Step::Kind::kEnd:
        end();
        break;
      case Step::Kind::kStart:
      case Step::Kind::kSignature:  // no place for one
        break;
    }
  }

 private:
  void note_output() {
    if (first_ns_ == 0) first_ns_ = elapsed_ns;
  }

  void line(std::string_view text, std::string_view thinking, std::string_view calls) {
    frame_.begin(out, elapsed_ns);
    frame_.output(out, text, thinking, calls);
    out += ",\"done\":false}\n";
  }

  void text(const Step& step) {
    if (step.text.empty()) return;
    switch (step.part) {
      case PartKind::kText:
      case PartKind::kRefusal:
        line(step.text, {}, {});
        return;
      case PartKind::kThinking:
        line({}, step.text, {});
        return;
      case PartKind::kToolCall:
        if (arguments_.size() + step.text.size() > kArgumentsBytesMax) {
          over_ = true;
          out +=
              error_body(make_error(ErrorCode::kUpstream, "A tool call's arguments are too large.")) + "\n";
          arguments_ = {};
          return;
        }
        arguments_ += step.text;
        return;
      default:
        return;
    }
  }

  void call() {
    std::string call;
    append_call(call, id_, name_, calls_++, arguments_);
    arguments_ = {};
    line({}, {}, call);
  }

  void end() {
    over_ = true;
    frame_.begin(out, elapsed_ns);
    frame_.output(out, {}, {}, {});
    FrameWriter::end(out, reason_, usage_, first_ns_, elapsed_ns);
    out += '\n';
  }

  FrameWriter frame_;
  std::string id_, name_, arguments_;  // of the open tool call
  int calls_ = 0;
  std::string_view reason_ = "stop";
  exchange::Usage usage_;
  int64_t first_ns_ = 0;
  bool over_ = false;
};

bool non_empty(std::string_view object, std::string_view key) {
  auto value = json::find_in(object, key);
  return value && (value->type == Type::kString || value->type == Type::kArray) && value->raw.size() > 2;
}

}  // namespace

std::unique_ptr<StreamReader> stream_reader() {
  return std::make_unique<Reader>();
}

std::unique_ptr<StreamWriter> stream_writer(AnswerContext context) {
  return std::make_unique<Writer>(std::move(context));
}

EventFacts read_event(std::string_view data, bool look_for_output) {
  EventFacts facts;
  data = trimmed(data);
  if (!data.starts_with('{') || !data.ends_with('}')) {
    facts.malformed = true;
    return facts;
  }
  // A search for the bytes is several times cheaper than a walk over the members; most frames have none.
  if (data.find("\"error\"") != std::string_view::npos) {
    auto error = json::find_in(data, "error");
    facts.error = error && error->type != Type::kNull;
    if (facts.error) return facts;
  }
  auto done = json::find_in(data, "done");
  if (!done || done->type != Type::kBool) {
    facts.malformed = true;
    return facts;
  }
  facts.done = done->as_bool().value_or(false);
  if (facts.done) {
    facts.finished = 1;
    facts.usage = usage_in(json::members_of(data));
  }
  if (!look_for_output) return facts;
  auto message = json::find_in(data, "message");
  std::string_view holder = message && message->type == Type::kObject ? message->raw : data;
  for (std::string_view key : {"content", "response", "thinking", "tool_calls"})
    facts.has_output = facts.has_output || non_empty(holder, key);
  return facts;
}

}  // namespace weir::wire::ollama
