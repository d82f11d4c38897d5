// How much a Claude model is asked to think, by what the caller said and what the model takes.
#include "weir/wire/anthropic/thinking.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "weir/wire/anthropic/anthropic.h"

namespace weir::wire::anthropic {
namespace {

using chat::PartKind;
using chat::Role;

TEST(AnthropicThinking, VersionsAreReadFromNames) {
  struct Row {
    std::string_view name;
    int version;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"claude-sonnet-4-5-20250929", 45},
           {"claude-sonnet-4-20250514", 40},
           {"claude-3-7-sonnet-20250219", 37},
           {"claude-3-haiku-20240307", 30},
           {"claude-opus-4-6", 46},
           {"claude-opus-4-8", 48},
           {"claude-sonnet-5", 50},
           {"claude-opus-5-5", 55},
           {"anthropic/claude-opus-4.6", 46},
           {"us.anthropic.claude-opus-4-6-v1:0", 46},
           {"claude-opus-4@20250514", 40},
           {"claude-mythos-preview", 50},
           {"claude-instant", 0},
           {"claude-20250101", 0},
           {"minimax-m2.1", 0},
           {"claude", 0},
           {"", 0},
       })
    EXPECT_EQ(claude_of(row.name).version, row.version) << row.name;
}

chat::Request asking(chat::Reasoning reasoning, std::optional<int64_t> max_tokens = std::nullopt) {
  chat::Request request;
  request.messages.push_back({Role::kUser, {}, {{.text = "hi"}}});
  request.reasoning = std::move(reasoning);
  request.max_tokens = max_tokens;
  return request;
}

// "budget 2048 of 6144", "effort low of 6144", "off of 9", "unset of 9"; losses behind it.
std::string plan(const chat::Request& request, std::string_view model) {
  chat::Losses losses;
  ThinkingPlan p = plan_thinking(request, claude_of(model), losses);
  std::string out;
  switch (p.mode) {
    case ThinkingPlan::Mode::kUnset:
      out = "unset";
      break;
    case ThinkingPlan::Mode::kOff:
      out = "off";
      break;
    case ThinkingPlan::Mode::kBudget:
      out = fmt::format("budget {}", p.budget_tokens);
      break;
    case ThinkingPlan::Mode::kAdaptive:
      out = fmt::format("effort {}", p.effort);
      break;
  }
  out += fmt::format(" of {}", p.max_tokens);
  for (const std::string& field : losses.fields())
    out += " {" + field + "}";
  return out;
}

TEST(AnthropicThinking, TheTable) {
  struct Row {
    std::string_view effort, budget, adaptive, opus46;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"minimal", "budget 1024 of 5120", "effort low of 5120", "effort low of 5120"},
           {"low", "budget 2048 of 6144", "effort low of 6144", "effort low of 6144"},
           {"medium", "budget 8192 of 12288", "effort medium of 12288", "effort medium of 12288"},
           {"high", "budget 16384 of 20480", "effort high of 20480", "effort high of 20480"},
           {"xhigh", "budget 24576 of 28672", "effort xhigh of 28672",
            "effort high of 28672 {reasoning.effort}"},
           {"max", "budget 24576 of 28672", "effort max of 28672", "effort high of 28672 {reasoning.effort}"},
           {"none", "off of 4096", "off of 4096", "off of 4096"},
           {"", "unset of 4096", "unset of 4096", "unset of 4096"},
           {"vast", "budget 8192 of 12288 {reasoning.effort}", "effort medium of 12288 {reasoning.effort}",
            "effort medium of 12288 {reasoning.effort}"},
       }) {
    chat::Request request = asking({.effort = std::string(row.effort)});
    EXPECT_EQ(plan(request, "claude-sonnet-4-5"), row.budget) << row.effort;
    EXPECT_EQ(plan(request, "kimi-k2"), row.budget) << row.effort;
    EXPECT_EQ(plan(request, "claude-opus-4-8"), row.adaptive) << row.effort;
    EXPECT_EQ(plan(request, "claude-opus-4-6"), row.opus46) << row.effort;
  }
}

TEST(AnthropicThinking, TheBudgetFitsIntoMaxTokens) {
  EXPECT_EQ(plan(asking({.effort = "high"}, 8000), "m"), "budget 4000 of 8000");
  EXPECT_EQ(plan(asking({.effort = "low"}, 8000), "m"), "budget 2048 of 8000");
  EXPECT_EQ(plan(asking({.effort = "high"}, 1500), "m"), "budget 1024 of 1500");
  EXPECT_EQ(plan(asking({.effort = "high"}, 1024), "m"), "unset of 1024 {reasoning}");
  EXPECT_EQ(plan(asking({.enabled = true, .budget_tokens = 6000}, 8000), "m"), "budget 6000 of 8000");
  EXPECT_EQ(plan(asking({.enabled = true, .budget_tokens = 9000}, 8000), "m"),
            "budget 7999 of 8000 {reasoning.budget_tokens}");
  EXPECT_EQ(plan(asking({.enabled = true, .budget_tokens = 5}, 8000), "m"),
            "budget 1024 of 8000 {reasoning.budget_tokens}");
  EXPECT_EQ(plan(asking({.enabled = true, .budget_tokens = INT64_MAX}), "m"),
            "budget 1073741824 of 1073745920 {reasoning.budget_tokens}");
  EXPECT_EQ(plan(asking({.enabled = true}), "m"), "budget 8192 of 12288");
  EXPECT_EQ(plan(asking({.enabled = true}), "claude-opus-5"), "effort  of 12288");
  EXPECT_EQ(plan(asking({.effort = "high"}, 500), "claude-opus-5"), "effort high of 500");
  EXPECT_EQ(plan(asking({.budget_tokens = 4000}), "claude-opus-5"),
            "effort medium of 12288 {reasoning.budget_tokens}");
  EXPECT_EQ(plan(asking({.budget_tokens = 99999}), "claude-opus-5"),
            "effort high of 20480 {reasoning.budget_tokens}");
  EXPECT_EQ(plan(asking({.enabled = false, .effort = "high"}), "m"), "off of 4096");
}

TEST(AnthropicThinking, NotWithAForcedTool) {
  chat::Request request = asking({.effort = "low"});
  request.tools.push_back({.name = "f"});
  request.tool_choice.kind = chat::ToolChoice::Kind::kRequired;
  EXPECT_EQ(plan(request, "m"), "unset of 4096 {reasoning}");
  EXPECT_EQ(plan(request, "claude-opus-5"), "unset of 4096 {reasoning}");
  request.tool_choice.kind = chat::ToolChoice::Kind::kAuto;
  EXPECT_EQ(plan(request, "m"), "budget 2048 of 6144");
}

TEST(AnthropicThinking, ABudgetNeedsTheThinkingOfTheTurnUnderWay) {
  chat::Part call{.kind = PartKind::kToolCall, .id = "t", .name = "f"};
  chat::Part result{.kind = PartKind::kToolResult, .id = "t"};
  chat::Part thought{.kind = PartKind::kThinking, .text = "hm", .signature = "s"};
  chat::Part unsigned_thought{.kind = PartKind::kThinking, .text = "hm"};
  auto with = [&](std::vector<chat::Part> turn) {
    chat::Request request = asking({.effort = "low"});
    request.messages.push_back({Role::kAssistant, {}, std::move(turn)});
    request.messages.push_back({Role::kUser, {}, {result}});
    return request;
  };
  EXPECT_EQ(plan(with({call}), "m"), "unset of 4096 {reasoning}");
  EXPECT_EQ(plan(with({unsigned_thought, call}), "m"), "unset of 4096 {reasoning}");
  EXPECT_EQ(plan(with({thought, call}), "m"), "budget 2048 of 6144");
  EXPECT_EQ(plan(with({{.kind = PartKind::kRedactedThinking, .data = "d"}, call}), "m"),
            "budget 2048 of 6144");
  EXPECT_EQ(plan(with({call}), "claude-opus-5"), "effort low of 6144");  // adaptive models do not ask
  // A question after the turn has ended is a new one.
  chat::Request request = with({call});
  request.messages.push_back({Role::kAssistant, {}, {{.text = "done"}}});
  EXPECT_EQ(plan(request, "m"), "unset of 4096 {reasoning}");  // begun: a prefill
  request.messages.push_back({Role::kUser, {}, {{.text = "next"}}});
  EXPECT_EQ(plan(request, "m"), "budget 2048 of 6144");
}

}  // namespace
}  // namespace weir::wire::anthropic
