// Recorder: turns one core's finished exchanges into metrics, a log line and a durable event. Never sees
// message content: what it writes are ids, names, times, counts and outcomes.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "weir/base/time_text.h"
#include "weir/io/loop.h"
#include "weir/pipeline/record/event_log.h"
#include "weir/pipeline/record/record_metrics.h"
#include "weir/pipeline/record/record_sink.h"
#include "weir/pipeline/record/trace_log.h"
#include "weir/telemetry/event.h"

namespace weir::pipeline {

class Recorder final : public RecordSink {
 public:
  /// Takes a whole line, newline included; answers how many lines were lost so far.
  using LineSink = std::function<uint64_t(std::string_view line)>;

  /// `events` outlives the recorder; nullptr: no durable record is kept.
  Recorder(io::Loop& loop, telemetry::Registry& registry, const RecordMetrics& metrics, LineSink line_sink,
           EventLog* events);

  Result<void> begin(exchange::Exchange& exchange) override;
  void record(exchange::Exchange& exchange) override;
  std::vector<std::string> not_ready() const override;
  std::vector<std::string> warnings() const override;
  void set_log_requests(bool on) { log_requests_ = on; }
  /// Outlives the recorder; nullptr: no spans are made.
  void set_traces(TraceLog* traces) { traces_ = traces; }

 private:
  void log(const exchange::Exchange& exchange, const telemetry::Event& event, WallTime wall_end);

  io::Loop& loop_;
  RecordCells cells_;
  LineSink line_sink_;
  EventLog* events_;
  TraceLog* traces_ = nullptr;
  std::string line_room_;
  TimeText now_;
  bool log_requests_ = true;
};

}  // namespace weir::pipeline
