#include "weir/wire/anthropic/thinking.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "weir/wire/anthropic/anthropic.h"

namespace weir::wire::anthropic {
namespace {

constexpr int64_t kBudgetMin = 1024;

struct Row {
  std::string_view effort;
  int64_t budget_tokens;
  std::string_view output_effort;
};
constexpr Row kRows[] = {
    {"minimal", 1024, "low"}, {"low", 2048, "low"},      {"medium", 8192, "medium"},
    {"high", 16384, "high"},  {"xhigh", 24576, "xhigh"}, {"max", 24576, "max"},
};
constexpr const Row& kMedium = kRows[2];

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// A number of one or two digits that stands alone: not a date.
std::optional<int> take_number(std::string_view& text) {
  size_t n = 0;
  while (n < text.size() && is_digit(text[n]))
    ++n;
  if (n == 0 || n > 2) return std::nullopt;
  int value = 0;
  for (char c : text.substr(0, n))
    value = value * 10 + (c - '0');
  text.remove_prefix(n);
  return value;
}

using Messages = std::vector<chat::Message>;

// Does the assistant's turn that ends at `last` begin with thinking that the API will take back?
bool begins_with_thinking(const Messages& messages, size_t last) {
  size_t first = last;
  while (first > 0 && messages[first - 1].role == chat::Role::kAssistant)
    --first;
  for (size_t i = first; i <= last; ++i)
    for (const chat::Part& part : messages[i].parts) {
      if (part.kind == chat::PartKind::kRedactedThinking) return true;
      if (part.kind == chat::PartKind::kThinking) {
        if (part.signature.empty()) continue;  // is not sent
        return true;
      }
      return false;
    }
  return false;
}

// With a budget the API wants an unfinished turn (a prefill, or tool results that answer it) to begin with
// its thinking; a caller whose dialect has no signatures cannot have kept it.
bool turn_lacks_thinking(const Messages& messages) {
  bool results = false;
  for (size_t i = messages.size(); i-- > 0;) {
    const chat::Message& message = messages[i];
    if (message.role == chat::Role::kSystem) continue;
    if (message.role == chat::Role::kAssistant) {
      bool prefill = i + 1 == messages.size();
      return (prefill || results) && !begins_with_thinking(messages, i);
    }
    results = results || std::ranges::any_of(message.parts, [](const chat::Part& p) {
                return p.kind == chat::PartKind::kToolResult;
              });
  }
  return false;
}

bool tool_forced(const chat::Request& request) {
  using Kind = chat::ToolChoice::Kind;
  return !request.tools.empty() &&
         (request.tool_choice.kind == Kind::kRequired || request.tool_choice.kind == Kind::kNamed);
}

const Row* row_of(const chat::Reasoning& reasoning, chat::Losses& losses) {
  if (reasoning.effort.empty()) return nullptr;
  auto row = std::ranges::find(kRows, std::string_view(reasoning.effort), &Row::effort);
  if (row != std::end(kRows)) return row;
  losses.add("reasoning.effort");
  return &kMedium;
}

// The effort whose budget is the least that holds `tokens`.
const Row& row_of_budget(int64_t tokens) {
  for (const Row& row : kRows)
    if (row.effort != "minimal" && row.effort != "xhigh" && tokens <= row.budget_tokens) return row;
  return kRows[3];
}

ThinkingPlan adaptive(const chat::Request& request, const Row* row, Claude claude, chat::Losses& losses) {
  ThinkingPlan plan{.mode = ThinkingPlan::Mode::kAdaptive};
  if (!row && request.reasoning.budget_tokens) {
    row = &row_of_budget(*request.reasoning.budget_tokens);
    losses.add("reasoning.budget_tokens");
  }
  if (row) plan.effort = row->output_effort;
  if (claude.high_effort_is_most() && (plan.effort == "xhigh" || plan.effort == "max")) {
    plan.effort = "high";
    losses.add("reasoning.effort");
  }
  plan.max_tokens = request.max_tokens.value_or((row ? row : &kMedium)->budget_tokens + kMaxTokensDefault);
  return plan;
}

ThinkingPlan budgeted(const chat::Request& request, const Row* row, chat::Losses& losses) {
  ThinkingPlan plan{.mode = ThinkingPlan::Mode::kBudget};
  std::optional<int64_t> told = request.reasoning.budget_tokens;
  plan.budget_tokens = std::max(kBudgetMin, told.value_or((row ? row : &kMedium)->budget_tokens));
  if (request.max_tokens) {
    plan.max_tokens = *request.max_tokens;
    int64_t most = told ? plan.max_tokens - 1 : std::max(kBudgetMin, plan.max_tokens / 2);
    plan.budget_tokens = std::min(plan.budget_tokens, most);
  } else {
    // A caller may name any budget; the sum must not overflow.
    plan.budget_tokens = std::min(plan.budget_tokens, int64_t{1} << 30);
    plan.max_tokens = plan.budget_tokens + kMaxTokensDefault;
  }
  if (told && plan.budget_tokens != *told) losses.add("reasoning.budget_tokens");
  return plan;
}

}  // namespace

Claude claude_of(std::string_view model) {
  size_t at = model.rfind("claude");
  if (at == std::string_view::npos) return {};
  std::string_view rest = model.substr(at + 6);
  while (!rest.empty()) {
    if (!is_digit(rest[0])) {
      rest.remove_prefix(1);
      continue;
    }
    std::optional<int> major = take_number(rest);
    if (!major) return {};  // a date: a name without a version
    int minor = 0;
    if (rest.size() > 1 && (rest[0] == '-' || rest[0] == '.')) {
      rest.remove_prefix(1);
      minor = take_number(rest).value_or(0);
    }
    return {*major * 10 + std::min(minor, 9)};
  }
  bool unnumbered = model.contains("mythos") || model.contains("fable");
  return {unnumbered ? 50 : 0};
}

ThinkingPlan plan_thinking(const chat::Request& request, Claude claude, chat::Losses& losses) {
  const chat::Reasoning& reasoning = request.reasoning;
  ThinkingPlan plain{.max_tokens = request.max_tokens.value_or(kMaxTokensDefault)};
  bool off = reasoning.enabled ? !*reasoning.enabled : reasoning.effort == "none";
  if (off) {
    plain.mode = ThinkingPlan::Mode::kOff;
    return plain;
  }
  if (!reasoning.enabled && reasoning.effort.empty() && !reasoning.budget_tokens) return plain;

  bool refused = tool_forced(request);
  if (!claude.adaptive())
    refused = refused || (request.max_tokens && *request.max_tokens <= kBudgetMin) ||
              turn_lacks_thinking(request.messages);
  if (refused) {
    losses.add("reasoning");
    return plain;
  }
  const Row* row = row_of(reasoning, losses);
  return claude.adaptive() ? adaptive(request, row, claude, losses) : budgeted(request, row, losses);
}

}  // namespace weir::wire::anthropic
