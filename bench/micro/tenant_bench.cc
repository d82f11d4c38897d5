// What counting a record by tenant costs the worker that stores it: reading its bytes and adding to the
// series of its tenant, provider and model; for one tenant, and for two hundred in turn. Nothing of it is on
// a request's core.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "weir/store/tenant_metrics.h"
#include "weir/telemetry/event.h"

namespace {

using namespace weir;
using telemetry::EventText;

std::vector<std::vector<std::byte>> records(int tenants) {
  std::vector<std::vector<std::byte>> all;
  for (int i = 0; i < tenants; ++i) {
    std::string tenant = "ten_" + std::to_string(1000 + i);
    telemetry::Event e;
    e.event_class = telemetry::EventClass::kUsage;
    e.status = 200;
    e.attempts = 1;
    e.input_tokens = 215;
    e.cached_input_tokens = 64;
    e.output_tokens = 128;
    e.cost_nanodollars = 700'000;
    e.first_token_us = 140'000;
    e.ended_us = 900'000;
    e.text(EventText::kTenant) = tenant;
    e.text(EventText::kProvider) = "openai";
    e.text(EventText::kModel) = "gpt-4o-mini";
    e.text(EventText::kOutcome) = "ok";
    std::vector<std::byte> bytes(telemetry::kEventBytesMax);
    bytes.resize(telemetry::encode(e, bytes));
    all.push_back(std::move(bytes));
  }
  return all;
}

void count(benchmark::State& state) {
  telemetry::Registry registry;
  auto families = store::register_tenant_families(registry);
  store::TenantMetrics metrics(registry, families);
  auto all = records(static_cast<int>(state.range(0)));
  size_t i = 0;
  for (auto _ : state) {
    if (auto event = telemetry::decode(all[i++ % all.size()])) metrics.add(*event);
  }
}
BENCHMARK(count)->Name("count a record by tenant")->Arg(1)->Arg(200);

}  // namespace

BENCHMARK_MAIN();
