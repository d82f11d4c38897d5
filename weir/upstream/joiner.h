// Joiner: joins the text of a model that goes on with another's unfinished answer to what was already sent of
// it, so that no word is lost and none comes twice. A pure function of bytes.
//
//   kGoesOn    the model was shown the text as its own unfinished message (prefill) and says what follows;
//   some
//              servers (llama.cpp) say what they were shown first: left out where it is all of at least
//              kEchoMin bytes.
//   kMayRepeat it was asked in words to go on: it may repeat the end of the text, or all of it, first. What
//   it
//              says is held back until it can no longer be a repetition; one of all of it, or of at least
//              kRepetitionMin bytes of its end, is left out. A letter that meets a letter gets a space
//              between: asked in words, models begin without the space that the next word of the text would
//              have had.
//   kAnew      it was asked the question again: useful only while it says the same.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::upstream {

class Joiner {
 public:
  enum class Kind : uint8_t { kGoesOn, kMayRepeat, kAnew };
  static constexpr size_t kRepetitionMin = 12;
  static constexpr size_t kEchoMin = 32;
  static constexpr size_t kWindow = 4096;  // bytes at the text's end in which a repetition is looked for

  /// `sent` outlives the joiner's use. Of kGoesOn the model was shown it without the white space at its end.
  Joiner(Kind kind, std::string_view sent);

  /// Appends to `out` what of the text so far is to be sent on. False: this answer is another one (kAnew).
  bool take(std::string_view text, std::string& out);
  /// The text is over: appends what was held back. False: as take().
  bool finish(std::string& out);

 private:
  void decide(std::string& out);
  void go_on(std::string_view text, std::string& out);
  std::string_view shown() const { return sent_.substr(0, sent_.size() - end_.size()); }
  bool may_be_repetition() const;

  Kind kind_;
  std::string_view sent_;  // of kMayRepeat without the white space at its beginning
  std::string_view end_;   // the last kWindow bytes of it; of kGoesOn the white space at its end
  std::string held_;
  bool joined_ = false;
  bool no_echo_ = false;  // of kGoesOn: what it says is no repetition
};

}  // namespace weir::upstream
