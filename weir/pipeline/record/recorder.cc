#include "weir/pipeline/record/recorder.h"

#include <array>
#include <charconv>

#include "weir/base/json_write.h"
#include "weir/base/time_text.h"
#include "weir/pipeline/record/event_of.h"

namespace weir::pipeline {
namespace {

using exchange::Exchange;

// The line is written by hand: with the general JSON writer it was a quarter of a request's instructions
// (callgrind). Keys are literals and need no escaping; values that a caller can influence do.
class Line {
 public:
  explicit Line(std::string& out) : out_(out) {}
  void text(std::string_view key_with_quotes, std::string_view value) {
    out_.append(key_with_quotes);
    json::append_quoted(out_, value);
  }
  void plain(std::string_view key_with_quotes, std::string_view value) {  // ours: nothing to escape
    out_.append(key_with_quotes).append("\"").append(value).append("\"");
  }
  void number(std::string_view key_with_quotes, int64_t value) {
    std::array<char, 24> digits;
    auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out_.append(key_with_quotes).append(digits.data(), static_cast<size_t>(end - digits.data()));
  }
  void phase(std::string_view key_with_quotes, MonoTime from, MonoTime at) {
    if (at.ns != 0) number(key_with_quotes, (at - from).count() / 1000);
  }

 private:
  std::string& out_;
};

}  // namespace

Recorder::Recorder(io::Loop& loop, telemetry::Registry& registry, const RecordMetrics& metrics,
                   LineSink line_sink, EventLog* events)
    : loop_(loop), cells_(registry, metrics), line_sink_(std::move(line_sink)), events_(events) {}

Result<void> Recorder::begin(Exchange& exchange) {
  cells_.begin();
  if (!events_) return {};
  return events_->enter(exchange.record);
}

void Recorder::record(Exchange& exchange) {
  MonoTime end = loop_.now();
  WallTime wall_end = loop_.wall_now();
  cells_.record(exchange, end);
  bool failed = exchange.outcome.error.has_value();
  if (log_requests_ || failed) log(exchange, end, wall_end);
  if (events_) events_->leave(exchange.record, event_of(exchange, end, wall_end));
}

std::vector<std::string> Recorder::not_ready() const {
  return events_ ? events_->not_ready() : std::vector<std::string>();
}

std::vector<std::string> Recorder::warnings() const {
  return events_ ? events_->warnings() : std::vector<std::string>();
}

void Recorder::log(const Exchange& e, MonoTime end, WallTime wall_end) {
  const exchange::Timeline& t = e.timeline;
  bool failed = e.outcome.error.has_value();
  bool left = e.outcome.cancelled == io::CancelReason::kClientLeft;
  line_.clear();
  Line l(line_);
  l.plain(R"({"time":)", now_.rfc3339(wall_end));
  l.plain(R"(,"level":)", failed && !left ? "warn" : "info");
  l.plain(R"(,"message":"request","request_id":)", e.id);
  l.plain(R"(,"operation":)", e.operation_name());
  l.plain(R"(,"peer":)", e.peer);
  if (!e.principal.name.empty()) l.text(R"(,"key":)", e.principal.name);
  if (!e.request.model.empty()) l.plain(R"(,"model":)", e.request.model);  // checked: printable, no quotes
  if (!e.outcome.provider.empty()) {
    l.text(R"(,"provider":)", e.outcome.provider);
    l.text(R"(,"provider_model":)", e.outcome.provider_model);
  }
  l.number(R"(,"status":)", left ? 499 : e.outcome.status);
  line_ += e.request.stream ? R"(,"stream":true)" : R"(,"stream":false)";
  l.phase(R"(,"parsed_us":)", t.received, t.parsed);
  l.phase(R"(,"first_byte_us":)", t.received, t.first_byte);
  l.phase(R"(,"first_token_us":)", t.received, t.first_token);
  l.phase(R"(,"duration_us":)", t.received, end);
  if (e.usage.input_tokens) l.number(R"(,"input_tokens":)", *e.usage.input_tokens);
  if (e.usage.output_tokens) l.number(R"(,"output_tokens":)", *e.usage.output_tokens);
  if (e.usage.cached_input_tokens) l.number(R"(,"cached_input_tokens":)", *e.usage.cached_input_tokens);
  if (e.cost.nanodollars) l.number(R"(,"cost_nanodollars":)", *e.cost.nanodollars);
  if (e.cost.unpriced) line_ += R"(,"unpriced":true)";
  l.number(R"(,"request_bytes":)", static_cast<int64_t>(e.request.body_bytes));
  if (e.outcome.attempts > 1) l.number(R"(,"attempts":)", e.outcome.attempts);
  if (e.outcome.streamed) l.number(R"(,"events":)", static_cast<int64_t>(e.outcome.events));
  if (e.outcome.cancelled != io::CancelReason::kNone)
    l.plain(R"(,"cancelled":)", io::name(e.outcome.cancelled));
  if (failed && !left) {
    const Error& error = *e.outcome.error;
    l.plain(R"(,"error":)", name(error.code));
    if (!error.reason.empty()) l.text(R"(,"reason":)", error.reason);
    l.text(R"(,"detail":)", error.message);
  }
  line_ += "}\n";
  cells_.set_log_dropped(line_sink_(line_));
}

}  // namespace weir::pipeline
