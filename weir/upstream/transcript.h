// Transcript: what was said of an answer so far, step by step, so that another model can go on with it.
#pragma once

#include <cstdint>
#include <string>

#include "weir/exchange/chat.h"

namespace weir::upstream {

class Transcript final : public exchange::chat::Sink {
 public:
  static constexpr size_t kTextBytesMax = 1 << 20;  // beyond it nobody goes on

  void take(const exchange::chat::Step& step) override;
  /// It does not know what was said: nobody can go on.
  void lose_track() { lost_ = true; }
  void clear() { *this = Transcript(); }

  /// May another model go on from here? Never inside a tool call or behind one, never with several answers;
  /// never inside a block that the model signs (`signs`): only it can end that.
  bool can_go_on(bool signs) const;
  /// All text of the answer. Thoughts are not part of it.
  const std::string& text() const { return text_; }
  /// Pieces in which text and thoughts came: about as many tokens.
  int64_t pieces() const { return pieces_; }
  /// The steps so far, put together.
  const exchange::chat::Answer& said() const { return said_.answer; }
  bool inside(exchange::chat::PartKind part) const { return open_ && part_ == part; }
  bool open() const { return open_; }
  /// As the caller was told: the answer's id, and the model.
  const std::string& id() const { return said_.answer.id; }
  const std::string& model() const { return said_.answer.model; }
  int64_t created_s = 0;  // as the caller was told; 0: was not
  /// The steps again, up to where it stands: an open block stays open.
  void replay(exchange::chat::Sink& sink) const;

 private:
  exchange::chat::Collector said_;
  std::string text_;
  exchange::chat::PartKind part_ = exchange::chat::PartKind::kText;  // of the last block
  int64_t pieces_ = 0;
  bool open_ = false;
  bool lost_ = false;
};

}  // namespace weir::upstream
