#include "weir/exchange/chat.h"

#include <algorithm>

namespace weir::exchange::chat {

void Collector::take(const Step& step) {
  switch (step.kind) {
    case Step::Kind::kStart:
      answer.id = step.id;
      answer.model = step.name;
      return;
    case Step::Kind::kUsage:
      answer.usage.merge(*step.usage);
      return;
    case Step::Kind::kEnd:
      answer.ended = true;
      return;
    default:
      break;
  }
  if (step.choice < 0 || step.choice >= kChoicesMax) return;
  auto index = static_cast<size_t>(step.choice);
  if (answer.choices.size() <= index) answer.choices.resize(index + 1);
  Answer::Choice& choice = answer.choices[index];
  if (step.kind == Step::Kind::kOpen) {
    Part& part = choice.parts.emplace_back();
    part.kind = step.part;
    part.id = step.id;
    part.name = step.name;
    (step.part == PartKind::kRedactedThinking ? part.data : part.text) = step.text;
  } else if (step.kind == Step::Kind::kFinish) {
    choice.finish = step.finish;
    choice.stop_sequence = step.text;
  } else if (choice.parts.empty()) {
    return;
  } else if (step.kind == Step::Kind::kText) {
    choice.parts.back().text += step.text;
  } else if (step.kind == Step::Kind::kSignature) {
    choice.parts.back().signature += step.text;
  }
}

void replay(const Answer& answer, Sink& sink) {
  sink.take({.kind = Step::Kind::kStart, .id = answer.id, .name = answer.model});
  for (size_t i = 0; i < answer.choices.size(); ++i) {
    const Answer::Choice& choice = answer.choices[i];
    int index = static_cast<int>(i);
    for (const Part& part : choice.parts) {
      Step step{
          .kind = Step::Kind::kOpen, .choice = index, .part = part.kind, .id = part.id, .name = part.name};
      if (part.kind == PartKind::kRedactedThinking) step.text = part.data;
      sink.take(step);
      step = {.choice = index, .part = part.kind};
      if (!part.text.empty()) {
        step.kind = Step::Kind::kText;
        step.text = part.text;
        sink.take(step);
      }
      if (!part.signature.empty()) {
        step.kind = Step::Kind::kSignature;
        step.text = part.signature;
        sink.take(step);
      }
      step.kind = Step::Kind::kClose;
      step.text = {};
      sink.take(step);
    }
    if (choice.finish)
      sink.take({.kind = Step::Kind::kFinish,
                 .choice = index,
                 .text = choice.stop_sequence,
                 .finish = *choice.finish});
  }
  sink.take({.kind = Step::Kind::kUsage, .usage = &answer.usage});
  if (answer.ended) sink.take({.kind = Step::Kind::kEnd});
}

void Losses::add(std::string_view field) {
  if (std::ranges::find(fields_, field) == fields_.end()) fields_.emplace_back(field);
}

}  // namespace weir::exchange::chat
