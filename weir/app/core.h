// Core: everything of the gateway that lives on one loop: its HTTP server, its listeners, its log, its
// recorder and the current version of its house. Used on its loop only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

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
       const Settings& settings, int cores);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  /// Serves requests from now on by this version of the configuration.
  void move_in(std::shared_ptr<const Settings> settings, const LocalModelTable& local_models);

  /// Once, when all listeners are open: what goes on without requests begins. drain() ends it.
  void start();

  /// Opens one address; answers with the address opened (its port, when 0 was asked for). Errors: kIo.
  Result<io::Address> listen(const io::Address& at, const io::TlsServerOptions* tls, int backlog,
                             bool metrics_only);

  /// Takes no new work, waits for running answers at most `bound`, then cuts them.
  io::Task<void> drain(Duration bound);
  /// Ends every connection now.
  void cut();

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
  MetricsText metrics_text_;
  Warnings warnings_;
  const std::shared_ptr<store::ResponseStore> responses_;  // of all cores; nullptr: nothing is kept
  const int cores_;
  server::Admission admission_;
  upstream::FailureCounters failure_counters_;
  server::Front front_;
  server::Front metrics_front_;
  http::Server server_;
  http::Server metrics_server_;
  std::vector<std::unique_ptr<io::Listener>> listeners_;
  std::shared_ptr<House> house_;
  bool started_ = false;
  bool draining_ = false;
  io::TaskGroup checks_;  // of model servers
  io::TaskGroup drain_tasks_;
};

}  // namespace weir::app
