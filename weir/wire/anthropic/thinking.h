// How much a Claude model is to think, and what it takes besides: newer models took parameters away that
// other dialects' callers still send, and refuse the whole request for one of them. Known from the model's
// name; a name that says nothing (another maker's model behind this dialect) gets what all of them knew.
//
// Dialects say how much to think as an effort or in tokens. The one table, for models with a budget and for
// those that decide themselves (adaptive, from 4.6 on):
//
//   effort     budget_tokens   output_config.effort
//   none       thinking off    thinking off
//   minimal    1024            low
//   low        2048            low
//   medium     8192            medium
//   high       16384           high
//   xhigh      24576           xhigh (4.6: high)
//   max        24576           max (4.6: high)
//
// The budget counts into max_tokens: without one from the caller max_tokens is the budget and
// kMaxTokensDefault more; with one the budget is at most half of it, and at least the 1024 that the API asks
// for. 24576 and 4096 together stay below the 32000 that is the least any thinking model may write.
#pragma once

#include <cstdint>
#include <string_view>

#include "weir/exchange/chat.h"

namespace weir::wire::anthropic {

namespace chat = exchange::chat;

struct Claude {
  int version = 0;  // 10 * major + minor; 0: the name does not tell

  bool adaptive() const { return version >= 46; }  // thinking by effort instead of a budget
  bool sampled() const { return version < 47; }    // takes temperature, top_p and top_k
  bool one_of_temperature_and_top_p() const { return version >= 41; }
  bool high_effort_is_most() const { return version == 46; }
};

/// "claude-sonnet-4-5-20250929", "claude-3-7-sonnet", "us.anthropic.claude-opus-4-6-v1:0" ...
Claude claude_of(std::string_view model);

struct ThinkingPlan {
  enum class Mode : uint8_t { kUnset, kOff, kBudget, kAdaptive };
  Mode mode = Mode::kUnset;
  int64_t budget_tokens = 0;  // kBudget
  std::string_view effort;    // kAdaptive; empty: the model's own
  int64_t max_tokens = 0;     // of the request

  bool on() const { return mode == Mode::kBudget || mode == Mode::kAdaptive; }
};

/// What the request's wish to think comes to. Where the API would refuse (a forced tool, a prefilled answer,
/// tool results without the thinking that led to them) thinking is dropped: losses names "reasoning".
ThinkingPlan plan_thinking(const chat::Request& request, Claude claude, chat::Losses& losses);

}  // namespace weir::wire::anthropic
