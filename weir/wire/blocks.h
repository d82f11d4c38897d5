// Blocks: makes an answer's steps out of pieces that say what they carry but not where a block begins and
// ends (Ollama's and Gemini's frames): it opens a block for the first piece of a kind, closes it when another
// kind follows, and keeps order: one block open at a time, each closed before the choice's finish. One choice
// of one answer; holds no text.
#pragma once

#include <optional>
#include <string_view>

#include "weir/exchange/chat.h"

namespace weir::wire {

class Blocks {
 public:
  explicit Blocks(int choice = 0) : choice_(choice) {}

  /// More of a text, refusal or thinking; nothing for an empty piece.
  void text(exchange::chat::PartKind part, std::string_view piece, exchange::chat::Sink& sink) {
    if (piece.empty()) return;
    open(part, {}, {}, sink);
    give(exchange::chat::Step::Kind::kText, piece, sink);
  }

  /// A signature of the block of this kind, which is opened if it is not.
  void signature(exchange::chat::PartKind part, std::string_view piece, exchange::chat::Sink& sink) {
    if (piece.empty()) return;
    open(part, {}, {}, sink);
    give(exchange::chat::Step::Kind::kSignature, piece, sink);
  }

  /// A whole tool call, as a block of its own.
  void call(std::string_view id, std::string_view name, std::string_view arguments,
            std::string_view signature, exchange::chat::Sink& sink) {
    close(sink);
    open(exchange::chat::PartKind::kToolCall, id, name, sink);
    if (!arguments.empty()) give(exchange::chat::Step::Kind::kText, arguments, sink);
    if (!signature.empty()) give(exchange::chat::Step::Kind::kSignature, signature, sink);
    close(sink);
    ++calls_;
  }

  void close(exchange::chat::Sink& sink) {
    if (!open_) return;
    give(exchange::chat::Step::Kind::kClose, {}, sink);
    open_.reset();
  }

  /// Tool calls so far.
  int calls() const { return calls_; }
  int choice() const { return choice_; }

 private:
  void open(exchange::chat::PartKind part, std::string_view id, std::string_view name,
            exchange::chat::Sink& sink) {
    if (open_ == part) return;
    close(sink);
    open_ = part;
    sink.take(
        {.kind = exchange::chat::Step::Kind::kOpen, .choice = choice_, .part = part, .id = id, .name = name});
  }
  void give(exchange::chat::Step::Kind kind, std::string_view text, exchange::chat::Sink& sink) {
    sink.take({.kind = kind, .choice = choice_, .part = *open_, .text = text});
  }

  int choice_;
  int calls_ = 0;
  std::optional<exchange::chat::PartKind> open_;
};

}  // namespace weir::wire
