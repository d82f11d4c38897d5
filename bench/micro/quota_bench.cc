// What the meters of one request cost: four of them (key, user, team, tenant), each with a rate of requests,
// of tokens, and a budget: taking, reserving and settling, alone and with other threads on the same meters;
// and with nothing limited, where only what was used is counted.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "weir/base/assert.h"
#include "weir/quota/meter_table.h"

namespace {

using namespace weir;

std::vector<std::shared_ptr<quota::Meter>> meters(bool limited) {
  static quota::MeterTable table;
  std::vector<std::shared_ptr<quota::Meter>> all;
  for (const char* scope : {"key", "user", "team", "tenant"}) {
    Limits limits;
    if (limited) {
      limits.requests_per_minute = int64_t{1} << 40;
      limits.output_tokens_per_minute = int64_t{1} << 50;
      limits.budgets.push_back({BudgetPeriod::kMonth, int64_t{1} << 60, {}});
    }
    all.push_back(table.meter_of(scope, limited ? "limited" : "free", limits));
  }
  return all;
}

quota::Moment moment(int64_t ns) {
  return quota::Moment::at(MonoTime{ns}, WallTime{1'795'262'400'000'000'000 + ns});
}

void request(benchmark::State& state) {
  auto all = meters(true);
  int64_t ns = 1'000'000'000'000;
  quota::Amounts worst{1024, 1000, 3'000'000}, used{215, 128, 700'000};
  for (auto _ : state) {
    quota::Moment now = moment(ns += 20'000);
    WEIR_ASSERT(!quota::take_request(all, now));
    WEIR_ASSERT(!quota::reserve(all, worst, now));
    quota::settle(all, worst, used, now);
  }
}
BENCHMARK(request)->Name("quota/four_limited_meters");
BENCHMARK(request)->Name("quota/four_limited_meters_shared")->Threads(2)->UseRealTime();

void unlimited(benchmark::State& state) {
  auto all = meters(false);
  int64_t ns = 1'000'000'000'000;
  quota::Amounts used{215, 128, 700'000};
  for (auto _ : state)
    quota::settle(all, {}, used, moment(ns += 20'000));
}
BENCHMARK(unlimited)->Name("quota/four_meters_without_limits");

}  // namespace

BENCHMARK_MAIN();
