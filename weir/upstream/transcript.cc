#include "weir/upstream/transcript.h"

namespace weir::upstream {

namespace chat = exchange::chat;
using chat::PartKind;
using chat::Step;

void Transcript::take(const Step& step) {
  if (lost_) return;
  switch (step.kind) {
    case Step::Kind::kStart:
    case Step::Kind::kUsage:
    case Step::Kind::kEnd:
      break;
    case Step::Kind::kOpen:
      open_ = true;
      part_ = step.part;
      lost_ =
          part_ != PartKind::kText && part_ != PartKind::kThinking && part_ != PartKind::kRedactedThinking;
      break;
    case Step::Kind::kText:
      ++pieces_;
      if (step.part == PartKind::kText) text_ += step.text;
      break;
    case Step::Kind::kClose:
      open_ = false;
      break;
    default:
      break;
  }
  lost_ = lost_ || step.choice != 0 || text_.size() > kTextBytesMax;
  if (step.kind != Step::Kind::kUsage) said_.take(step);
}

bool Transcript::can_go_on(bool signs) const {
  bool in_thoughts = open_ && part_ != PartKind::kText;
  return !lost_ && !(in_thoughts && signs) && said_.answer.choices.size() == 1 &&
         !said_.answer.choices[0].finish;
}

void Transcript::replay(chat::Sink& sink) const {
  class Open final : public chat::Sink {  // all but the end of the last block, and what follows it
   public:
    Open(chat::Sink& s, size_t blocks) : sink_(s), left_(blocks) {}
    void take(const Step& step) override {
      if (left_ == 0 || step.kind == Step::Kind::kUsage) return;
      if (step.kind == Step::Kind::kClose && --left_ == 0) return;
      sink_.take(step);
    }

   private:
    chat::Sink& sink_;
    size_t left_;
  };
  const auto& choices = said_.answer.choices;
  Open all_but_the_end(sink, choices.empty() ? 0 : choices[0].parts.size());
  if (open_)
    chat::replay(said_.answer, all_but_the_end);
  else
    chat::replay(said_.answer, sink);
}

}  // namespace weir::upstream
