// The metric families of the request path and one core's way to write them. Names and labels are documented
// in docs/metrics.md; the label `model` is the configured name a request was routed to, empty before routing.
#pragma once

#include <string_view>

#include "weir/exchange/exchange.h"
#include "weir/telemetry/metrics.h"

namespace weir::pipeline {

struct RecordMetrics {
  telemetry::Family<telemetry::Counter> requests;  // operation, provider, model, status
  telemetry::Family<telemetry::Counter> errors;    // operation, provider, model, reason
  telemetry::Family<telemetry::Histogram>
      duration;  // operation, provider, model: head received to answer known
  telemetry::Family<telemetry::Histogram>
      first_token;  // operation, provider, model: head received to first token
  telemetry::Family<telemetry::Counter> input_tokens;         // operation, provider, model
  telemetry::Family<telemetry::Counter> output_tokens;        // operation, provider, model
  telemetry::Family<telemetry::Counter> cached_input_tokens;  // operation, provider, model
  telemetry::Family<telemetry::Counter> reasoning_tokens;     // operation, provider, model
  telemetry::Family<telemetry::Counter> cost;                 // operation, provider, model: dollars
  telemetry::Family<telemetry::Counter> unpriced;     // operation, provider, model: tokens without a price
  telemetry::Family<telemetry::Counter> unmetered;    // operation, provider, model: answered without usage
  telemetry::Family<telemetry::Gauge> in_flight;      // no label
  telemetry::Family<telemetry::Counter> log_dropped;  // no label
};

/// Registers the families. Once, before the first shard.
RecordMetrics register_metrics(telemetry::Registry& registry);

/// One core's cells.
class RecordCells {
 public:
  RecordCells(telemetry::Registry& registry, const RecordMetrics& metrics);
  void begin() { in_flight_.add(1); }
  void record(const exchange::Exchange& exchange, MonoTime end);
  /// Total log lines this core lost so far.
  void set_log_dropped(uint64_t total) {
    if (total == log_dropped_seen_) return;
    log_dropped_.add(static_cast<double>(total - log_dropped_seen_));
    log_dropped_seen_ = total;
  }

 private:
  telemetry::Shard& shard_;
  const RecordMetrics metrics_;
  telemetry::Gauge in_flight_;
  telemetry::Counter log_dropped_;
  uint64_t log_dropped_seen_ = 0;
};

}  // namespace weir::pipeline
