#include "weir/alerts/measure.h"

#include <gtest/gtest.h>

namespace weir::alerts {
namespace {

TEST(Measure, KeysThatEndAreOneEach) {
  const EndingKey keys[] = {{"4fGh2kLm", "ci", "acme"}, {"9xYz1aBc", "app", "other"}};
  AlertRuleSettings rule;
  rule.measure = AlertMeasure::kKeyExpires;
  auto all = measure_keys(keys, rule);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].subject, "key ci (4fGh2kLm)");
  EXPECT_EQ(all[0].tenant, "acme");
  EXPECT_EQ(all[0].value, 1);
  rule.tenant = "other";
  ASSERT_EQ(measure_keys(keys, rule).size(), 1u);
  EXPECT_FALSE(is_about_requests(rule.measure));
}

using store::Sums;
using store::TrafficKey;
using telemetry::Event;
using telemetry::EventText;

constexpr int64_t kNow_s = 1'795'248'000;

// What was stored, a row for each request.
struct Traffic final : store::TrafficStore {
  struct Row {
    int64_t at_s;
    TrafficKey key;
    Sums sums;
  };
  std::vector<Row> all;
  store::TrafficQuery asked;
  std::optional<Error> broken;

  void add(const TrafficKey& key, int count, std::string_view outcome, int16_t status, int64_t took_ms = 10,
           int64_t nanodollars = 0) {
    Event e;
    e.event_class = telemetry::EventClass::kUsage;
    e.status = status;
    e.attempts = 1;
    e.ended_us = took_ms * 1000;
    e.first_token_us = took_ms * 500;
    e.cost_nanodollars = nanodollars;
    e.text(EventText::kOutcome) = outcome;
    for (int i = 0; i < count; ++i) {
      Sums sums;
      sums.add(e);
      all.push_back({kNow_s - 5, key, sums});
    }
  }

  Result<bool> follow() override { return false; }
  Result<void> expire(store::Grain, int64_t) override { return {}; }
  Result<uint64_t> rows(const store::TrafficQuery&, uint64_t max) override {
    return std::min<uint64_t>(all.size(), max);
  }
  Result<void> sums(const store::TrafficQuery& query, const VisitSums& visit) override {
    asked = query;
    if (broken) return Unexpected(*broken);
    for (const Row& row : all)
      if (row.at_s >= query.from_s && row.at_s < query.to_s &&
          (query.model.empty() || query.model == row.key.model) &&
          (!query.tenant || *query.tenant == row.key.tenant))
        visit(row.at_s, row.key, row.sums);
    return {};
  }
  Result<store::RequestPage> requests(const store::RequestFilter&, const VisitRequest&) override {
    return store::RequestPage{};
  }
  Result<bool> request(store::RequestPlace, const VisitRequest&) override { return false; }
};

AlertRuleSettings rule(AlertMeasure measure, AlertEach each = AlertEach::kAll) {
  AlertRuleSettings r;
  r.name = "r";
  r.measure = measure;
  r.each = each;
  return r;
}

TEST(AlertMeasure, FailuresOfThoseThatWereAnswered) {
  Traffic t;
  t.add({"acme", "river", "p", "e"}, 15, "ok", 200);
  t.add({"acme", "river", "p", "e"}, 5, "upstream", 502);
  t.add({"acme", "river", "p", "e"}, 80, "invalid_request", 400);
  auto readings = measure_requests(t, rule(AlertMeasure::kErrorPercent), kNow_s).value();
  ASSERT_EQ(readings.size(), 1u);
  EXPECT_EQ(readings[0].subject, "");
  EXPECT_EQ(readings[0].value, 25);
  EXPECT_EQ(t.asked.to_s - t.asked.from_s, 301);
  EXPECT_EQ(t.asked.grain, store::Grain::kTenSeconds);
}

// Sums of ten seconds are there only when those are over: a span as short would never see one.
TEST(AlertMeasure, TheRowThatTheSpanCutsIsInIt) {
  Traffic t;
  t.add({"acme", "river", "p", "e"}, 10, "upstream", 502);
  for (Traffic::Row& row : t.all)
    row.at_s = kNow_s - 10;
  AlertRuleSettings short_one = rule(AlertMeasure::kErrorPercent);
  short_one.over = seconds(10);
  EXPECT_EQ(measure_requests(t, short_one, kNow_s + 9).value().size(), 1u);
  EXPECT_EQ(t.asked.from_s, kNow_s - 10);
  EXPECT_TRUE(measure_requests(t, short_one, kNow_s + 10).value().empty());
}

TEST(AlertMeasure, TooFewSayNothing) {
  Traffic t;
  t.add({"acme", "river", "p", "e"}, 9, "upstream", 502);
  EXPECT_TRUE(measure_requests(t, rule(AlertMeasure::kErrorPercent), kNow_s).value().empty());
  EXPECT_TRUE(measure_requests(t, rule(AlertMeasure::kP95Ms), kNow_s).value().empty());
  t.add({"acme", "river", "p", "e"}, 1, "upstream", 502);
  EXPECT_EQ(measure_requests(t, rule(AlertMeasure::kErrorPercent), kNow_s).value().size(), 1u);
}

TEST(AlertMeasure, OneForEach) {
  Traffic t;
  t.add({"acme", "river", "p", "e"}, 20, "ok", 200);
  t.add({"", "lake", "q", "f"}, 20, "upstream", 502);
  t.add({"acme", "", "", ""}, 20, "unauthenticated", 401);
  auto models = measure_requests(t, rule(AlertMeasure::kErrorPercent, AlertEach::kModel), kNow_s).value();
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0].subject, "model lake");
  EXPECT_EQ(models[0].value, 100);
  EXPECT_EQ(models[1].value, 0);
  EXPECT_EQ(models[1].tenant, "");
  auto tenants = measure_requests(t, rule(AlertMeasure::kErrorPercent, AlertEach::kTenant), kNow_s).value();
  ASSERT_EQ(tenants.size(), 2u);
  EXPECT_EQ(tenants[0].subject, "tenant acme");
  EXPECT_EQ(tenants[0].tenant, "acme");
  EXPECT_EQ(tenants[1].subject, "tenant of the configuration");
}

TEST(AlertMeasure, LatencyAndMoney) {
  Traffic t;
  t.add({"acme", "river", "p", "e"}, 90, "ok", 200, 100, 1'000'000'000);
  t.add({"acme", "river", "p", "e"}, 10, "ok", 200, 4000, 1'000'000'000);
  auto p95 = measure_requests(t, rule(AlertMeasure::kP95Ms), kNow_s).value();
  EXPECT_NEAR(p95.at(0).value, 4000, 4000 * 0.02);
  auto first = measure_requests(t, rule(AlertMeasure::kFirstTokenP95Ms), kNow_s).value();
  EXPECT_NEAR(first.at(0).value, 2000, 2000 * 0.02);
  auto money = measure_requests(t, rule(AlertMeasure::kUsdPerHour), kNow_s).value();
  EXPECT_DOUBLE_EQ(money.at(0).value, 100 * 12);  // of five minutes
}

TEST(AlertMeasure, ALongSpanIsReadInCoarserGrains) {
  Traffic t;
  AlertRuleSettings r = rule(AlertMeasure::kErrorPercent);
  r.over = std::chrono::hours(6);
  ASSERT_TRUE(measure_requests(t, r, kNow_s));
  EXPECT_EQ(t.asked.grain, store::Grain::kMinute);
  r.over = std::chrono::hours(24 * 7);
  ASSERT_TRUE(measure_requests(t, r, kNow_s));
  EXPECT_EQ(t.asked.grain, store::Grain::kHour);
}

TEST(AlertMeasure, AStoreThatFailsIsAnError) {
  Traffic t;
  t.broken = Error{.code = ErrorCode::kIo, .message = "no"};
  EXPECT_FALSE(measure_requests(t, rule(AlertMeasure::kErrorPercent), kNow_s));
}

TEST(AlertMeasure, EachBudget) {
  quota::MeterTable meters;
  quota::Moment now = quota::Moment::at({1}, {kNow_s * 1'000'000'000});
  meters.begin_with({}, now);
  Limits limits;
  limits.budgets.push_back({BudgetPeriod::kDay, 1'000'000'000, {}});
  limits.budgets.push_back({BudgetPeriod::kTotal, 4'000'000'000, {}});
  auto meter = meters.meter_of("key", "k", limits, "acme");
  meters.meter_of("tenant", "other", limits, "other");
  meter->settle({}, {.nanodollars = 500'000'000}, now);
  auto readings = measure_budgets(meters, rule(AlertMeasure::kBudgetPercent), now);
  ASSERT_EQ(readings.size(), 4u);
  EXPECT_EQ(readings[0].subject, "key k, day");
  EXPECT_EQ(readings[0].tenant, "acme");
  EXPECT_EQ(readings[0].value, 50);
  EXPECT_EQ(readings[1].value, 12.5);
  AlertRuleSettings theirs = rule(AlertMeasure::kBudgetPercent);
  theirs.tenant = "other";
  EXPECT_EQ(measure_budgets(meters, theirs, now).size(), 2u);
}

TEST(AlertMeasure, EachTarget) {
  std::vector<Target> targets{{"p", "m", 2}, {"q", "m", 0}};
  auto readings = measure_targets(targets, rule(AlertMeasure::kTargetDown));
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_EQ(readings[0].subject, "m at p");
  EXPECT_EQ(readings[0].value, 2);
  AlertRuleSettings one = rule(AlertMeasure::kTargetDown);
  one.provider = "q";
  EXPECT_EQ(measure_targets(targets, one).size(), 1u);
}

}  // namespace
}  // namespace weir::alerts
