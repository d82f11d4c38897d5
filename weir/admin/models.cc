// GET /admin/v1/models and /admin/v1/models/heat: which model and endpoint is slow, dear, failing?
#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "weir/admin/call.h"
#include "weir/admin/series.h"
#include "weir/io/loop.h"

namespace weir::admin {
namespace {

using store::Sums;
using store::TrafficKey;

struct Question {
  std::shared_ptr<store::TrafficStore> traffic;
  std::shared_ptr<const Settings> settings;
  std::shared_ptr<const registry::Registry> registry;
  std::vector<World::TargetState> targets;
  store::TrafficQuery query;
  TimeRange range;
  int64_t now_s = 0;
  bool first_token = false;  // of the heat map
};

Result<Question> question(Call& call) {
  Question q;
  q.traffic = call.world.traffic;
  q.settings = call.world.settings;
  q.registry = call.world.registry;
  if (!q.traffic)
    return fail(ErrorCode::kNotFound, "No records are kept (events.enabled), so there are no charts.", {},
                "no_records");
  TRY(q.range, time_range(call));
  q.now_s = call.loop.wall_now().unix_ns / 1'000'000'000;
  q.query = {.from_s = q.range.from_s, .to_s = q.range.to_s, .tenant = call.tenant()};
  if (call.world.targets) q.targets = call.world.targets();
  return q;
}

struct Row {
  TrafficKey key;
  Sums all;
  std::vector<Sums> points;
};

// The provider's name of a model of the configuration; empty: the provider is none of its targets.
std::string name_at_provider(const Settings& settings, const std::string& model,
                             const std::string& provider) {
  for (const ModelSettings& m : settings.models) {
    if (m.name != model) continue;
    for (const TargetSettings& target : m.targets)
      if (target.provider == provider) return target.model.empty() ? model : target.model;
  }
  return model;  // passed through under its own name
}

void write_row(json::Writer& w, const Row& row, const Question& q, uint64_t requests) {
  const TrafficKey& key = row.key;
  w.begin_object()
      .member("model", key.model)
      .member("provider", key.provider)
      .member("endpoint", key.endpoint);
  write_totals(w, row.all);
  w.member("share", requests ? static_cast<double>(row.all.requests) / static_cast<double>(requests) : 0.0);

  std::string named = name_at_provider(*q.settings, key.model, key.provider);
  auto target = std::ranges::find_if(q.targets, [&](const World::TargetState& t) {
    return t.provider == key.provider && (t.model == named || t.model == key.model);
  });
  // Without a breaker (its model has no other target) its own calls say how it is.
  bool failing = row.all.ended(store::Ending::kError) * 10 > row.all.requests && row.all.requests >= 5;
  w.key("state");
  if (target != q.targets.end() && target->resting)
    w.value("resting").member("state_text", "Its breaker is open: it is not asked until its rest is over.");
  else if (target != q.targets.end() && target->on_trial)
    w.value("failing").member("state_text", "It is on trial: one request at a time.");
  else if (failing)
    w.value("failing").member("state_text", "More than a tenth of its requests failed in this time.");
  else if (key.provider.empty())
    w.null().key("state_text").null();
  else
    w.value("ok").key("state_text").null();

  const registry::ModelFacts* facts =
      q.registry && !key.provider.empty() ? q.registry->find(key.provider, named) : nullptr;
  w.member("unbilled", q.registry && q.registry->unbilled(key.provider));
  w.key("price");
  if (facts && facts->rates.input && facts->rates.output)
    w.begin_object()
        .member("input_usd", short_dollars(*facts->rates.input))
        .member("output_usd", short_dollars(*facts->rates.output))
        .end_object();
  else
    w.null();
  w.key("spark").begin_object().key("requests").begin_array();
  for (const Sums& point : row.points)
    w.value(point.requests);
  w.end_array().key("p95_ms").begin_array();
  for (const Sums& point : row.points)
    write_ms(w, point.seconds.quantile(0.95));
  w.end_array().end_object().end_object();
}

constexpr size_t kModelsMax = 200;  // of one answer
constexpr int64_t kSparkPoints = 40;

Result<std::string> models(Question& q) {
  int64_t length = q.range.to_s - q.range.from_s;
  TimeRange coarse{0, std::max<int64_t>(length * 120 / kSparkPoints, 1)};
  TRY(int64_t step, choose_grain(*q.traffic, q.query, chart_step(coarse), q.now_s));
  Steps steps = Steps::of(q.range, step, q.now_s);
  std::map<TrafficKey, Row> rows;
  uint64_t requests = 0;
  TRY_VOID(q.traffic->sums(q.query, [&](int64_t at, const TrafficKey& whose, const Sums& sums) {
    TrafficKey key = whose;
    key.tenant.clear();
    Row& row = rows[key];
    if (row.points.empty()) row.points.resize(steps.count);
    row.all.add(sums);
    requests += sums.requests;
    if (auto i = steps.index(at)) row.points[*i].add(sums);
  }));
  std::vector<Row> sorted;
  for (auto& [key, row] : rows) {
    row.key = key;
    sorted.push_back(std::move(row));
  }
  std::ranges::sort(sorted, std::greater(), [](const Row& row) { return row.all.requests; });
  if (sorted.size() > kModelsMax) sorted.resize(kModelsMax);

  std::string body;
  json::Writer w(body);
  w.begin_object();
  steps.write(w);
  w.key("data").begin_array();
  for (const Row& row : sorted)
    write_row(w, row, q, requests);
  w.end_array().key("next").null().end_object();
  return body;
}

// Rows of the map: a quarter of an octave each, only those between the least and the greatest value.
constexpr int kCellsPerRow = telemetry::kCellsPerOctave / 4;

Result<std::string> heat(Question& q) {
  int64_t length = q.range.to_s - q.range.from_s;
  TimeRange coarse{0, std::max<int64_t>(length * 2, 1)};  // about sixty columns
  TRY(int64_t step, choose_grain(*q.traffic, q.query, chart_step(coarse), q.now_s));
  Steps steps = Steps::of(q.range, step, q.now_s, true);
  std::vector<telemetry::Sketch> columns(steps.count);
  int low = telemetry::kCells, high = -1;
  TRY_VOID(q.traffic->sums(q.query, [&](int64_t at, const TrafficKey&, const Sums& sums) {
    auto i = steps.index(at);
    if (!i) return;
    const telemetry::Sketch& sketch = q.first_token ? sums.first_token_seconds : sums.seconds;
    columns[*i].add(sketch);
    if (sketch.empty()) return;
    low = std::min<int>(low, sketch.cells().front().first);
    high = std::max<int>(high, sketch.cells().back().first);
  }));
  std::string body;
  json::Writer w(body);
  w.begin_object();
  steps.write(w);
  int first = low / kCellsPerRow, rows = high < 0 ? 0 : high / kCellsPerRow - first + 1;
  w.key("bounds_ms").begin_array();
  for (int row = 0; row <= rows && rows > 0; ++row)
    write_ms(w, telemetry::cell_lower((first + row) * kCellsPerRow));
  w.end_array().key("counts").begin_array();
  for (const telemetry::Sketch& column : columns) {
    std::vector<uint64_t> counts(static_cast<size_t>(rows));
    for (const auto& [cell, count] : column.cells())
      counts[static_cast<size_t>(cell / kCellsPerRow - first)] += count;
    w.begin_array();
    for (uint64_t count : counts)
      w.value(count);
    w.end_array();
  }
  w.end_array().end_object();
  return body;
}

}  // namespace

template <>
io::Task<Result<Answer>> serve<Route::kModels>(Call& call) {
  CO_TRY(Question q, question(call));
  Answer made;
  CO_TRY(made.body, co_await io::offload(call.loop, [&q] { return models(q); }));
  co_return made;
}

template <>
io::Task<Result<Answer>> serve<Route::kModelHeat>(Call& call) {
  CO_TRY(Question q, question(call));
  q.query.model = call.query("model").value_or("");
  q.query.provider = call.query("provider").value_or("");
  q.query.endpoint = call.query("endpoint").value_or("");
  std::string metric = call.query("metric").value_or("duration");
  if (metric != "duration" && metric != "ttft")
    co_return fail(ErrorCode::kInvalidRequest, "'metric' must be duration or ttft.", "metric",
                   "invalid_value");
  q.first_token = metric == "ttft";
  Answer made;
  CO_TRY(made.body, co_await io::offload(call.loop, [&q] { return heat(q); }));
  co_return made;
}

}  // namespace weir::admin
