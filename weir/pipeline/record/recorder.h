// Recorder: turns one core's finished exchanges into metrics, a log line and a durable event. Never sees
// message content: what it writes are ids, names, times, counts and outcomes.
#pragma once

#include <string>
#include <vector>

#include "weir/io/disk.h"
#include "weir/io/loop.h"
#include "weir/pipeline/record/event_log.h"
#include "weir/pipeline/record/record_metrics.h"
#include "weir/pipeline/record/record_sink.h"
#include "weir/pipeline/record/trace_log.h"
#include "weir/telemetry/event.h"

namespace weir::pipeline {

class Recorder final : public RecordSink {
 public:
  /// `log` and `events` outlive the recorder; nullptr: no durable record is kept.
  Recorder(io::Loop& loop, telemetry::Registry& registry, const RecordMetrics& metrics, io::LogWriter& log,
           EventLog* events);

  Result<void> begin(exchange::Exchange& exchange) override;
  void record(exchange::Exchange& exchange) override;
  std::vector<std::string> not_ready() const override;
  std::vector<std::string> warnings() const override;
  void set_log_requests(bool on) { log_requests_ = on; }
  /// Outlives the recorder; nullptr: no spans are made.
  void set_traces(TraceLog* traces) { traces_ = traces; }

 private:
  io::Loop& loop_;
  RecordCells cells_;
  io::LogWriter& log_;
  EventLog* events_;
  TraceLog* traces_ = nullptr;
  bool log_requests_ = true;
};

}  // namespace weir::pipeline
