#include "weir/store/tenant_metrics.h"

#include <gtest/gtest.h>

#include "weir/store/traffic.h"

namespace weir::store {
namespace {

using telemetry::Event;
using telemetry::EventText;

struct Scene {
  telemetry::Registry registry;
  TenantFamilies families = register_tenant_families(registry);
  TenantMetrics metrics{registry, families, 2};

  double value(std::string_view family, const std::vector<std::string_view>& labels) {
    for (const telemetry::SeriesView& series : registry.collect())
      if (series.family->name == family && series.labels == labels) return series.value();
    return -1;
  }
  uint64_t recorded(std::string_view family, const std::vector<std::string_view>& labels) {
    telemetry::HistogramSnapshot snapshot;
    for (const telemetry::SeriesView& series : registry.collect())
      if (series.family->name == family && series.labels == labels) series.add_histogram(snapshot);
    return snapshot.count();
  }
};

Event answered(std::string_view tenant) {
  Event e;
  e.event_class = telemetry::EventClass::kUsage;
  e.status = 200;
  e.text(EventText::kTenant) = tenant;
  e.text(EventText::kProvider) = "p";
  e.text(EventText::kModel) = "m";
  e.text(EventText::kOutcome) = "ok";
  e.input_tokens = 100;
  e.cached_input_tokens = 40;
  e.output_tokens = 7;
  e.cost_nanodollars = 2'500'000'000;
  e.first_token_us = 20'000;
  e.ended_us = 90'000;
  return e;
}

TEST(TenantMetrics, CountsMoneyTokensAndDurations) {
  Scene s;
  s.metrics.add(answered("a"));
  s.metrics.add(answered("a"));
  EXPECT_EQ(s.value("weir_tenant_requests_total", {"a", "p", "m", "ok"}), 2);
  EXPECT_EQ(s.value("weir_tenant_tokens_total", {"a", "p", "m", "input"}), 200);
  EXPECT_EQ(s.value("weir_tenant_tokens_total", {"a", "p", "m", "cached_input"}), 80);
  EXPECT_EQ(s.value("weir_tenant_tokens_total", {"a", "p", "m", "output"}), 14);
  EXPECT_EQ(s.value("weir_tenant_tokens_total", {"a", "p", "m", "reasoning"}), -1);  // was never told
  EXPECT_EQ(s.value("weir_tenant_cost_usd_total", {"a", "p", "m"}), 5);
  EXPECT_EQ(s.recorded("weir_tenant_request_duration_seconds", {"a", "p", "m"}), 2u);
  EXPECT_EQ(s.recorded("weir_tenant_time_to_first_token_seconds", {"a", "p", "m"}), 2u);
}

TEST(TenantMetrics, WhatWasRefusedIsARequestAndNothingElse) {
  Scene s;
  Event e = answered("a");
  e.event_class = telemetry::EventClass::kTelemetry;
  e.status = 429;
  e.text(EventText::kOutcome) = "rate_limited";
  s.metrics.add(e);
  EXPECT_EQ(s.value("weir_tenant_requests_total", {"a", "p", "m", name(ending_of(e))}), 1);
  EXPECT_EQ(s.value("weir_tenant_cost_usd_total", {"a", "p", "m"}), -1);
  EXPECT_EQ(s.recorded("weir_tenant_request_duration_seconds", {"a", "p", "m"}), 0u);
}

TEST(TenantMetrics, ThoseThatLookAlikeAreToldApart) {
  Scene s;
  // More models than entries are kept: some give way to each other, in every round.
  for (int round = 0; round < 3; ++round)
    for (int i = 0; i < 3000; ++i) {
      std::string model = "m" + std::to_string(i);
      Event e = answered("a");
      e.text(EventText::kModel) = model;
      s.metrics.add(e);
    }
  for (std::string_view model : {"m0", "m1", "m1500", "m2999"}) {
    EXPECT_EQ(s.value("weir_tenant_requests_total", {"a", "p", model, "ok"}), 3);
    EXPECT_EQ(s.value("weir_tenant_cost_usd_total", {"a", "p", model}), 7.5);
  }
}

TEST(TenantMetrics, LaterTenantsShareOneSeries) {
  Scene s;
  for (std::string_view tenant : {"a", "b", "c", "d", "a"})
    s.metrics.add(answered(tenant));
  EXPECT_EQ(s.value("weir_tenant_requests_total", {"a", "p", "m", "ok"}), 2);
  EXPECT_EQ(s.value("weir_tenant_requests_total", {"b", "p", "m", "ok"}), 1);
  EXPECT_EQ(s.value("weir_tenant_requests_total", {"c", "p", "m", "ok"}), -1);
  EXPECT_EQ(s.value("weir_tenant_requests_total", {telemetry::kOverflow, "p", "m", "ok"}), 2);
}

}  // namespace
}  // namespace weir::store
