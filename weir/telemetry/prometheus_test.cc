#include "weir/telemetry/prometheus.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace weir::telemetry {
namespace {

std::string text_of(const Registry& registry) {
  std::string out;
  write_prometheus(registry, out);
  return out;
}

TEST(Prometheus, TextFormat) {
  Registry registry;
  auto requests = registry.add_counter("weir_requests_total", "Requests, by model.", {"model", "status"});
  registry.add_gauge("weir_unused", "Never set.");
  auto load = registry.add_gauge("weir_load", "Load\\now\nand then.");
  auto seconds = registry.add_histogram("weir_request_seconds", "Time.", {"model"}, {0.5, 1, 2.5});
  auto tokens = registry.add_histogram("weir_tokens", "Tokens.", {}, {1, 4});
  Shard& a = registry.add_shard();
  Shard& b = registry.add_shard();
  a.series(requests, {"m", "200"}).add(3);
  b.series(requests, {"m", "200"}).add();
  b.series(requests, {"a\"b\\c\nd\xff", "é"}).add(0.5);
  a.series(load, {}).set(0.25);
  for (double v : {0.25, 0.75, 2.0})
    a.series(seconds, {"m"}).record(v);
  b.series(seconds, {"m"}).record(64);
  for (double v : {1, 4, 8})
    a.series(tokens, {}).record(v);
  EXPECT_EQ(text_of(registry), R"(# HELP weir_requests_total Requests, by model.
# TYPE weir_requests_total counter
weir_requests_total{model="a\"b\\c\nd)"
                               "\uFFFD"
                               R"(",status="é"} 0.5
weir_requests_total{model="m",status="200"} 4
# HELP weir_load Load\\now\nand then.
# TYPE weir_load gauge
weir_load 0.25
# HELP weir_request_seconds Time.
# TYPE weir_request_seconds histogram
weir_request_seconds_bucket{model="m",le="0.5"} 1
weir_request_seconds_bucket{model="m",le="1"} 2
weir_request_seconds_bucket{model="m",le="2.5"} 3
weir_request_seconds_bucket{model="m",le="+Inf"} 4
weir_request_seconds_sum{model="m"} 67
weir_request_seconds_count{model="m"} 4
# HELP weir_tokens Tokens.
# TYPE weir_tokens histogram
weir_tokens_bucket{le="1"} 1
weir_tokens_bucket{le="4"} 2
weir_tokens_bucket{le="+Inf"} 3
weir_tokens_sum 13
weir_tokens_count 3
)");
}

TEST(Prometheus, NumbersOutOfTheOrdinary) {
  Registry registry;
  auto g = registry.add_gauge("g", "G.", {"n"});
  Shard& shard = registry.add_shard();
  shard.series(g, {"inf"}).set(INFINITY);
  shard.series(g, {"nan"}).set(std::nan(""));
  shard.series(g, {"neg"}).set(-INFINITY);
  shard.series(g, {"small"}).set(1e-9);
  EXPECT_EQ(text_of(registry),
            "# HELP g G.\n# TYPE g gauge\ng{n=\"inf\"} +Inf\ng{n=\"nan\"} NaN\ng{n=\"neg\"} "
            "-Inf\ng{n=\"small\"} 1e-09\n");
}

TEST(Prometheus, NothingCountedIsAnEmptyPage) {
  Registry registry;
  registry.add_counter("a_total", "A.");
  EXPECT_EQ(text_of(registry), "");
}

TEST(Prometheus, PromtoolAgrees) {
  if (std::system("promtool --version >/dev/null 2>&1") != 0) {
    std::cout << "skipped: promtool is not installed\n";
    GTEST_SKIP() << "promtool is not installed";
  }
  Registry registry(Registry::Options{.series_max = 50});
  auto requests = registry.add_counter("weir_requests_total", "Requests \\ and\nmore.", {"model"});
  auto seconds =
      registry.add_histogram("weir_request_duration_seconds", "Time.", {"model"}, latency_bounds());
  auto tokens = registry.add_histogram("weir_tokens", "Tokens.", {"model"}, token_count_bounds());
  auto first = registry.add_histogram("weir_first_token_seconds", "First token.", {}, token_latency_bounds());
  auto load = registry.add_gauge("weir_load", "Load.");
  Shard& shard = registry.add_shard();
  for (int i = 0; i < 100; ++i) {
    auto [r, s, t] = shard.series_of({"m\"\\\n" + std::to_string(i)}, requests, seconds, tokens);
    r.add();
    s.record(i * 0.01);
    t.record(i);
    shard.series(first, {}).record(i * 0.001);
  }
  shard.series(load, {}).set(INFINITY);
  std::FILE* tool = popen("promtool check metrics", "w");
  ASSERT_NE(tool, nullptr);
  std::string text = text_of(registry);
  std::fwrite(text.data(), 1, text.size(), tool);
  EXPECT_EQ(pclose(tool), 0) << text;
}

}  // namespace
}  // namespace weir::telemetry
