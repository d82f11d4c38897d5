// What a request pays for being measured: one record, one look-up, and the updates of a whole request.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "weir/telemetry/metrics.h"
#include "weir/telemetry/prometheus.h"

namespace {

using namespace std::string_view_literals;
using weir::telemetry::Counter;
using weir::telemetry::Gauge;
using weir::telemetry::Histogram;
using weir::telemetry::HistogramCells;
using weir::telemetry::Registry;
using weir::telemetry::Shard;

std::vector<double> latencies() {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> latency(-1, 1.2);
  std::vector<double> values(65536);
  for (double& v : values)
    v = latency(random);
  return values;
}

void record(benchmark::State& state) {
  HistogramCells cells;
  std::vector<double> values = latencies();
  size_t i = 0;
  for (auto _ : state)
    cells.record(values[i++ & 65535]);
}
BENCHMARK(record);

void count(benchmark::State& state) {
  Registry registry;
  auto family = registry.add_counter("c_total", "C.");
  Counter counter = registry.add_shard().series(family, {});
  for (auto _ : state)
    counter.add();
}
BENCHMARK(count);

struct Request {
  Registry registry;
  weir::telemetry::Family<Counter> requests =
      registry.add_counter("r_total", "R.", {"tenant", "model", "status"});
  weir::telemetry::Family<Counter> input =
      registry.add_counter("i_total", "I.", {"tenant", "model", "status"});
  weir::telemetry::Family<Counter> output =
      registry.add_counter("o_total", "O.", {"tenant", "model", "status"});
  weir::telemetry::Family<Gauge> running = registry.add_gauge("g", "G.", {"tenant", "model", "status"});
  weir::telemetry::Family<Histogram> whole = registry.add_histogram(
      "h_seconds", "H.", {"tenant", "model", "status"}, weir::telemetry::latency_bounds());
  weir::telemetry::Family<Histogram> first = registry.add_histogram(
      "t_seconds", "T.", {"tenant", "model", "status"}, weir::telemetry::token_latency_bounds());
};

// Six series of 64 label tuples each.
void request_with_lookup(benchmark::State& state) {
  Request m;
  Shard& shard = m.registry.add_shard();
  std::vector<double> values = latencies();
  std::vector<std::string> models;
  for (int i = 0; i < 64; ++i)
    models.push_back("llama-3.1-8b-instruct-" + std::to_string(i));
  size_t i = 0;
  for (auto _ : state) {
    auto [requests, input, output, running, whole, first] =
        shard.series_of({"tenant-one"sv, models[i & 63], "200"sv}, m.requests, m.input, m.output, m.running,
                        m.whole, m.first);
    double v = values[i++ & 65535];
    requests.add();
    input.add(512);
    output.add(128);
    running.add(-1);
    whole.record(v);
    first.record(v * 0.1);
  }
}
BENCHMARK(request_with_lookup);

void request_with_handles(benchmark::State& state) {
  Request m;
  Shard& shard = m.registry.add_shard();
  std::vector<double> values = latencies();
  auto [requests, input, output, running, whole, first] = shard.series_of(
      {"tenant-one"sv, "llama"sv, "200"sv}, m.requests, m.input, m.output, m.running, m.whole, m.first);
  size_t i = 0;
  for (auto _ : state) {
    double v = values[i++ & 65535];
    requests.add();
    input.add(512);
    output.add(128);
    running.add(-1);
    whole.record(v);
    first.record(v * 0.1);
  }
}
BENCHMARK(request_with_handles);

// 1,000 histogram series and 1,000 counters in two shards.
void scrape(benchmark::State& state) {
  Registry registry;
  auto seconds = registry.add_histogram("h_seconds", "H.", {"m"}, weir::telemetry::latency_bounds());
  auto requests = registry.add_counter("r_total", "R.", {"m"});
  std::vector<double> values = latencies();
  for (int core = 0; core < 2; ++core) {
    Shard& shard = registry.add_shard();
    for (size_t i = 0; i < 60'000; ++i) {
      auto [s, r] = shard.series_of({std::to_string(i % 1000)}, seconds, requests);
      s.record(values[i]);
      r.add();
    }
  }
  std::string out;
  for (auto _ : state) {
    out.clear();
    weir::telemetry::write_prometheus(registry, out);
  }
  state.counters["bytes"] = static_cast<double>(out.size());
}
BENCHMARK(scrape);

}  // namespace

BENCHMARK_MAIN();
