// For tests and fuzzing: do the steps of an answer come in the order that chat::Step promises?
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "weir/exchange/chat.h"

namespace weir::wire {

/// Checks each step, then hands it on.
class StepOrder final : public exchange::chat::Sink {
 public:
  explicit StepOrder(exchange::chat::Sink* next = nullptr) : next_(next) {}

  void take(const exchange::chat::Step& step) override {
    if (fault.empty()) fault = fault_of(step);
    if (next_) next_->take(step);
  }

  std::string fault;  // the first step out of order; empty: none
  bool ended = false;

 private:
  using Kind = exchange::chat::Step::Kind;
  struct Choice {
    std::optional<exchange::chat::PartKind> open;
    bool finished = false;
  };

  std::string_view fault_of(const exchange::chat::Step& step) {
    if (ended) return "a step behind the end";
    if (step.kind == Kind::kStart) {
      if (started_) return "two starts";
      started_ = true;
      return {};
    }
    if (!started_) return "a step before the start";
    if (step.kind == Kind::kUsage) return step.usage ? "" : "usage without usage";
    if (step.kind == Kind::kEnd) {
      ended = true;
      for (const auto& [index, choice] : choices_)
        if (!choice.finished) return "an end before a choice's finish";
      return {};
    }
    if (step.choice < 0 || step.choice >= exchange::chat::Collector::kChoicesMax)
      return "a choice out of range";
    return fault_in(choices_[step.choice], step);
  }

  static std::string_view fault_in(Choice& choice, const exchange::chat::Step& step) {
    if (choice.finished) return "a step behind the choice's finish";
    switch (step.kind) {
      case Kind::kOpen:
        if (choice.open) return "a block inside a block";
        choice.open = step.part;
        return {};
      case Kind::kText:
      case Kind::kSignature:
        return choice.open == step.part ? "" : "a piece of a block that is not open";
      case Kind::kClose:
        if (choice.open != step.part) return "a close of a block that is not open";
        choice.open.reset();
        return {};
      case Kind::kFinish:
        if (choice.open) return "a finish inside a block";
        choice.finished = true;
        return {};
      default:
        return {};
    }
  }

  exchange::chat::Sink* next_;
  bool started_ = false;
  std::map<int, Choice> choices_;
};

}  // namespace weir::wire
