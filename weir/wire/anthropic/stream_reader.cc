// A stream of this dialect as steps: no block or one open block, which takes deltas of its own kind only.
// What breaks that is refused (a delta for another block, of another kind, before the start, after the
// finish), because a block put together wrongly is a wrong answer that nobody notices. What cannot harm
// passes: event, block and delta types not known here, a block that was not closed before the next, a missing
// message_stop.
#include <utility>

#include "weir/wire/anthropic/anthropic.h"
#include "weir/wire/anthropic/events.h"

namespace weir::wire::anthropic {
namespace {

using chat::Finish;
using chat::PartKind;
using chat::Step;
using json::Type;
using json::Value;

// The string's bytes, unescaped into `scratch` where they must be.
std::string_view text_of(const std::optional<Value>& value, std::string& scratch) {
  if (!value) return {};
  if (auto plain = value->as_plain_string()) return *plain;
  scratch.clear();
  value->append_string_to(scratch);
  return scratch;
}

class Reader final : public StreamReader {
 public:
  Result<void> read(const StreamFrame& frame, chat::Sink& sink) override;
  void finish(chat::Sink& sink) override {
    if (finished_) end(sink);
  }

 private:
  Result<void> message_start(std::string_view data, chat::Sink& sink);
  Result<void> block_start(std::string_view data, chat::Sink& sink);
  Result<void> block_delta(std::string_view data, chat::Sink& sink);
  Result<void> block_stop(std::string_view data, chat::Sink& sink);
  Result<void> message_delta(std::string_view data, chat::Sink& sink);
  void open(std::string_view block, chat::Sink& sink);
  void give(Step::Kind kind, std::string_view text, chat::Sink& sink) {
    sink.take({.kind = kind, .part = part_, .text = text});
  }
  void give_text(std::string_view text, chat::Sink& sink) {
    if (!text.empty()) give(Step::Kind::kText, text, sink);
  }
  void close(chat::Sink& sink);
  void usage(std::string_view object, chat::Sink& sink);
  void finish_as(Finish finish, std::string_view stop, chat::Sink& sink) {
    close(sink);
    finished_ = true;
    sink.take({.kind = Step::Kind::kFinish, .text = stop, .finish = finish});
  }
  void end(chat::Sink& sink) {
    if (!std::exchange(ended_, true)) sink.take({.kind = Step::Kind::kEnd});
  }

  bool started_ = false;
  bool finished_ = false;
  bool ended_ = false;
  bool open_ = false;
  bool known_ = false;  // the open block is one that the steps can carry
  PartKind part_ = PartKind::kText;
  int64_t index_ = -1;  // of the open block, or of the last one
  std::string input_;   // of a tool call that began with it, until it is known that no pieces follow
  Counts counts_;
  std::string text_, id_, name_;
};

void Reader::usage(std::string_view object, chat::Sink& sink) {
  auto counts = find(object, "usage", Type::kObject);
  if (!counts) return;
  counts_.add(counts->raw);
  exchange::Usage usage = counts_.usage();
  if (usage.known()) sink.take({.kind = Step::Kind::kUsage, .usage = &usage});
}

Result<void> Reader::message_start(std::string_view data, chat::Sink& sink) {
  auto message = find(data, "message", Type::kObject);
  if (started_ || !message) return malformed("sent a message_start that starts no message");
  started_ = true;
  sink.take({.kind = Step::Kind::kStart,
             .id = text_of(find(message->raw, "id", Type::kString), id_),
             .name = text_of(find(message->raw, "model", Type::kString), name_)});
  usage(message->raw, sink);
  return {};
}

void Reader::open(std::string_view block, chat::Sink& sink) {
  auto type = find(block, "type", Type::kString);
  auto is = [&](std::string_view name) { return type && type->is_string(name); };
  known_ = true;
  if (is("text"))
    part_ = PartKind::kText;
  else if (is("thinking"))
    part_ = PartKind::kThinking;
  else if (is("redacted_thinking"))
    part_ = PartKind::kRedactedThinking;
  else if (is("tool_use"))
    part_ = PartKind::kToolCall;
  else
    known_ = false;
  if (!known_) return;
  Step step{.kind = Step::Kind::kOpen, .part = part_};
  if (part_ == PartKind::kToolCall) {
    step.id = text_of(find(block, "id", Type::kString), id_);
    step.name = text_of(find(block, "name", Type::kString), name_);
  } else if (part_ == PartKind::kRedactedThinking) {
    step.text = text_of(find(block, "data", Type::kString), text_);
  }
  sink.take(step);
  // Anthropic opens its blocks empty; some servers put all or the first of it here.
  if (part_ == PartKind::kText) {
    give_text(text_of(find(block, "text", Type::kString), text_), sink);
  } else if (part_ == PartKind::kThinking) {
    give_text(text_of(find(block, "thinking", Type::kString), text_), sink);
    std::string_view signature = text_of(find(block, "signature", Type::kString), text_);
    if (!signature.empty()) give(Step::Kind::kSignature, signature, sink);
  } else if (part_ == PartKind::kToolCall) {
    auto input = find(block, "input", Type::kObject);
    if (input && !trimmed(input->raw.substr(1, input->raw.size() - 2)).empty()) input_ = input->raw;
  }
}

Result<void> Reader::block_start(std::string_view data, chat::Sink& sink) {
  auto block = find(data, "content_block", Type::kObject);
  auto index = find(data, "index", Type::kNumber);
  int64_t at = index ? index->as_int().value_or(-1) : index_ + 1;
  if (!block) return malformed("sent a content_block_start without a block");
  if (finished_ || at <= index_) return malformed("opened a content block out of order");
  close(sink);
  open_ = true;
  index_ = at;
  open(block->raw, sink);
  return {};
}

Result<void> Reader::block_delta(std::string_view data, chat::Sink& sink) {
  auto delta = find(data, "delta", Type::kObject);
  if (!delta) return malformed("sent a content_block_delta without a delta");
  if (auto index = find(data, "index", Type::kNumber); !open_ || (index && index->as_int() != index_))
    return malformed("sent a delta for a content block that is not open");
  if (!known_) return {};
  struct Row {
    std::string_view type, key;
    PartKind part;
    Step::Kind kind;
  };
  constexpr Row kRows[] = {
      {"text_delta", "text", PartKind::kText, Step::Kind::kText},
      {"input_json_delta", "partial_json", PartKind::kToolCall, Step::Kind::kText},
      {"thinking_delta", "thinking", PartKind::kThinking, Step::Kind::kText},
      {"signature_delta", "signature", PartKind::kThinking, Step::Kind::kSignature},
  };
  auto type = find(delta->raw, "type", Type::kString);
  for (const Row& row : kRows) {
    if (!type || !type->is_string(row.type)) continue;
    if (row.part != part_) return malformed("sent a delta of another kind than its content block");
    std::string_view text = text_of(find(delta->raw, row.key, Type::kString), text_);
    if (text.empty()) return {};
    input_.clear();
    give(row.kind, text, sink);
    return {};
  }
  return {};  // citations, and kinds to come
}

void Reader::close(chat::Sink& sink) {
  if (!open_) return;
  open_ = false;
  if (!known_) return;
  give_text(input_, sink);
  input_.clear();
  give(Step::Kind::kClose, {}, sink);
}

Result<void> Reader::block_stop(std::string_view data, chat::Sink& sink) {
  auto index = find(data, "index", Type::kNumber);
  int64_t at = index ? index->as_int().value_or(-1) : index_;
  if (at < 0 || at > index_) return malformed("closed a content block that was not open");
  if (at == index_) close(sink);  // else it was closed when the next one opened
  return {};
}

Result<void> Reader::message_delta(std::string_view data, chat::Sink& sink) {
  usage(data, sink);
  auto delta = find(data, "delta", Type::kObject);
  auto reason = delta ? find(delta->raw, "stop_reason", Type::kString) : std::nullopt;
  if (!reason || finished_) return {};
  Finish finish = finish_of(text_of(reason, name_));
  finish_as(finish, text_of(find(delta->raw, "stop_sequence", Type::kString), text_), sink);
  return {};
}

Result<void> Reader::read(const StreamFrame& frame, chat::Sink& sink) {
  std::string_view data;
  Event event = event_of(frame, data);
  if (event == Event::kUnknown || ended_) return {};
  if (event == Event::kMalformed) return malformed("sent an event that is none of this dialect");
  if (event == Event::kError) return Unexpected(error_of(data));
  if (!started_ && event != Event::kMessageStart) return malformed("sent an event before message_start");
  switch (event) {
    case Event::kMessageStart:
      return message_start(data, sink);
    case Event::kBlockStart:
      return block_start(data, sink);
    case Event::kBlockDelta:
      return block_delta(data, sink);
    case Event::kBlockStop:
      return block_stop(data, sink);
    case Event::kMessageDelta:
      return message_delta(data, sink);
    default:
      if (!finished_) finish_as(Finish::kOther, {}, sink);
      end(sink);
      return {};
  }
}

}  // namespace

std::unique_ptr<StreamReader> stream_reader() {
  return std::make_unique<Reader>();
}

}  // namespace weir::wire::anthropic
