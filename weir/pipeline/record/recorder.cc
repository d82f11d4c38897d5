#include "weir/pipeline/record/recorder.h"

#include "weir/base/json_write.h"
#include "weir/base/time_text.h"

namespace weir::pipeline {
namespace {

using exchange::Exchange;

double milliseconds_between(MonoTime from, MonoTime to) {
  double ms = to_milliseconds(to - from);
  return static_cast<double>(static_cast<int64_t>(ms * 1000 + 0.5)) / 1000;  // whole microseconds
}

}  // namespace

Recorder::Recorder(io::Loop& loop, telemetry::Registry& registry, const RecordMetrics& metrics,
                   LineSink line_sink)
    : loop_(loop), cells_(registry, metrics), line_sink_(std::move(line_sink)) {}

void Recorder::begin(const Exchange&) {
  cells_.begin();
}

void Recorder::record(const Exchange& exchange) {
  MonoTime end = loop_.now();
  cells_.record(exchange, end);
  bool failed = exchange.outcome.error.has_value();
  if (log_requests_ || failed) log(exchange, end);
}

void Recorder::log(const Exchange& e, MonoTime end) {
  line_.clear();
  json::Writer w(line_);
  const exchange::Timeline& t = e.timeline;
  auto phase = [&](std::string_view key, MonoTime at) {
    if (at.ns != 0) w.member(key, milliseconds_between(t.received, at));
  };
  auto tokens = [&](std::string_view key, const std::optional<int64_t>& n) {
    if (n) w.member(key, *n);
  };
  bool failed = e.outcome.error.has_value();
  bool left = e.outcome.cancelled == io::CancelReason::kClientLeft;
  w.begin_object()
      .member("time", rfc3339(loop_.wall_now()))
      .member("level", failed && !left ? "warn" : "info");
  w.member("message", "request").member("request_id", e.id).member("operation", exchange::name(e.operation));
  w.member("peer", e.peer);
  if (!e.principal.name.empty()) w.member("key", e.principal.name);
  if (!e.request.model.empty()) w.member("model", e.request.model);
  if (!e.outcome.provider.empty())
    w.member("provider", e.outcome.provider).member("provider_model", e.outcome.provider_model);
  w.member("status", e.outcome.status).member("stream", e.request.stream);
  phase("parsed_ms", t.parsed);
  phase("first_byte_ms", t.first_byte);
  phase("first_token_ms", t.first_token);
  w.member("duration_ms", milliseconds_between(t.received, end));
  tokens("input_tokens", e.usage.input_tokens);
  tokens("output_tokens", e.usage.output_tokens);
  tokens("cached_input_tokens", e.usage.cached_input_tokens);
  w.member("request_bytes", e.request.body.size());
  if (e.outcome.attempts > 1) w.member("attempts", e.outcome.attempts);
  if (e.outcome.streamed) w.member("events", e.outcome.events);
  if (e.outcome.cancelled != io::CancelReason::kNone) w.member("cancelled", io::name(e.outcome.cancelled));
  if (failed && !left) {
    const Error& error = *e.outcome.error;
    w.member("error", name(error.code));
    if (!error.reason.empty()) w.member("reason", error.reason);
    w.member("detail", error.message);
  }
  w.end_object();
  line_ += '\n';
  cells_.set_log_dropped(line_sink_(line_));
}

}  // namespace weir::pipeline
