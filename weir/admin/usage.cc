// GET /admin/v1/budgets: what is spent of every budget, from the meters. GET /admin/v1/usage: sums of the
// ledger.
#include <charconv>
#include <limits>

#include "weir/admin/call.h"
#include "weir/base/money.h"
#include "weir/base/time_text.h"
#include "weir/io/loop.h"

namespace weir::admin {
namespace {

constexpr size_t kMetersMax = 10'000, kRowsMax = 10'000;

void dollars(json::Writer& w, std::string_view name, int64_t nanodollars) {
  w.member(std::string(name) + "_usd", std::string_view(dollars_text(nanodollars)));
  w.member(std::string(name) + "_nanodollars", nanodollars);
}

void write_budget(json::Writer& w, const quota::Meter& meter, const quota::Meter::BudgetView& view,
                  const quota::Moment& now) {
  w.begin_object().member("scope", meter.scope()).member("id", meter.id());
  w.key("tenant");
  meter.tenant().empty() ? w.null() : w.value(meter.tenant());
  w.member("period", name(view.budget.period));
  w.key("usd");
  view.budget.nanodollars ? w.value(std::string_view(dollars_text(*view.budget.nanodollars))) : w.null();
  w.key("tokens");
  view.budget.tokens ? w.value(*view.budget.tokens) : w.null();
  dollars(w, "spent", view.spent_nanodollars);
  w.member("spent_tokens", view.spent_tokens);
  dollars(w, "reserved", view.reserved_nanodollars);
  w.member("reserved_tokens", view.reserved_tokens);
  w.member("share", view.share());
  w.key("resets_at");
  view.ends_in_s > 0 ? w.value((now.unix_s + view.ends_in_s) * 1000) : w.null();
  w.end_object();
}

}  // namespace

template <>
io::Task<Result<Answer>> serve<Route::kBudgets>(Call& call) {
  Answer answer;
  json::Writer w(answer.body);
  w.begin_object().key("data").begin_array();
  std::optional<std::string> tenant = call.tenant();
  quota::Moment now = quota::Moment::at(call.loop.now(), call.loop.wall_now());
  if (call.world.meters)
    for (const auto& meter : call.world.meters->with_budgets(now, kMetersMax)) {
      if (tenant && meter->tenant() != *tenant) continue;
      for (const quota::Meter::BudgetView& view : meter->budgets(now))
        write_budget(w, *meter, view, now);
    }
  w.end_array().key("next").null().end_object();
  co_return answer;
}

namespace {

// ?from= and ?to=: Unix seconds, or a time of UTC.
Result<int64_t> seconds(const Call& call, std::string_view parameter, int64_t otherwise) {
  std::optional<std::string> text = call.query(parameter);
  if (!text || text->empty()) return otherwise;
  int64_t number = 0;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error == std::errc() && end == text->data() + text->size() && number >= 0) return number;
  std::string_view time = *text;
  if (time.ends_with('Z')) time.remove_suffix(1);
  if (auto at = parse_time(time)) return at->unix_s();
  return fail(ErrorCode::kInvalidRequest, "A time is Unix seconds, or 2026-11-21T08:15 (UTC).",
              std::string(parameter), "invalid_value");
}

void write_sum(json::Writer& w, const store::UsageQuery& query, const store::UsageSum& sum) {
  w.begin_object();
  for (size_t i = 0; i < query.by.size(); ++i)
    w.member(name(query.by[i]), std::string_view(sum.by[i]));
  w.member("requests", sum.requests).member("failed", sum.failed).member("estimated", sum.estimated);
  w.member("input_tokens", sum.input_tokens).member("cached_input_tokens", sum.cached_input_tokens);
  w.member("cache_write_tokens", sum.cache_write_tokens).member("output_tokens", sum.output_tokens);
  w.member("reasoning_tokens", sum.reasoning_tokens);
  w.member("usd", std::string_view(dollars_text(sum.nanodollars))).member("nanodollars", sum.nanodollars);
  w.member("input_nanodollars", sum.input_nanodollars);
  w.member("cache_read_nanodollars", sum.cache_read_nanodollars);
  w.member("cache_write_nanodollars", sum.cache_write_nanodollars);
  w.member("output_nanodollars", sum.output_nanodollars()).end_object();
}

}  // namespace

template <>
io::Task<Result<Answer>> serve<Route::kUsage>(Call& call) {
  store::UsageQuery query;
  CO_TRY(query.by, store::parse_usage_by(call.query("by").value_or("")));
  int64_t now_s = call.loop.wall_now().unix_s();
  CO_TRY(query.from_s, seconds(call, "from", now_s - 30 * 86'400));
  CO_TRY(query.to_s, seconds(call, "to", std::numeric_limits<int64_t>::max()));
  if (auto tenant = call.tenant()) query.where.emplace_back(store::UsageBy::kTenant, *tenant);
  query.rows_max = kRowsMax;
  Answer answer;
  json::Writer w(answer.body);
  w.begin_object().key("data").begin_array();
  if (call.world.ledger) {
    auto ask = [ledger = call.world.ledger, query] { return ledger->usage(query); };
    CO_TRY(auto sums, co_await io::offload(call.loop, ask));
    for (const store::UsageSum& sum : sums)
      write_sum(w, query, sum);
  }
  w.end_array().key("next").null().end_object();
  co_return answer;
}

}  // namespace weir::admin
