// The metric families of the request path and one core's way to write them. Names and labels are documented
// in docs/metrics.md; the label `model` is the configured name a request was routed to, empty before routing.
#pragma once

#include <array>
#include <optional>
#include <string>

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
  telemetry::Family<telemetry::Counter> limited;      // scope, limit
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
  // The series of one route, as far as they were wanted. Kept, because looking each of them up for each
  // request cost more than all the counting; an entry gives way to the next route that falls on it.
  struct Route {
    std::string operation, provider, model;
    int status = 0;  // that `requests` is of
    telemetry::Counter requests;
    telemetry::Histogram duration, first_token;
    telemetry::Counter input_tokens, output_tokens, cached_input_tokens, reasoning_tokens, cost, unpriced,
        unmetered;
    bool asked = false;  // duration and first_token are there
  };
  Route& route_of(std::string_view operation, std::string_view provider, std::string_view model);

  telemetry::Shard& shard_;
  const RecordMetrics metrics_;
  telemetry::Gauge in_flight_;
  telemetry::Counter log_dropped_;
  uint64_t log_dropped_seen_ = 0;
  std::array<Route, 64> routes_;
};

}  // namespace weir::pipeline
