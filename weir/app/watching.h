// Watching: what weir says of itself besides its requests' counters, kept on loop 0: gauges that somebody has
// to go and look for (breakers of every core, budgets, the certificate's end), weir's own alerts, and the
// chronicle of the installation (starts, configurations, alerts) as rows of the audit log. Nothing here is on
// a request's path. Made before anything runs; start() last, finish() before what it looks at goes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/alerts/watch.h"
#include "weir/base/settings.h"
#include "weir/io/loop.h"
#include "weir/quota/meter_table.h"
#include "weir/store/account_store.h"
#include "weir/store/traffic_store.h"
#include "weir/telemetry/metrics.h"

namespace weir::app {

class Core;

class Watching {
 public:
  struct Metrics {
    telemetry::Family<telemetry::Gauge> resting;      // provider, model
    telemetry::Family<telemetry::Gauge> budget;       // scope, id, tenant, period
    telemetry::Family<telemetry::Gauge> started;      // Unix time
    telemetry::Family<telemetry::Gauge> configured;   // Unix time
    telemetry::Family<telemetry::Gauge> certificate;  // Unix time
    alerts::WatchMetrics alerts;
  };
  static Metrics register_metrics(telemetry::Registry& registry);

  struct Parts {
    std::vector<Core*> cores;
    const quota::MeterTable& meters;
    std::shared_ptr<store::TrafficStore> traffic;           // nullptr: no records are kept
    store::AccountStore* accounts = nullptr;                // nullptr: nothing is noted
    std::string source;                                     // this installation, in messages
    decltype(alerts::Watch::Sources::keys) keys = nullptr;  // that end
  };
  using Say = std::function<void(bool bad, std::string_view sentence)>;

  Watching(io::Loop& loop, Parts parts, telemetry::Registry& registry, const Metrics& metrics, Say say);
  ~Watching();  // Requires: finish() has ended, or start() was never called

  const alerts::Watch& alerts() const { return alerts_; }

  /// Alerts that burned when the last run ended, and the note that this one began. Blocks; before any loop
  /// runs. `certificate_pem`: empty, or the server's.
  void begin(std::string_view certificate_pem);
  void start(const Settings& settings);
  /// Another configuration is in force.
  void configured(const Settings& before, const Settings& now);
  void refused_configuration();
  io::Task<void> finish();

 private:
  using TargetName = std::pair<std::string, std::string>;  // provider, its name of the model
  io::Task<void> keep();
  void look_at_targets();
  void look_at_budgets();
  std::vector<alerts::Target> targets() const;
  void note(store::AuditRow row);
  io::Task<void> write(store::AuditRow row);
  void noted_alert(const alerts::Alert& alert);
  void noted_budget(const alerts::BudgetNews& news, std::string detail);

  io::Loop& loop_;
  const Parts parts_;
  telemetry::Shard& shard_;
  const Metrics metrics_;
  const Say say_;
  std::vector<std::map<TargetName, bool>> resting_;  // of each core: it rests
  std::map<std::string, telemetry::Gauge> budgets_;  // those that were there when it looked last
  alerts::Watch alerts_;
  bool started_ = false;
  io::Cancel ending_;
  io::TaskGroup tasks_;
};

}  // namespace weir::app
