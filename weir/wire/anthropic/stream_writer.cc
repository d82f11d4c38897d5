// Steps as a stream of this dialect. message_start waits for the first step behind kStart, so that usage
// which is known by then stands in it; the reason to stop waits for the end, because usage may come after it.
#include <fmt/format.h>

#include <utility>

#include "weir/base/json_write.h"
#include "weir/wire/anthropic/anthropic.h"

namespace weir::wire::anthropic {
namespace {

using chat::Finish;
using chat::PartKind;
using chat::Step;

class Writer final : public StreamWriter {
 public:
  explicit Writer(AnswerContext context) : context_(std::move(context)) {}
  void take(const Step& step) override;

 private:
  void start();
  void open(const Step& step);
  void delta(std::string_view text);
  void signature(std::string_view text);
  void close();
  void end();

  AnswerContext context_;
  exchange::Usage usage_;
  bool started_ = false;
  bool ended_ = false;
  bool open_ = false;
  PartKind part_ = PartKind::kText;
  size_t blocks_ = 0;  // opened; the open one's index is one less
  size_t calls_ = 0;
  bool refused_ = false;
  std::string prefix_;  // of the open block's deltas, up to their text
  std::optional<Finish> finish_;
  std::string stop_;
};

void Writer::start() {
  if (std::exchange(started_, true)) return;
  out += R"(event: message_start
data: {"type":"message_start","message":{"id":)";
  json::append_quoted(out, message_id(context_));
  out += R"(,"type":"message","role":"assistant","model":)";
  json::append_quoted(out, context_.model);
  out += R"(,"content":[],"stop_reason":null,"stop_sequence":null,"usage":)";
  append_usage(out, usage_);
  out += "}}\n\n";
}

void Writer::open(const Step& step) {
  std::string_view delta;
  part_ = step.part;
  open_ = true;
  out += R"(event: content_block_start
data: {"type":"content_block_start","index":)";
  out += std::to_string(blocks_++);
  out += R"(,"content_block":{"type":)";
  switch (part_) {
    case PartKind::kThinking:
      out += R"("thinking","thinking":"","signature":"")";
      delta = R"("thinking_delta","thinking":)";
      break;
    case PartKind::kRedactedThinking:
      out += R"("redacted_thinking","data":)";
      json::append_quoted(out, step.text);
      break;
    case PartKind::kToolCall:
      ++calls_;
      out += R"("tool_use","id":)";
      json::append_quoted(out, step.id.empty() ? call_id(context_, calls_) : step.id);
      out += R"(,"name":)";
      json::append_quoted(out, step.name);
      out += R"(,"input":{})";
      delta = R"("input_json_delta","partial_json":)";
      break;
    default:
      refused_ = refused_ || part_ == PartKind::kRefusal;
      out += R"("text","text":"")";
      delta = R"("text_delta","text":)";
      break;
  }
  out += "}}\n\n";
  prefix_ = fmt::format(
      "event: content_block_delta\n"
      R"(data: {{"type":"content_block_delta","index":{},"delta":{{"type":{})",
      blocks_ - 1, delta);
}

void Writer::delta(std::string_view text) {
  if (text.empty() || part_ == PartKind::kRedactedThinking) return;
  out += prefix_;
  json::append_quoted(out, text);
  out += "}}\n\n";
}

void Writer::signature(std::string_view text) {
  if (text.empty() || part_ != PartKind::kThinking) return;  // a tool call has no place for one
  out += fmt::format(
      "event: content_block_delta\n"
      R"(data: {{"type":"content_block_delta","index":{},"delta":{{"type":"signature_delta","signature":)",
      blocks_ - 1);
  json::append_quoted(out, text);
  out += "}}\n\n";
}

void Writer::close() {
  if (!std::exchange(open_, false)) return;
  out += R"(event: content_block_stop
data: {"type":"content_block_stop","index":)";
  out += std::to_string(blocks_ - 1);
  out += "}\n\n";
}

void Writer::end() {
  ended_ = true;
  start();
  close();
  Finish finish = finish_.value_or(Finish::kOther);
  out += R"(event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":")";
  out += stop_reason(finish, calls_ > 0, refused_);
  out += R"(","stop_sequence":)";
  if (finish == Finish::kStopSequence && !stop_.empty())
    json::append_quoted(out, stop_);
  else
    out += "null";
  out += R"(},"usage":)";
  append_usage(out, usage_);
  out += R"(}

event: message_stop
data: {"type":"message_stop"}

)";
}

// Has this dialect a block for it?
bool has_block(PartKind part) {
  return part == PartKind::kText || part == PartKind::kRefusal || part == PartKind::kThinking ||
         part == PartKind::kRedactedThinking || part == PartKind::kToolCall;
}

void Writer::take(const Step& step) {
  if (ended_ || step.choice != 0) return;  // one answer is all this dialect has
  switch (step.kind) {
    case Step::Kind::kStart:
      return;
    case Step::Kind::kUsage:
      usage_.merge(*step.usage);
      return;
    case Step::Kind::kOpen:
      start();
      close();
      if (!finish_ && has_block(step.part)) open(step);
      return;
    case Step::Kind::kText:
      if (open_ && step.part == part_) delta(step.text);
      return;
    case Step::Kind::kSignature:
      if (open_ && step.part == part_) signature(step.text);
      return;
    case Step::Kind::kClose:
      close();
      return;
    case Step::Kind::kFinish:
      start();
      close();
      if (!finish_) stop_ = step.text;
      if (!finish_) finish_ = step.finish;
      return;
    case Step::Kind::kEnd:
      return end();
  }
}

}  // namespace

std::unique_ptr<StreamWriter> stream_writer(AnswerContext context) {
  return std::make_unique<Writer>(std::move(context));
}

}  // namespace weir::wire::anthropic
