// Continuation: how a model is asked to go on with another's unfinished answer, and how what it says then is
// joined to that. The ways, best first; a target that refuses one is asked in the next:
//
//   kPrefill  the text so far as the assistant's own last message, where the model goes on with such a one.
//   kGoOn     the same, and after it a user's message that asks to go on.
//   kAnew     the same question again; what it says must begin with the text so far.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "weir/base/json.h"
#include "weir/exchange/chat.h"
#include "weir/upstream/joiner.h"
#include "weir/upstream/transcript.h"
#include "weir/wire/wire.h"

namespace weir::upstream {

enum class Ask : uint8_t { kPlain, kPrefill, kGoOn, kAnew };

/// Changes a request so that its answer goes on with `so_far`. What it may still say is what the caller
/// allowed less what was said.
void ask_to_go_on(exchange::chat::Request& request, Ask ask, const Transcript& so_far);
/// The same for a request that is relayed, by edits. False: this request can not be changed that way.
bool ask_to_go_on(json::Edits& edits, const json::Document& document, Ask ask, const Transcript& so_far,
                  bool wants_flags);

/// Takes the steps of the second answer and hands on those that the first one lacks.
class Continuation final : public exchange::chat::Sink {
 public:
  /// `so_far` as it stands now; it may grow while this runs.
  Continuation(Ask ask, const Transcript& so_far, exchange::chat::Sink& next);
  void take(const exchange::chat::Step& step) override;
  /// It says something else than what was sent: it can not go on.
  bool diverged() const { return diverged_; }

 private:
  void say(std::string_view text);
  void end_of_text();

  std::string sent_;
  Joiner joiner_;
  exchange::chat::Sink& next_;
  std::string out_;
  bool inside_ = false;       // the caller's open block is the text that goes on
  bool in_thoughts_ = false;  // the caller's open block is thoughts, to be closed
  bool skipping_ = false;     // a block that the caller does not get
  bool text_begun_ = false;   // the first text block came
  bool diverged_ = false;
};

}  // namespace weir::upstream
