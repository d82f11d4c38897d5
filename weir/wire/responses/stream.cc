#include <fmt/format.h>

#include "weir/base/json_write.h"
#include "weir/wire/responses/responses.h"

namespace weir::wire::responses {
namespace {

using chat::Part;
using chat::PartKind;
using chat::Step;

class Writer final : public StreamWriter {
 public:
  explicit Writer(AnswerContext context) : context_(std::move(context)) {}
  void take(const Step& step) override;

 private:
  // `event: T\ndata: {"type":T,"sequence_number":N` + members + `}\n\n`; each member begins with a comma.
  void emit(std::string_view type, std::string_view members);
  void open(const Step& step);
  void text(std::string_view piece);
  void close();
  void end();
  // ,"item_id":...,"output_index":N
  std::string place() const;
  size_t index() const { return parts_.size() - 1; }
  ResponseText text_of() const { return ResponseText(context_); }

  AnswerContext context_;
  std::vector<Part> parts_;
  std::optional<chat::Finish> finish_;
  exchange::Usage usage_;
  uint64_t sequence_ = 0;
  bool open_ = false;
};

std::string quoted(std::string_view text) {
  std::string out;
  json::append_quoted(out, text);
  return out;
}

void Writer::emit(std::string_view type, std::string_view members) {
  out += fmt::format("event: {}\ndata: {{\"type\":\"{}\",\"sequence_number\":{}{}}}\n\n", type, type,
                     sequence_++, members);
}

std::string Writer::place() const {
  return fmt::format(R"(,"item_id":"{}","output_index":{})", text_of().item_id(parts_.back(), index()),
                     index());
}

void Writer::open(const Step& step) {
  Part& part = parts_.emplace_back();
  part.kind = step.part;
  part.id = step.id;
  part.name = step.name;
  open_ = true;
  emit("response.output_item.added",
       fmt::format(R"(,"output_index":{},"item":{})", index(), text_of().item(part, index(), false)));
  if (part.kind == PartKind::kText)
    emit("response.content_part.added",
         place() +
             R"(,"content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]})");
  else if (part.kind == PartKind::kRefusal)
    emit("response.content_part.added",
         place() + R"(,"content_index":0,"part":{"type":"refusal","refusal":""})");
  else if (part.kind == PartKind::kThinking)
    emit("response.reasoning_summary_part.added",
         place() + R"(,"summary_index":0,"part":{"type":"summary_text","text":""})");
}

void Writer::text(std::string_view piece) {
  if (!open_ || piece.empty()) return;
  Part& part = parts_.back();
  part.text += piece;
  std::string delta = R"(,"delta":)" + quoted(piece);
  switch (part.kind) {
    case PartKind::kToolCall:
      return emit("response.function_call_arguments.delta", place() + delta);
    case PartKind::kThinking:
      return emit("response.reasoning_summary_text.delta", place() + R"(,"summary_index":0)" + delta);
    case PartKind::kRefusal:
      return emit("response.refusal.delta", place() + R"(,"content_index":0)" + delta);
    case PartKind::kText:
      return emit("response.output_text.delta",
                  place() + R"(,"content_index":0)" + delta + R"(,"logprobs":[])");
    default:
      return;
  }
}

void Writer::close() {
  if (!open_) return;
  open_ = false;
  const Part& part = parts_.back();
  std::string words = quoted(part.text);
  if (part.kind == PartKind::kToolCall) {
    emit("response.function_call_arguments.done", place() + R"(,"name":)" + quoted(part.name) +
                                                      R"(,"arguments":)" +
                                                      (part.text.empty() ? "\"{}\"" : words));
  } else if (part.kind == PartKind::kThinking) {
    emit("response.reasoning_summary_text.done", place() + R"(,"summary_index":0,"text":)" + words);
    emit("response.reasoning_summary_part.done",
         place() + R"(,"summary_index":0,"part":{"type":"summary_text","text":)" + words + "}");
  } else if (part.kind == PartKind::kRefusal) {
    emit("response.refusal.done", place() + R"(,"content_index":0,"refusal":)" + words);
    emit("response.content_part.done",
         place() + R"(,"content_index":0,"part":{"type":"refusal","refusal":)" + words + "}");
  } else if (part.kind == PartKind::kText) {
    emit("response.output_text.done",
         place() + R"(,"content_index":0,"text":)" + words + R"(,"logprobs":[])");
    emit("response.content_part.done", place() +
                                           R"(,"content_index":0,"part":{"type":"output_text","text":)" +
                                           words + R"(,"annotations":[],"logprobs":[]})");
  }
  emit("response.output_item.done",
       fmt::format(R"(,"output_index":{},"item":{})", index(), text_of().item(part, index(), true)));
}

void Writer::end() {
  close();
  chat::Finish finish = finish_.value_or(chat::Finish::kOther);
  bool cut_short = finish == chat::Finish::kLength || finish == chat::Finish::kContentFilter;
  emit(cut_short ? "response.incomplete" : "response.completed",
       R"(,"response":)" + text_of().response(parts_, finish, &usage_));
}

void Writer::take(const Step& step) {
  if (step.choice != 0) return;  // this dialect has one answer
  switch (step.kind) {
    case Step::Kind::kStart: {
      std::string response = R"(,"response":)" + text_of().response({}, std::nullopt, nullptr);
      emit("response.created", response);
      emit("response.in_progress", response);
      return;
    }
    case Step::Kind::kOpen:
      return open(step);
    case Step::Kind::kText:
      return text(step.text);
    case Step::Kind::kSignature:
      return;
    case Step::Kind::kClose:
      return close();
    case Step::Kind::kFinish:
      finish_ = step.finish;
      return;
    case Step::Kind::kUsage:
      usage_.merge(*step.usage);
      return;
    case Step::Kind::kEnd:
      return end();
  }
}

}  // namespace

std::unique_ptr<StreamWriter> stream_writer(AnswerContext context) {
  return std::make_unique<Writer>(std::move(context));
}

}  // namespace weir::wire::responses
