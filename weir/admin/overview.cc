// GET /admin/v1/overview: is it well? Series over the range, their totals, and the same of the time before.
#include <vector>

#include "weir/admin/call.h"
#include "weir/admin/marks.h"
#include "weir/admin/series.h"
#include "weir/io/loop.h"

namespace weir::admin {
namespace {

using store::Ending;
using store::Sums;

struct Question {
  std::shared_ptr<store::TrafficStore> traffic;
  std::optional<std::string> tenant;
  TimeRange range;
  int64_t now_s = 0;
  std::shared_ptr<const registry::Registry> registry;
  std::vector<std::string> warnings;
  std::vector<Mark> marks;
};

Result<Sums> total(store::TrafficStore& traffic, store::TrafficQuery query, int64_t now_s) {
  // By the grain that the range's ends lie on as nearly as its length deserves.
  int64_t step = (query.to_s - query.from_s) > 7 * 86'400 ? 3600
                 : (query.to_s - query.from_s) > 7200     ? 60
                                                          : 10;
  TRY_VOID(choose_grain(traffic, query, step, now_s));
  Sums sum;
  TRY_VOID(traffic.sums(query, [&](int64_t, const store::TrafficKey&, const Sums& sums) { sum.add(sums); }));
  return sum;
}

Result<std::string> answer(const Question& q) {
  store::TrafficQuery query{.from_s = q.range.from_s, .to_s = q.range.to_s, .tenant = q.tenant};
  TRY(int64_t step, choose_grain(*q.traffic, query, chart_step(q.range), q.now_s));
  Steps steps = Steps::of(q.range, step, q.now_s);
  query.from_s = steps.first_s;
  std::vector<Sums> points(steps.count);
  Sums all;
  TRY_VOID(q.traffic->sums(query, [&](int64_t at, const store::TrafficKey& key, const Sums& sums) {
    if (at >= q.range.from_s) {
      uint64_t unpriced = all.unpriced;
      all.add(sums);
      // No price is needed where nobody charges: the cost is not too low for that.
      if (q.registry && q.registry->unbilled(key.provider)) all.unpriced = unpriced;
    }
    if (auto i = steps.index(at)) points[*i].add(sums);
  }));
  int64_t length = q.range.to_s - q.range.from_s;
  TRY(Sums before,
      total(*q.traffic, {.from_s = q.range.from_s - length, .to_s = q.range.from_s, .tenant = q.tenant},
            q.now_s));

  std::string body;
  json::Writer w(body);
  w.begin_object();
  steps.write(w);
  w.key("series").begin_object();
  auto counts = [&](std::string_view name, auto value) {
    w.key(name).begin_array();
    for (const Sums& s : points)
      w.value(value(s));
    w.end_array();
  };
  auto quantiles = [&](std::string_view name, telemetry::Sketch Sums::* sketch, double part) {
    w.key(name).begin_array();
    for (const Sums& s : points)
      write_ms(w, (s.*sketch).quantile(part));
    w.end_array();
  };
  counts("requests", [](const Sums& s) { return s.requests; });
  for (auto ending : {Ending::kOk, Ending::kRefused, Ending::kLimited, Ending::kError, Ending::kLeft})
    counts(ending == Ending::kError ? "errors" : store::name(ending),
           [ending](const Sums& s) { return s.ended(ending); });
  counts("input_tokens", [](const Sums& s) { return s.input_tokens; });
  counts("cached_input_tokens", [](const Sums& s) { return s.cached_input_tokens; });
  counts("output_tokens", [](const Sums& s) { return s.output_tokens; });
  counts("cost_nanodollars", [](const Sums& s) { return s.cost_nanodollars; });
  quantiles("p50_ms", &Sums::seconds, 0.5);
  quantiles("p95_ms", &Sums::seconds, 0.95);
  quantiles("p99_ms", &Sums::seconds, 0.99);
  quantiles("ttft_p50_ms", &Sums::first_token_seconds, 0.5);
  quantiles("ttft_p95_ms", &Sums::first_token_seconds, 0.95);
  quantiles("ttft_p99_ms", &Sums::first_token_seconds, 0.99);
  w.end_object();
  w.key("totals").begin_object();
  write_totals(w, all);
  w.end_object().key("before").begin_object();
  write_totals(w, before);
  w.end_object().key("marks");
  write_marks(w, q.marks);
  w.key("warnings").begin_array();
  for (const std::string& warning : q.warnings)
    w.value(warning);
  w.end_array().end_object();
  return body;
}

}  // namespace

template <>
io::Task<Result<Answer>> serve<Route::kOverview>(Call& call) {
  Question q;
  q.traffic = call.world.traffic;
  q.tenant = call.tenant();
  q.registry = call.world.registry;
  if (!q.traffic)
    co_return fail(ErrorCode::kNotFound, "No records are kept (events.enabled), so there are no charts.", {},
                   "no_records");
  CO_TRY(q.range, time_range(call));
  q.now_s = call.loop.wall_now().unix_ns / 1'000'000'000;
  if (call.world.warnings && call.permits(accounts::Permission::kAllTenants))
    q.warnings = call.world.warnings();
  q.marks = co_await marks(call, q.range);
  Answer made;
  CO_TRY(made.body, co_await io::offload(call.loop, [&q] { return answer(q); }));
  co_return made;
}

}  // namespace weir::admin
