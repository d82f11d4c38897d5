// Recorder: turns one core's finished exchanges into metrics and a log line. Never sees message content: what
// it writes are ids, names, times, counts and outcomes.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "weir/base/time_text.h"
#include "weir/io/loop.h"
#include "weir/pipeline/record/record_metrics.h"
#include "weir/pipeline/record/record_sink.h"

namespace weir::pipeline {

class Recorder final : public RecordSink {
 public:
  /// Takes a whole line, newline included; answers how many lines were lost so far.
  using LineSink = std::function<uint64_t(std::string_view line)>;

  Recorder(io::Loop& loop, telemetry::Registry& registry, const RecordMetrics& metrics, LineSink line_sink);

  void begin(const exchange::Exchange& exchange) override;
  void record(const exchange::Exchange& exchange) override;
  void set_log_requests(bool on) { log_requests_ = on; }

 private:
  void log(const exchange::Exchange& exchange, MonoTime end);

  io::Loop& loop_;
  RecordCells cells_;
  LineSink line_sink_;
  std::string line_;
  TimeText now_;
  bool log_requests_ = true;
};

}  // namespace weir::pipeline
