#include "weir/telemetry/metrics.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <map>
#include <thread>

#include "weir/telemetry/prometheus.h"

namespace weir::telemetry {
namespace {

using testing::ElementsAre;

std::map<std::string, double> values_of(const Registry& registry) {
  std::map<std::string, double> values;
  for (const SeriesView& s : registry.collect()) {
    if (s.family->kind == Kind::kHistogram) continue;
    std::string key = s.family->name;
    for (std::string_view label : s.labels)
      key += fmt::format("/{}", label);
    values[key] = s.value();
  }
  return values;
}

TEST(Metrics, ShardsAddUp) {
  Registry registry;
  auto requests = registry.add_counter("requests_total", "Requests.", {"model", "status"});
  auto open = registry.add_gauge("open", "Open connections.");
  Shard& a = registry.add_shard();
  Shard& b = registry.add_shard();
  a.series(requests, {"m", "200"}).add();
  a.series(requests, {"m", "200"}).add(2);
  b.series(requests, {"m", "200"}).add(10);
  b.series(requests, {"m", "500"}).add();
  a.series(open, {}).set(5);
  b.series(open, {}).add(3);
  b.series(open, {}).add(-1);
  EXPECT_EQ(values_of(registry),
            (std::map<std::string, double>{
                {"requests_total/m/200", 13}, {"requests_total/m/500", 1}, {"open", 7}}));
}

TEST(Metrics, LabelTuplesAreToldApart) {
  Registry registry;
  auto f = registry.add_counter("f_total", "F.", {"a", "b"});
  auto g = registry.add_counter("g_total", "G.", {"a", "b"});
  Shard& shard = registry.add_shard();
  shard.series(f, {"ab", "c"}).add(1);
  shard.series(f, {"a", "bc"}).add(2);
  shard.series(f, {"", "abc"}).add(3);
  shard.series(f, {std::string_view("a\0", 2), "bc"}).add(4);
  shard.series(g, {"ab", "c"}).add(5);
  auto values = values_of(registry);
  EXPECT_EQ(values.size(), 5u);
  EXPECT_EQ(values["f_total/ab/c"], 1);
  EXPECT_EQ(values["f_total/a/bc"], 2);
  EXPECT_EQ(values["f_total//abc"], 3);
  EXPECT_EQ(values["g_total/ab/c"], 5);
}

TEST(Metrics, SeveralFamiliesWithOneLookup) {
  Registry registry;
  auto requests = registry.add_counter("r_total", "R.", {"model"});
  auto seconds = registry.add_histogram("s_seconds", "S.", {"model"}, latency_bounds());
  auto running = registry.add_gauge("g", "G.", {"model"});
  Shard& shard = registry.add_shard();
  for (int i = 0; i < 3; ++i) {
    auto [r, s, g] = shard.series_of({"m"}, requests, seconds, running);
    r.add();
    s.record(0.5);
    g.set(i);
  }
  shard.series(requests, {"m"}).add();  // the same series
  EXPECT_EQ(values_of(registry)["r_total/m"], 4);
  EXPECT_EQ(values_of(registry)["g/m"], 2);
  auto all = registry.collect();
  ASSERT_EQ(all.size(), 3u);
  HistogramSnapshot snapshot;
  all[1].add_histogram(snapshot);
  EXPECT_EQ(snapshot.count(), 3u);
}

TEST(Metrics, ManySeriesKeepTheirHandles) {
  Registry registry;
  auto f = registry.add_counter("f_total", "F.", {"i"});
  Shard& shard = registry.add_shard();
  std::vector<Counter> handles;
  for (int i = 0; i < 5000; ++i)
    handles.push_back(shard.series(f, {fmt::to_string(i)}));
  for (int i = 0; i < 5000; ++i) {
    handles[static_cast<size_t>(i)].add(i);
    shard.series(f, {fmt::to_string(i)}).add(1);
  }
  auto values = values_of(registry);
  EXPECT_EQ(values.size(), 5000u);
  for (int i = 0; i < 5000; ++i)
    ASSERT_EQ(values[fmt::format("f_total/{}", i)], i + 1);
}

TEST(Metrics, TooManySeriesOverflow) {
  Registry registry(Registry::Options{.series_max = 3});
  auto f = registry.add_counter("f_total", "F.", {"a", "b"});
  auto h = registry.add_histogram("h_seconds", "H.", {"a"}, {1});
  Shard& shard = registry.add_shard();
  for (int i = 0; i < 10; ++i) {
    shard.series(f, {fmt::to_string(i), "x"}).add();
    shard.series(h, {fmt::to_string(i)}).record(1);
  }
  shard.series(f, {"0", "x"}).add();  // what was there first stays
  auto values = values_of(registry);
  EXPECT_EQ(values["f_total/0/x"], 2);
  EXPECT_EQ(values["f_total/__overflow__/__overflow__"], 7);
  EXPECT_EQ(values["weir_metrics_overflow_total/f_total"], 7);
  EXPECT_EQ(values["weir_metrics_overflow_total/h_seconds"], 7);
  EXPECT_EQ(registry.collect().size(), 4u + 4u + 2u);
}

TEST(Metrics, CollectGroupsFamiliesInOrder) {
  Registry registry;
  auto z = registry.add_counter("z_total", "Z.", {"l"});
  auto a = registry.add_counter("a_total", "A.", {"l"});
  Shard& one = registry.add_shard();
  Shard& two = registry.add_shard();
  one.series(a, {"2"}).add();
  two.series(z, {"b"}).add();
  one.series(z, {"a"}).add();
  two.series(a, {"1"}).add();
  std::vector<std::string> order;
  for (const SeriesView& s : registry.collect())
    order.push_back(s.family->name + std::string(s.labels[0]));
  EXPECT_THAT(order, ElementsAre("z_totala", "z_totalb", "a_total1", "a_total2"));
}

using MetricsDeathTest = testing::Test;
TEST(MetricsDeathTest, RefusesWhatPrometheusWould) {
  Registry registry;
  auto f = registry.add_counter("ok_total", "Ok.", {"a"});
  EXPECT_DEATH(registry.add_counter("ok_total", "Twice."), "broken invariant");
  EXPECT_DEATH(registry.add_counter("1bad", "Bad."), "broken invariant");
  EXPECT_DEATH(registry.add_counter("bad", "Bad.", {"le"}), "broken invariant");
  EXPECT_DEATH(registry.add_counter("bad", "Bad.", {"a-b"}), "broken invariant");
  EXPECT_DEATH(registry.add_histogram("bad", "Bad.", {}, {2, 1}), "broken invariant");
  Shard& shard = registry.add_shard();
  EXPECT_DEATH(shard.series(f, {"a", "b"}), "broken invariant");
  EXPECT_DEATH(registry.add_counter("late_total", "Late."), "broken invariant");
}

// Two cores write and add series while a third thread reads: counters never fall, and the end is exact. The
// thread sanitizer watches the rest.
TEST(Metrics, ScrapeWhileTheCoresGoOn) {
  Registry registry;
  auto requests = registry.add_counter("r_total", "R.", {"model"});
  auto seconds = registry.add_histogram("s_seconds", "S.", {"model"}, latency_bounds());
  constexpr int kRounds = 20'000, kModels = 97, kCores = 2;
  std::atomic<int> done = 0;
  std::vector<std::thread> cores;
  for (int core = 0; core < kCores; ++core) {
    Shard& shard = registry.add_shard();
    cores.emplace_back([&, core] {
      for (int i = 0; i < kRounds; ++i) {
        std::string model = fmt::format("m{}", i % (1 + i / 200 % kModels));
        auto [r, s] = shard.series_of({model}, requests, seconds);
        r.add();
        s.record(std::ldexp(1.0, i % 40 - 20) * (core + 1));
      }
      ++done;
    });
  }
  double last = 0;
  uint64_t last_records = 0;
  while (true) {
    bool finished = done == kCores;
    double now = 0;
    HistogramSnapshot all;
    for (const SeriesView& s : registry.collect()) {
      if (s.family->kind == Kind::kCounter)
        now += s.value();
      else
        s.add_histogram(all);
    }
    ASSERT_GE(now, last);
    ASSERT_GE(all.count(), last_records);
    last = now;
    last_records = all.count();
    std::string text;
    write_prometheus(registry, text);
    if (finished) break;
  }
  for (std::thread& t : cores)
    t.join();
  EXPECT_EQ(last, kRounds * kCores);
  EXPECT_EQ(last_records, kRounds * kCores);
}

}  // namespace
}  // namespace weir::telemetry
