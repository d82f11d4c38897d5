#include "weir/app/gateway.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/telemetry/prometheus.h"

namespace weir::app {
namespace {

constexpr size_t kLogBufferBytesMax = 4 << 20;
constexpr Duration kDrainerEnd = seconds(5);

std::string url_of(const io::Address& address, bool tls) {
  if (address.kind == io::Address::Kind::kUnix) return address.to_string();
  return (tls ? "https://" : "http://") + address.to_string();
}

store::Retention retention(const EventSettings& events) {
  return {.age_max = std::chrono::days(events.keep_days),
          .bytes_max = static_cast<uint64_t>(events.keep_bytes)};
}

}  // namespace

Gateway::Gateway(std::vector<io::Loop*> loops, std::shared_ptr<const Settings> settings, int cpu_count)
    : loops_(std::move(loops)), settings_(std::move(settings)), cpu_count_(cpu_count) {}

Gateway::~Gateway() {
  WEIR_ASSERT(tasks_.running() == 0);
}

Result<void> Gateway::start() {
  const Settings& settings = *settings_;
  if (settings.server.tls) {
    io::Disk& disk = loops_.front()->disk();
    TRY(std::string certificate, disk.read_file(settings.server.tls->certificate, 1 << 20));
    TRY(std::string key, disk.read_file(settings.server.tls->private_key, 1 << 20));
    tls_ = io::TlsServerOptions{std::move(certificate), std::move(key)};
  }
  if (settings.events.enabled || settings.responses.store) {
    TRY(data_, open_data_directory(settings.data.directory, *loops_.front()));
  }
  pipeline::RecordMetrics record_metrics = pipeline::register_metrics(registry_);
  server::RefusalMetrics refusal_metrics = server::register_refusal_metrics(registry_);
  upstream::FailureMetrics failure_metrics = upstream::register_failure_metrics(registry_);
  pipeline::EventMetrics event_metrics = pipeline::register_event_metrics(registry_);
  store::DrainerMetrics drainer_metrics = store::register_drainer_metrics(registry_);
  std::shared_ptr<store::ResponseStore> responses;
  if (settings.responses.store) {
    TRY(responses, make_response_store(data_->path, loops_.front()->disk()));
  }
  int cores = static_cast<int>(loops_.size());
  for (int k = 0; k < cores; ++k) {
    io::Loop& loop = *loops_[static_cast<size_t>(k)];
    TRY(auto log, loop.disk().open_log(settings.log.file, kLogBufferBytesMax));
    std::unique_ptr<pipeline::EventLog> events;
    if (settings.events.enabled) {
      TRY(events, open_events(k, event_metrics));
    }
    cores_.push_back(std::make_unique<Core>(
        loop, std::move(log), registry_, record_metrics, refusal_metrics, failure_metrics, std::move(events),
        [this] { return metrics_text(); }, [this] { return warnings(); }, responses, settings, cores));
  }
  if (settings.events.enabled) {
    TRY(drainer_, make_drainer(drainer_metrics));
  }
  TRY_VOID(start_local_models(settings));
  for (auto& core : cores_)
    core->move_in(settings_, local_table_);

  auto open = [&](const std::string& text, bool metrics_only) -> Result<void> {
    TRY(io::Address at, io::Address::parse(text));
    const io::TlsServerOptions* tls = tls_ && !metrics_only ? &*tls_ : nullptr;
    for (auto& core : cores_) {
      if (&core != &cores_.front() && (metrics_only || at.kind == io::Address::Kind::kUnix)) break;
      TRY(at, core->listen(at, tls, static_cast<int>(settings.server.limits.backlog), metrics_only));
    }
    if (!metrics_only) urls_.push_back(url_of(at, tls != nullptr));
    return {};
  };
  for (const std::string& text : settings.server.listen)
    TRY_VOID(open(text, false));
  if (settings.metrics.enabled && settings.metrics.listen) TRY_VOID(open(*settings.metrics.listen, true));
  if (drainer_) TRY_VOID(drainer_->start());  // last: what has begun must be ended by drain()
  for (auto& core : cores_)
    core->start();
  return {};
}

Result<std::unique_ptr<pipeline::EventLog>> Gateway::open_events(int k,
                                                                 const pipeline::EventMetrics& metrics) {
  auto say = [this, k](bool bad, std::string_view sentence) {
    cores_[static_cast<size_t>(k)]->log().write(bad ? LogLevel::kError : LogLevel::kInfo, sentence);
  };
  auto events = pipeline::EventLog::open(*loops_[static_cast<size_t>(k)], data_->ring(k), settings_->events,
                                         registry_, metrics, say);
  if (!events) return fail_internal(ErrorCode::kIo, "data.directory: " + events.error().message);
  return events;
}

Result<std::unique_ptr<store::EventDrainer>> Gateway::make_drainer(const store::DrainerMetrics& metrics) {
  io::Loop& loop = *loops_.front();
  auto say = [this](bool bad, std::string_view sentence) {
    log().write(bad ? LogLevel::kError : LogLevel::kInfo, sentence);
  };
  TRY(auto store, make_event_store(data_->path, data_->replica, loop.disk()));
  std::vector<store::EventDrainer::Ring> rings;
  for (size_t k = 0; k < cores_.size(); ++k)
    rings.push_back({std::to_string(k), cores_[k]->event_ring()});
  return std::make_unique<store::EventDrainer>(
      loop, std::move(store), std::move(rings),
      former_rings(*data_, static_cast<int>(cores_.size()), loop.disk(), say), registry_, metrics, say,
      store::EventDrainer::Options{.retention = retention(settings_->events)});
}

// ------------------------------------------------------------------------------ local models

Result<void> Gateway::start_local_models(const Settings& settings) {
  std::vector<LocalProviderRun> runs;
  LocalModelTable table;
  for (const ProviderSettings& provider : settings.providers) {
    if (provider.kind != ProviderKind::kLocal) continue;
    std::shared_ptr<upstream::LocalModels> models;
    for (const LocalProviderRun& run : local_runs_)  // an unchanged one keeps running
      if (run.settings == provider) models = run.models;
    if (!models) {
      TRY(auto made,
          upstream::LocalModels::create(*loops_.front(), provider, cpu_count_, [this](std::string_view text) {
            if (!cores_.empty()) log().info(text);
          }));
      models = std::move(made);
    }
    table[provider.name] = models->models();
    runs.push_back({provider, std::move(models)});
  }
  // Nothing can fail from here on.
  auto runs_in = [](const std::vector<LocalProviderRun>& list, const LocalProviderRun& run) {
    return std::ranges::any_of(list, [&](const LocalProviderRun& r) { return r.models == run.models; });
  };
  for (LocalProviderRun& run : runs)
    if (!runs_in(local_runs_, run)) run.models->start();
  std::swap(local_runs_, runs);
  local_table_ = std::move(table);
  for (LocalProviderRun& run : runs)
    if (!runs_in(local_runs_, run)) tasks_.start(stop_when_unused(std::move(run.models)));
  return {};
}

// Calls under way on the version of the house before still use the models: the last one gone, they stop.
io::Task<void> Gateway::stop_when_unused(std::shared_ptr<upstream::LocalModels> models) {
  auto used = [&] {
    return std::ranges::any_of(models->models(), [](const auto& m) { return m.use_count() > 2; });  // 2: ours
  };
  while (used() && co_await io::sleep(*loops_.front(), milliseconds(100), ending_)) {
  }
  co_await models->stop();
}

io::Task<void> Gateway::stop_local_models() {
  ending_.request(io::CancelReason::kShutdown);
  for (LocalProviderRun& run : local_runs_)
    co_await run.models->stop();
  local_runs_.clear();
}

// ------------------------------------------------------------------------------------ reload

void Gateway::reload(std::shared_ptr<const Settings> settings) {
  auto needs_restart = [&](std::string_view what, bool changed) {
    if (changed) log().warn("this change of the configuration needs a restart", {{"setting", what}});
  };
  needs_restart("server.listen", settings->server.listen != settings_->server.listen);
  needs_restart("server.cores", settings->server.cores != settings_->server.cores);
  needs_restart("server.tls", settings->server.tls != settings_->server.tls);
  needs_restart("server.limits.backlog", settings->server.limits.backlog != settings_->server.limits.backlog);
  needs_restart("metrics.listen", settings->metrics.listen != settings_->metrics.listen);
  needs_restart("log.file", settings->log.file != settings_->log.file);
  needs_restart("data.directory", settings->data.directory != settings_->data.directory);
  needs_restart("events.enabled", settings->events.enabled != settings_->events.enabled);
  needs_restart("responses.store", settings->responses.store != settings_->responses.store);
  needs_restart("events.ring_bytes", settings->events.ring_bytes != settings_->events.ring_bytes);

  if (auto started = start_local_models(*settings); !started) {
    log().error("the new configuration was not taken", {{"error", started.error().message}});
    return;
  }
  settings_ = std::move(settings);
  if (drainer_) drainer_->set_retention(retention(settings_->events));
  auto table = std::make_shared<const LocalModelTable>(local_table_);
  for (auto& core : cores_)
    core->loop().post([c = core.get(), s = settings_, table] { c->move_in(s, *table); });
  log().info("configuration taken");
}

void Gateway::reopen_logs() {
  for (auto& core : cores_)
    core->loop().post([c = core.get()] { c->log().writer().reopen(); });
}

std::string Gateway::metrics_text() {
  std::string text;
  telemetry::write_prometheus(registry_, text);
  return text;
}

// The drainer is made before anybody listens and lives to the end. /ready needs no key: paths and the
// system's words stay in the log.
std::vector<std::string> Gateway::warnings() const {
  if (!drainer_ || drainer_->trouble().empty()) return {};
  return {"events are not stored, they wait in their rings; the log says why"};
}

// ------------------------------------------------------------------------------------- drain

namespace {

io::Task<void> drain_core(Core& core, Duration bound, std::function<void()> done) {
  co_await core.drain(bound);
  done();
}

}  // namespace

void Gateway::drain(std::function<void()> done) {
  if (drained_) {
    for (auto& core : cores_)
      core->loop().post([c = core.get()] { c->cut(); });
    return;
  }
  drained_ = std::move(done);
  draining_ = cores_.size();
  log().info("draining");
  for (auto& core : cores_) {
    io::Loop* first = loops_.front();
    core->loop().post([this, first, c = core.get()] {
      auto finished = [this, first] {
        first->post([this] {
          if (--draining_ > 0) return;
          auto end = [](Gateway& g) -> io::Task<void> {
            if (g.drainer_) co_await g.drainer_->finish(kDrainerEnd);  // the rings keep what is left
            co_await g.stop_local_models();
            g.log().info("stopped");
            g.drained_();
          };
          tasks_.start(end(*this));
        });
      };
      c->drain_tasks().start(drain_core(*c, settings_->server.drain, finished));
    });
  }
}

}  // namespace weir::app
