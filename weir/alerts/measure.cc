#include "weir/alerts/measure.h"

#include <map>
#include <optional>

namespace weir::alerts {
namespace {

using store::Ending;
using store::Grain;
using store::Sums;

constexpr uint64_t kRowsMax = 250'000;  // read for one rule, about half a second of a worker
constexpr size_t kBudgetsMax = 10'000;
constexpr int64_t kTenSecondsSpan_s = 3600, kMinutesSpan_s = 2 * 86'400;

// Empty: the rule is about everything at once.
std::string subject_of(AlertEach each, const store::TrafficKey& key) {
  switch (each) {
    case AlertEach::kAll:
      return {};
    case AlertEach::kModel:
      return "model " + key.model;
    case AlertEach::kProvider:
      return "provider " + key.provider;
    case AlertEach::kTenant:
      return "tenant " + (key.tenant.empty() ? std::string("of the configuration") : key.tenant);
  }
  return {};
}

// Requests that were refused before this was known are in nobody's row.
bool has_part(AlertEach each, const store::TrafficKey& key) {
  if (each == AlertEach::kModel) return !key.model.empty();
  return each != AlertEach::kProvider || !key.provider.empty();
}

// Refused and limited requests are their callers' faults, and who left may have had no fault at all: failures
// are told of those that were answered or should have been.
std::optional<double> value_of(const AlertRuleSettings& rule, const Sums& sums) {
  uint64_t failed = sums.ended(Ending::kError), answered = sums.ended(Ending::kOk) + failed;
  auto ms = [&](const telemetry::Sketch& sketch) -> std::optional<double> {
    auto seconds = sketch.quantile(0.95);
    if (!seconds || answered < static_cast<uint64_t>(rule.requests_min)) return std::nullopt;
    return *seconds * 1000;
  };
  switch (rule.measure) {
    case AlertMeasure::kErrorPercent:
      if (answered < static_cast<uint64_t>(rule.requests_min)) return std::nullopt;
      return 100.0 * static_cast<double>(failed) / static_cast<double>(answered);
    case AlertMeasure::kP95Ms:
      return ms(sums.seconds);
    case AlertMeasure::kFirstTokenP95Ms:
      return ms(sums.first_token_seconds);
    case AlertMeasure::kUsdPerHour:
      return static_cast<double>(sums.cost_nanodollars) / 1e9 * 3.6e6 /
             static_cast<double>(rule.over.count());
    case AlertMeasure::kBudgetPercent:
    case AlertMeasure::kTargetDown:
    case AlertMeasure::kKeyExpires:
      break;
  }
  return std::nullopt;
}

}  // namespace

bool is_about_requests(AlertMeasure measure) {
  return measure != AlertMeasure::kBudgetPercent && measure != AlertMeasure::kTargetDown &&
         measure != AlertMeasure::kKeyExpires;
}

Result<std::vector<Reading>> measure_requests(store::TrafficStore& traffic, const AlertRuleSettings& rule,
                                              int64_t now_s) {
  int64_t span_s = rule.over.count() / 1000;
  store::TrafficQuery query{.from_s = now_s - span_s, .to_s = now_s + 1};
  query.grain = span_s <= kTenSecondsSpan_s ? Grain::kTenSeconds
                : span_s <= kMinutesSpan_s  ? Grain::kMinute
                                            : Grain::kHour;
  query.model = rule.model;
  query.provider = rule.provider;
  if (!rule.tenant.empty()) query.tenant = rule.tenant;
  while (query.grain != Grain::kHour) {
    TRY(uint64_t rows, traffic.rows(query, kRowsMax));
    if (rows < kRowsMax) break;
    query.grain = query.grain == Grain::kTenSeconds ? Grain::kMinute : Grain::kHour;
  }
  query.from_s -= query.from_s % seconds_of(query.grain);          // the row that the span cuts is in it
  std::map<std::string, std::pair<std::string, Sums>> by_subject;  // and whose it is
  auto visit = [&](int64_t, const store::TrafficKey& key, const Sums& sums) {
    if (!has_part(rule.each, key)) return;
    auto& [tenant, sum] = by_subject[subject_of(rule.each, key)];
    tenant = rule.each == AlertEach::kTenant ? key.tenant : rule.tenant;
    sum.add(sums);
  };
  TRY_VOID(traffic.sums(query, visit));
  std::vector<Reading> readings;
  for (const auto& [subject, of] : by_subject)
    if (auto value = value_of(rule, of.second)) readings.push_back({subject, of.first, *value});
  return readings;
}

std::vector<Reading> measure_budgets(const quota::MeterTable& meters, const AlertRuleSettings& rule,
                                     const quota::Moment& now) {
  std::vector<Reading> readings;
  for (const auto& meter : meters.with_budgets(now, kBudgetsMax)) {
    if (!rule.tenant.empty() && meter->tenant() != rule.tenant) continue;
    for (const quota::Meter::BudgetView& view : meter->budgets(now))
      readings.push_back({meter->scope() + " " + meter->id() + ", " + std::string(name(view.budget.period)),
                          meter->tenant(), 100 * view.share()});
  }
  return readings;
}

std::vector<Reading> measure_targets(std::span<const Target> targets, const AlertRuleSettings& rule) {
  std::vector<Reading> readings;
  for (const Target& target : targets) {
    if (!rule.provider.empty() && target.provider != rule.provider) continue;
    if (!rule.model.empty() && target.model != rule.model) continue;
    readings.push_back({target.model + " at " + target.provider, "", static_cast<double>(target.resting)});
  }
  return readings;
}

std::vector<Reading> measure_keys(std::span<const EndingKey> keys, const AlertRuleSettings& rule) {
  std::vector<Reading> readings;
  for (const EndingKey& key : keys)
    if (rule.tenant.empty() || key.tenant == rule.tenant)
      readings.push_back({"key " + key.name + " (" + key.id + ")", key.tenant, 1});
  return readings;
}

}  // namespace weir::alerts
