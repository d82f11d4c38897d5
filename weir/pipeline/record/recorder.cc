#include "weir/pipeline/record/recorder.h"

#include <array>

#include "weir/pipeline/record/event_of.h"
#include "weir/pipeline/record/log_line.h"

namespace weir::pipeline {

using exchange::Exchange;

Recorder::Recorder(io::Loop& loop, telemetry::Registry& registry, const RecordMetrics& metrics,
                   io::LogWriter& log, EventLog* events)
    : loop_(loop), cells_(registry, metrics), log_(log), events_(events) {}

Result<void> Recorder::begin(Exchange& exchange) {
  cells_.begin();
  if (!events_) return {};
  return events_->enter(exchange.record);
}

void Recorder::record(Exchange& exchange) {
  MonoTime end = loop_.now();
  WallTime wall_end = loop_.wall_now();
  cells_.record(exchange, end);
  telemetry::Event event = event_of(exchange, end, wall_end);
  std::span<const std::byte> bytes;  // of the event, as long as it is written down anywhere
  if (events_) bytes = events_->leave(exchange.record, event);
  if (log_requests_ || exchange.outcome.error) {
    std::array<std::byte, telemetry::kEventBytesMax> room;
    if (bytes.empty()) bytes = std::span(room).first(telemetry::encode(event, room));
    log_request(log_, exchange, event, bytes, wall_end);
    cells_.set_log_dropped(log_.dropped());
  }
  if (traces_) traces_->take(exchange, end, wall_end);
}

std::vector<std::string> Recorder::not_ready() const {
  return events_ ? events_->not_ready() : std::vector<std::string>();
}

std::vector<std::string> Recorder::warnings() const {
  return events_ ? events_->warnings() : std::vector<std::string>();
}

}  // namespace weir::pipeline
