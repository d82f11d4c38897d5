// Gateway: one weir, on any number of loops, real or simulated: builds a Core on each, opens the listeners,
// runs the local models (loop 0), swaps configurations and drains. Made, started and told on loop 0's thread;
// loops other than 0 are reached by post() only once they run.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weir/app/core.h"
#include "weir/app/data_directory.h"
#include "weir/store/event_drainer.h"
#include "weir/telemetry/metrics.h"

namespace weir::app {

class Gateway {
 public:
  /// `loops` outlive the gateway. Requires: they do not run yet.
  Gateway(std::vector<io::Loop*> loops, std::shared_ptr<const Settings> settings, int cpu_count);
  ~Gateway();

  /// Builds the cores, opens the listeners, starts the local models. Errors: kIo ("address already in use", a
  /// log or a data directory that can not be opened), kConfig (a TLS file).
  Result<void> start();

  /// Where it listens now, as "http://127.0.0.1:8080"; the first is the one to show.
  const std::vector<std::string>& urls() const { return urls_; }

  /// New requests follow `settings` from now on; running ones keep theirs. Changes of listeners, cores, TLS
  /// and the log file need a restart: named in the log.
  void reload(std::shared_ptr<const Settings> settings);
  /// Writes an event to the operator's log.
  Log& log() { return cores_.front()->log(); }
  void reopen_logs();

  /// Ends it: no new work, running answers finish (bounded by server.drain_ms), local models stop; then
  /// `done` on loop 0.
  /// Called again: running answers are cut now.
  void drain(std::function<void()> done);

  const LocalModelTable& local_models() const { return local_table_; }

 private:
  struct LocalProviderRun {
    ProviderSettings settings;
    std::shared_ptr<upstream::LocalModels> models;
  };

  Result<std::unique_ptr<pipeline::EventLog>> open_events(int core, const pipeline::EventMetrics& metrics);
  Result<std::unique_ptr<store::EventDrainer>> make_drainer(const store::DrainerMetrics& metrics);
  Result<void> start_local_models(const Settings& settings);
  io::Task<void> stop_local_models();
  io::Task<void> stop_when_unused(std::shared_ptr<upstream::LocalModels> models);
  std::string metrics_text();
  std::vector<std::string> warnings() const;

  std::vector<io::Loop*> loops_;
  std::shared_ptr<const Settings> settings_;
  const int cpu_count_;
  telemetry::Registry registry_;
  std::optional<io::TlsServerOptions> tls_;
  std::optional<DataDirectory> data_;  // none: nothing is kept
  std::vector<std::unique_ptr<Core>> cores_;
  std::unique_ptr<store::EventDrainer> drainer_;  // nullptr: nothing is kept
  std::vector<LocalProviderRun> local_runs_;
  LocalModelTable local_table_;
  std::vector<std::string> urls_;
  io::TaskGroup tasks_;  // on loop 0
  io::Cancel ending_;    // requested when local models stop for good
  size_t draining_ = 0;
  std::function<void()> drained_;
};

}  // namespace weir::app
