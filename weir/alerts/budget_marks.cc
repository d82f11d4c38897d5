#include "weir/alerts/budget_marks.h"

#include <fmt/format.h>

#include <utility>

#include "weir/base/json_write.h"
#include "weir/base/money.h"

namespace weir::alerts {

std::string_view name(BudgetMark mark) {
  return mark == BudgetMark::kWarning ? "warning" : "exhausted";
}

std::string subject_of(const BudgetNews& news) {
  return fmt::format("{} {}, {}", news.scope, news.id, name(news.budget.budget.period));
}

std::string to_json(const BudgetNews& news, int64_t unix_ms) {
  const quota::Meter::BudgetView& b = news.budget;
  std::string text;
  json::Writer w(text);
  w.begin_object().member("scope", news.scope).member("id", news.id).member("tenant", news.tenant);
  w.member("period", name(b.budget.period)).member("percent", static_cast<int64_t>(100 * b.share()));
  w.key("usd");
  b.budget.nanodollars ? w.value(dollars_text(*b.budget.nanodollars)) : w.null();
  w.member("spent_usd", dollars_text(b.spent_nanodollars));
  w.key("tokens");
  b.budget.tokens ? w.value(*b.budget.tokens) : w.null();
  w.member("spent_tokens", b.spent_tokens).key("resets");
  b.ends_in_s > 0 ? w.value(unix_ms + b.ends_in_s * 1000) : w.null();
  w.end_object();
  return text;
}

std::vector<BudgetNews> BudgetMarks::look(const quota::MeterTable& meters, const quota::Moment& now) {
  std::vector<BudgetNews> news;
  std::map<Key, Told> before = std::exchange(told_, {});
  for (const auto& meter : meters.with_spent(now, kWarnPercent, kMetersMax))
    for (const quota::Meter::BudgetView& view : meter->budgets(now)) {
      if (view.share() * 100 < kWarnPercent) continue;
      Key key{meter->scope(), meter->id(), view.budget.period};
      Told told{.budget = view.budget, .number = view.number};
      if (auto known = before.find(key);
          known != before.end() && known->second.budget == told.budget && known->second.number == told.number)
        told = known->second;
      auto tell = [&](BudgetMark mark, bool& done, bool passed) {
        if (done || !passed) return;
        done = true;
        news.push_back({mark, meter->scope(), meter->id(), meter->tenant(), view});
      };
      bool used_up = view.refused || view.share() >= 1;
      tell(BudgetMark::kWarning, told.warning, true);
      tell(BudgetMark::kExhausted, told.exhausted, used_up);
      told_.emplace(std::move(key), std::move(told));
    }
  return news;
}

}  // namespace weir::alerts
