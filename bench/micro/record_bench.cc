// What one request pays for being written down: its event alone, and everything the recorder does for it
// (metrics, log line, event) on a real loop with real files: the ring mapped from a disk, its group sync on a
// worker, the log to /dev/null, with rests that are not counted: two million lines a second are more than
// their worker makes, and a line that is dropped is cheaper. The drainer is left out: it runs on a worker,
// and bench/run telemetry counts its CPU time too.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>

#include "weir/base/assert.h"
#include "weir/io/net/runtime.h"
#include "weir/pipeline/record/event_of.h"
#include "weir/pipeline/record/recorder.h"

namespace {

using namespace weir;
using exchange::Exchange;

struct NoSource final : exchange::RequestSource {
  io::Task<Result<void>> receive(Exchange&) override { co_return Result<void>{}; }
};

// A chat request that went well.
struct Finished {
  explicit Finished(io::Loop& loop) : exchange(loop, cancel, exchange::Operation::kChat, source) {
    Exchange& x = exchange;
    x.id = "req_0123456789abcdef01234567";
    x.peer = "127.0.0.1:50000";
    x.principal = exchange::Principal::with_key("team-a");
    x.request.model = "gpt-4o-mini";
    x.request.body_bytes = 1024;
    x.route.model = "gpt-4o-mini";
    int64_t now = loop.now().ns;
    x.timeline = {.received = {now},
                  .authenticated = {now + 10'000},
                  .parsed = {now + 20'000},
                  .routed = {now + 25'000},
                  .connected = {now + 30'000},
                  .first_byte = {now + 400'000'000},
                  .first_token = {now + 410'000'000},
                  .last_byte = {now + 900'000'000}};
    x.usage = {.input_tokens = 215, .output_tokens = 128, .cached_input_tokens = 64};
    x.outcome.status = 200;
    x.outcome.attempts = 1;
    x.outcome.provider = "openai";
    x.outcome.provider_model = "gpt-4o-mini-2024-07-18";
    x.outcome.endpoint = "api.openai.com:443";
    x.outcome.answer_bytes = 700;
  }
  io::Cancel cancel;
  NoSource source;
  Exchange exchange;
};

class Folder {
 public:
  explicit Folder(io::Disk& disk) : disk_(disk), path_(*disk.make_temporary_directory("weir-bench-")) {}
  ~Folder() { disk_.remove(path_); }
  const std::string& path() const { return path_; }

 private:
  io::Disk& disk_;
  std::string path_;
};

void event_append(benchmark::State& state) {
  auto runtime = *io::net::Runtime::create({.cores = 1});
  io::Loop& loop = runtime->loop(0);
  Folder folder(loop.disk());
  auto file = *loop.disk().map_file(folder.path() + "/ring", 4 << 20);
  auto ring = *telemetry::EventRing::open(file->bytes());
  Finished finished(loop);
  telemetry::Event event = pipeline::event_of(finished.exchange, loop.now(), loop.wall_now());
  for (auto _ : state) {
    while (!ring.reserve())
      ring.set_drained(ring.next());
    benchmark::DoNotOptimize(ring.append(event));
  }
}
BENCHMARK(event_append);

struct Recording {
  Recording(io::Loop& l, bool with_events) : loop(l), folder(l.disk()), finished(l) {
    record_metrics = pipeline::register_metrics(registry);
    pipeline::EventMetrics event_metrics = pipeline::register_event_metrics(registry);
    if (with_events)
      events = *pipeline::EventLog::open(loop, folder.path() + "/ring", {}, registry, event_metrics,
                                         [](bool, std::string_view) { std::abort(); });
    recorder.emplace(loop, registry, record_metrics, *log, events.get());
  }
  void request() {
    WEIR_ASSERT(recorder->begin(finished.exchange));
    recorder->record(finished.exchange);
    if (events && events->ring().free_places() < 1024) events->ring().set_drained(events->ring().next());
  }
  io::Task<void> requests(int64_t n, io::net::Runtime& runtime) {
    io::Cancel never;
    for (int64_t i = 0; i < n;) {
      auto began = std::chrono::steady_clock::now();
      for (int64_t end = std::min(n, i + kBurst); i < end; ++i) {
        request();
        if (i % 64 == 63) co_await turn();  // the loop goes on: timers, syncs
      }
      took += std::chrono::steady_clock::now() - began;
      co_await io::sleep(loop, kRest, never);
    }
    if (events) co_await events->finish();
    runtime.stop_all();
  }
  struct Turn {
    io::Loop& loop;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> h) {
      loop.post([h] { h.resume(); });
    }
    void await_resume() const {}
  };
  Turn turn() { return {loop}; }

  static constexpr int64_t kBurst = 8000;  // less than the log's buffer holds
  static constexpr Duration kRest = milliseconds(20);
  std::chrono::duration<double> took{};
  io::Loop& loop;
  Folder folder;
  Finished finished;
  telemetry::Registry registry;
  pipeline::RecordMetrics record_metrics;
  std::unique_ptr<io::LogWriter> log = *loop.disk().open_log("/dev/null", 4 << 20);
  std::unique_ptr<pipeline::EventLog> events;
  std::optional<pipeline::Recorder> recorder;
};

void record(benchmark::State& state, bool with_events) {
  constexpr int64_t kBatch = 200'000;
  uint64_t dropped = 0;
  while (state.KeepRunningBatch(kBatch)) {
    auto runtime = *io::net::Runtime::create({.cores = 1});
    Recording recording(runtime->loop(0), with_events);
    io::TaskGroup tasks;
    runtime->loop(0).post([&] { tasks.start(recording.requests(kBatch, *runtime)); });
    runtime->run();
    state.SetIterationTime(recording.took.count());
    dropped += recording.log->dropped();
  }
  state.counters["log_dropped"] = static_cast<double>(dropped);
}
BENCHMARK_CAPTURE(record, everything, true)->UseManualTime();
BENCHMARK_CAPTURE(record, without_event, false)->UseManualTime();

}  // namespace

BENCHMARK_MAIN();
