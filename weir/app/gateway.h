// Gateway: one weir, on any number of loops, real or simulated: builds a Core on each, opens the listeners,
// runs the local models (loop 0), swaps configurations and drains. Made, started and told on loop 0's thread;
// loops other than 0 are reached by post() only once they run.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weir/accounts/accounts.h"
#include "weir/accounts/jwks_source.h"
#include "weir/app/core.h"
#include "weir/app/data_directory.h"
#include "weir/app/otlp_exporter.h"
#include "weir/app/watching.h"
#include "weir/quota/bank.h"
#include "weir/quota/meter_table.h"
#include "weir/store/event_drainer.h"
#include "weir/store/ledger_follower.h"
#include "weir/store/tenant_metrics.h"
#include "weir/store/traffic_follower.h"
#include "weir/telemetry/metrics.h"

namespace weir::app {

class Gateway {
 public:
  /// `loops` outlive the gateway. Requires: they do not run yet.
  Gateway(std::vector<io::Loop*> loops, std::shared_ptr<const Settings> settings, int cpu_count);
  ~Gateway();

  /// Accounts are kept there, instead of where the settings say; nullptr changes nothing. Before start().
  void use_account_store(std::shared_ptr<store::AccountStore> store) { account_store_ = std::move(store); }
  /// Builds the cores, opens the listeners, starts the local models. Errors: kIo ("address already in use", a
  /// log or a data directory that can not be opened), kConfig (a TLS file).
  Result<void> start();

  /// Where it listens now, as "http://127.0.0.1:8080"; the first is the one to show.
  const std::vector<std::string>& urls() const { return urls_; }
  /// Where the control plane is; empty: it is switched off.
  const std::string& admin_url() const { return admin_url_; }
  /// The key that the first start made, to be shown once; empty: this was not the first.
  const std::optional<Secret>& owner_key() const { return owner_key_; }

  /// What the console shows as the configuration; with the next start() or reload().
  void set_shown_config(std::string text) {
    shown_config_ = std::make_shared<const std::string>(std::move(text));
  }

  /// New requests follow `settings` from now on; running ones keep theirs. Changes of listeners, cores, TLS
  /// and the log file need a restart: named in the log.
  void reload(std::shared_ptr<const Settings> settings);
  /// Writes an event to the operator's log.
  Log& log() { return cores_.front()->log(); }
  /// The file says something that is no configuration; the one before stays in force.
  void refused_configuration(std::string_view problems);
  void reopen_logs();

  /// Ends it: no new work, running answers finish (bounded by server.drain_ms), local models stop; then
  /// `done` on loop 0.
  /// Called again: running answers are cut now.
  void drain(std::function<void()> done);

  const LocalModelTable& local_models() const { return local_table_; }
  const quota::MeterTable& meters() const { return meters_; }

 private:
  struct LocalProviderRun {
    ProviderSettings settings;
    std::shared_ptr<upstream::LocalModels> models;
  };

  Result<void> open_accounts(const accounts::AccountMetrics& metrics);
  Result<std::unique_ptr<pipeline::EventLog>> open_events(int core, const pipeline::EventMetrics& metrics);
  Result<std::unique_ptr<store::EventDrainer>> make_drainer(const store::DrainerMetrics& metrics);
  Result<void> open_shared_ledger(const store::LedgerFollowerMetrics& metrics);
  void make_watching(std::shared_ptr<store::TrafficStore> traffic, const Watching::Metrics& metrics);
  Result<void> begin_meters();
  Result<void> open_bank(const quota::BankMetrics& metrics);
  Result<void> start_local_models(const Settings& settings);
  io::Task<void> stop_local_models();
  void start_token_keys();
  void start_otlp(OtlpOptions options, const OtlpExporter::Metrics& metrics);
  io::Task<void> stop_when_unused(std::shared_ptr<upstream::LocalModels> models);
  std::string metrics_text();
  std::vector<std::string> warnings() const;

  std::vector<io::Loop*> loops_;
  std::shared_ptr<const Settings> settings_;
  const int cpu_count_;
  std::shared_ptr<const std::string> shown_config_;  // nullptr: none
  telemetry::Registry registry_;
  std::optional<io::TlsServerOptions> tls_;
  std::optional<DataDirectory> data_;  // none: nothing is kept
  std::shared_ptr<store::AccountStore> account_store_;
  SharedDatabase shared_;  // nullptr: this replica is the only one
  upstream::ThoughtPins thought_pins_;
  quota::MeterTable meters_;
  admin::SignInLimit sign_ins_;
  std::shared_ptr<store::Ledger> ledger_;         // nullptr: nothing is kept
  std::unique_ptr<accounts::Accounts> accounts_;  // nullptr: the configuration's keys only
  std::optional<Secret> owner_key_;
  std::vector<std::unique_ptr<quota::Renewals>> renewals_;  // of each core
  std::unique_ptr<quota::Bank> bank_;                       // nullptr: limits are this process's own
  std::vector<std::unique_ptr<Core>> cores_;
  std::unique_ptr<store::TenantMetrics> by_tenant_;   // nullptr: nothing is kept
  std::unique_ptr<store::EventDrainer> drainer_;      // nullptr: nothing is kept
  std::shared_ptr<std::atomic<int64_t>> kept_from_;   // segments of events that the shared ledger still wants
  std::unique_ptr<store::LedgerFollower> sharing_;    // nullptr: the ledger is this replica's own
  std::unique_ptr<store::TrafficFollower> follower_;  // nullptr: no charts
  std::unique_ptr<Watching> watching_;
  std::vector<LocalProviderRun> local_runs_;
  LocalModelTable local_table_;
  std::unique_ptr<accounts::JwksSource> token_keys_;
  std::unique_ptr<OtlpExporter> otlp_;  // nullptr: no collector is named
  std::vector<std::string> urls_;
  std::string admin_url_;
  io::TaskGroup tasks_;  // on loop 0
  io::Cancel ending_;    // requested when local models stop for good
  size_t draining_ = 0;
  std::function<void()> drained_;
};

}  // namespace weir::app
