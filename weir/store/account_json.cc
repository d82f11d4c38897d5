#include "weir/store/account_json.h"

#include "weir/base/json.h"
#include "weir/base/json_write.h"

namespace weir::store {
namespace {

constexpr std::string_view kRates[] = {"requests_per_minute", "input_tokens_per_minute",
                                       "output_tokens_per_minute", "nanodollars_per_minute", "streams"};

// The rate of that number, in the order of the names.
template <class L>
auto& rate(L& limits, size_t n) {
  switch (n) {
    case 0:
      return limits.requests_per_minute;
    case 1:
      return limits.input_tokens_per_minute;
    case 2:
      return limits.output_tokens_per_minute;
    case 3:
      return limits.nanodollars_per_minute;
    default:
      return limits.streams;
  }
}

Unexpected unreadable(std::string_view what) {
  return fail_internal(ErrorCode::kIo,
                       "the accounts hold " + std::string(what) + " that this weir does not know");
}

Result<Budget> budget_of(std::string_view raw) {
  Budget budget;
  bool has_period = false;
  for (const json::Member& member : json::members_of(raw)) {
    if (member.key == "period") {
      for (BudgetPeriod p : {BudgetPeriod::kDay, BudgetPeriod::kMonth, BudgetPeriod::kTotal})
        if (member.value.is_string(name(p))) {
          budget.period = p;
          has_period = true;
        }
      continue;
    }
    bool money = member.key == "nanodollars";
    std::optional<int64_t> number = member.value.as_int();
    if ((!money && member.key != "tokens") || !number) return unreadable("a budget");
    (money ? budget.nanodollars : budget.tokens) = number;
  }
  if (!has_period) return unreadable("a budget");
  return budget;
}

}  // namespace

std::string to_json(const std::vector<std::string>& texts) {
  std::string out;
  if (texts.empty()) return out;
  json::Writer w(out);
  w.begin_array();
  for (const std::string& text : texts)
    w.value(text);
  w.end_array();
  return out;
}

std::string to_json(const Limits& limits) {
  std::string out;
  if (!limits.any()) return out;
  json::Writer w(out);
  w.begin_object();
  for (size_t n = 0; n < std::size(kRates); ++n)
    if (rate(limits, n)) w.member(kRates[n], *rate(limits, n));
  if (!limits.budgets.empty()) {
    w.key("budgets").begin_array();
    for (const Budget& budget : limits.budgets) {
      w.begin_object().member("period", name(budget.period));
      if (budget.nanodollars) w.member("nanodollars", *budget.nanodollars);
      if (budget.tokens) w.member("tokens", *budget.tokens);
      w.end_object();
    }
    w.end_array();
  }
  if (!limits.each_agent.empty()) w.key("each_agent").raw(to_json(limits.each_agent.front()));
  w.end_object();
  return out;
}

Result<std::vector<std::string>> texts_of(std::string_view json) {
  std::vector<std::string> texts;
  if (json.empty()) return texts;
  for (const json::Value& value : json::elements_of(json)) {
    std::optional<std::string> text = value.as_string();
    if (!text) return unreadable("a list");
    texts.push_back(*std::move(text));
  }
  return texts;
}

Result<Limits> limits_of(std::string_view json) {
  Limits limits;
  if (json.empty()) return limits;
  for (const json::Member& member : json::members_of(json)) {
    bool known = false;
    for (size_t n = 0; n < std::size(kRates); ++n)
      if (member.key == kRates[n]) {
        rate(limits, n) = member.value.as_int();
        known = rate(limits, n).has_value();
      }
    if (member.key == "budgets" && member.value.type == json::Type::kArray) {
      for (const json::Value& one : json::elements_of(member.value.raw)) {
        TRY(Budget budget, budget_of(one.raw));
        limits.budgets.push_back(budget);
      }
      known = true;
    }
    if (member.key == "each_agent" && member.value.type == json::Type::kObject) {
      TRY(Limits each, limits_of(member.value.raw));
      if (!each.budgets.empty() || !each.each_agent.empty()) return unreadable("a limit");
      limits.each_agent = {std::move(each)};
      known = true;
    }
    if (!known) return unreadable("a limit");
  }
  if (!limits.any()) return unreadable("a limit");
  return limits;
}

}  // namespace weir::store
