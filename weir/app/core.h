// Core: everything of the gateway that lives on one loop: its HTTP server, its listeners, its log, its
// recorder and the current version of its house. Used on its loop only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weir/accounts/accounts.h"
#include "weir/accounts/token_verifier.h"
#include "weir/admin/handler.h"
#include "weir/admin/live.h"
#include "weir/admin/sign_in_limit.h"
#include "weir/alerts/watch.h"
#include "weir/app/adapters.h"
#include "weir/app/house.h"
#include "weir/app/log.h"
#include "weir/http/server.h"
#include "weir/pipeline/record/recorder.h"
#include "weir/server/front.h"

namespace weir::app {

class Core {
 public:
  /// `events`: nullptr when no durable record is kept.
  Core(io::Loop& loop, std::unique_ptr<io::LogWriter> log_writer, telemetry::Registry& registry,
       pipeline::RecordMetrics record_metrics, server::RefusalMetrics refusal_metrics,
       const upstream::FailureMetrics& failure_metrics, std::unique_ptr<pipeline::EventLog> events,
       MetricsText metrics_text, Warnings warnings, std::shared_ptr<store::ResponseStore> responses,
       upstream::ThoughtPins& thought_pins, accounts::TokenVerifier::WantKeys want_token_keys,
       quota::MeterTable& meters, const Settings& settings, int cores);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  /// nullptr: limits are this process's own. Before the first move_in().
  void set_renewals(quota::Renewals* renewals) { renewals_ = renewals; }
  /// nullptr: no accounts are kept. Before the first move_in().
  void set_accounts(accounts::Accounts* accounts) { accounts_ = accounts; }
  accounts::Authenticator& authenticator() { return authenticator_; }
  /// What the console shows from the next move_in() on.
  void set_shown_config(std::shared_ptr<const std::string> text) { shown_config_ = std::move(text); }
  void set_traffic(std::shared_ptr<store::TrafficStore> traffic) { traffic_ = std::move(traffic); }
  /// What burns, for the control plane. Outlives this. Before the first move_in().
  void set_alerts(const alerts::Watch& alerts) { alerts_ = &alerts; }
  /// Of all cores. Outlives this. Before the first move_in().
  void set_sign_ins(admin::SignInLimit& sign_ins) { sign_ins_ = &sign_ins; }
  /// How the targets are now that have a breaker.
  std::vector<admin::World::TargetState> target_states() const;

  /// Serves requests from now on by this version of the configuration.
  void move_in(std::shared_ptr<const Settings> settings, const LocalModelTable& local_models);

  /// What the control plane asks for sums. Before the first move_in().
  void set_ledger(std::shared_ptr<store::Ledger> ledger) { ledger_ = std::move(ledger); }

  /// Once, when all listeners are open: what goes on without requests begins. drain() ends it.
  void start();

  /// Opens one address; answers with the address opened (its port, when 0 was asked for). Errors: kIo.
  enum class Listens : uint8_t { kCallers, kMetrics, kAdmin };
  Result<io::Address> listen(const io::Address& at, const io::TlsServerOptions* tls, int backlog, Listens to);

  /// Takes no new work, waits for running answers at most `bound`, then cuts them.
  io::Task<void> drain(Duration bound);
  /// Ends every connection now.
  void cut();

  accounts::TokenVerifier& tokens() { return tokens_; }
  /// Finished requests become spans from now on: `share` of them, and those that tell something.
  void set_traces(double share, pipeline::TraceLog::Ship ship);

  /// Where drain() runs.
  io::TaskGroup& drain_tasks() { return drain_tasks_; }
  io::Loop& loop() { return loop_; }
  /// nullptr: no durable record is kept.
  telemetry::EventRing* event_ring() { return events_ ? &events_->ring() : nullptr; }
  Log& log() { return log_; }

 private:
  io::Loop& loop_;
  Log log_;
  json::Parser parser_;
  std::unique_ptr<pipeline::EventLog> events_;  // nullptr: no durable record is kept
  pipeline::Recorder recorder_;
  std::optional<pipeline::TraceLog> traces_;  // none: no collector is named
  MetricsText metrics_text_;
  Warnings warnings_;
  const std::shared_ptr<store::ResponseStore> responses_;  // of all cores; nullptr: nothing is kept
  quota::MeterTable& meters_;                              // of the process
  std::shared_ptr<store::Ledger> ledger_;
  const int cores_;
  accounts::TokenVerifier tokens_;
  server::Admission admission_;
  upstream::FailureCounters failure_counters_;
  upstream::ThoughtPins& thought_pins_;  // of all cores
  accounts::Authenticator authenticator_;
  accounts::Accounts* accounts_ = nullptr;
  quota::Renewals* renewals_ = nullptr;  // nullptr: limits are this process's own
  const telemetry::Registry& registry_;
  std::shared_ptr<const std::string> shown_config_;  // secrets masked
  std::shared_ptr<store::TrafficStore> traffic_;     // of all cores; nullptr: no records are kept
  const alerts::Watch* alerts_ = nullptr;
  admin::SignInLimit* sign_ins_ = nullptr;
  admin::LiveFeed live_;
  admin::Handler admin_;
  server::Front front_;
  server::Front metrics_front_;
  server::Front admin_front_;
  http::Server server_;
  http::Server metrics_server_;
  http::Server admin_server_;
  std::vector<std::unique_ptr<io::Listener>> listeners_;
  std::shared_ptr<House> house_;
  bool started_ = false;
  bool draining_ = false;
  io::TaskGroup checks_;  // of model servers
  io::TaskGroup drain_tasks_;
};

}  // namespace weir::app
