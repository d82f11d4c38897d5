// Limits: what a key, a user, a team or a tenant may use: rates, what runs at once, and budgets. Written in
// the configuration and in the accounts alike; kept by quota/. Absent: no limit of its own; every limit on
// the way from the key to its tenant counts. Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace weir {

enum class BudgetPeriod : uint8_t { kDay, kMonth, kTotal };  // days and months of UTC
constexpr std::string_view name(BudgetPeriod period) {
  return period == BudgetPeriod::kDay ? "day" : period == BudgetPeriod::kMonth ? "month" : "total";
}

/// At least one of the two. Used up: requests are refused until the period ends or somebody raises it.
struct Budget {
  BudgetPeriod period = BudgetPeriod::kMonth;
  std::optional<int64_t> nanodollars;
  std::optional<int64_t> tokens;  // input and output together
  friend bool operator==(const Budget&, const Budget&) = default;
};

struct Limits {
  std::optional<int64_t> requests_per_minute;
  std::optional<int64_t> input_tokens_per_minute;
  std::optional<int64_t> output_tokens_per_minute;
  std::optional<int64_t> nanodollars_per_minute;
  std::optional<int64_t> streams;  // streamed answers under way
  std::vector<Budget> budgets;     // at most one of a period
  /// One, or none: what each agent that its callers name may use by itself. Without budgets.
  std::vector<Limits> each_agent;
  bool any() const { return any_itself() || !each_agent.empty(); }
  bool any_itself() const {
    return requests_per_minute || input_tokens_per_minute || output_tokens_per_minute ||
           nanodollars_per_minute || streams || !budgets.empty();
  }
  friend bool operator==(const Limits&, const Limits&) = default;
};

}  // namespace weir
