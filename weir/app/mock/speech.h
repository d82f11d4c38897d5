// Speech: what the mock says to one request, as canonical steps; each dialect's writer makes its bytes of
// them. One frame at a time, so that a text of a million words needs no room. Of one answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weir/app/mock/script.h"
#include "weir/exchange/chat.h"
#include "weir/exchange/exchange.h"
#include "weir/wire/blocks.h"

namespace weir::app {

/// The signature under the mock's thoughts; a request that brings thoughts back must bring this one.
inline constexpr std::string_view kThoughtSignature = "bW9jay1zaWduYXR1cmU=";

class Speech {
 public:
  /// `streamed`: a whole answer to a script that names no text is a sentence, a streamed one its frames.
  /// `script` is borrowed, `asked` is not.
  Speech(const Script& script, const exchange::chat::Request& asked, exchange::Dialect dialect,
         bool streamed);

  bool more() const { return thought_ < thoughts_.size() || frame_ < frames_ || call_ < calls_.size(); }
  /// One frame: a piece of a thought, a word, or a piece of a tool call's arguments.
  void next(exchange::chat::Sink& sink);
  /// The reason to stop and the usage, without the end.
  void finish(exchange::chat::Sink& sink);
  exchange::Usage usage() const;

 private:
  struct Call {
    std::string id, name;
    std::vector<std::string> pieces;
  };
  void choose_text(const exchange::chat::Request& asked, bool streamed);
  void choose_calls(const exchange::chat::Request& asked, exchange::Dialect dialect);
  void go_on(const exchange::chat::Request& asked);
  std::string word(int64_t index) const;
  void start(exchange::chat::Sink& sink);
  exchange::chat::Finish reason() const;

  const Script& script_;
  wire::Blocks blocks_;
  std::vector<std::string> thoughts_, words_;  // words_ empty: they follow from the script
  std::vector<Call> calls_;
  size_t thought_ = 0, call_ = 0, piece_ = 0;
  int64_t frame_ = 0, frames_ = 0;
  int64_t said_ = 0;   // words of this answer
  std::string first_;  // the rest of a word that a prefill broke off in; said before word frame_
  bool started_ = false;
};

/// The text of the last message of the user, without a script's line.
std::string last_user_text(const exchange::chat::Request& asked);
/// The object of a line `mock: {...}` with which a text of the user begins, the last such text's; empty:
/// none.
std::string_view script_in(const exchange::chat::Request& asked);
/// The same in one text.
std::string_view script_in(std::string_view text);

}  // namespace weir::app
