#include "weir/pipeline/record/recorder.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "weir/base/json_write.h"
#include "weir/base/time_text.h"
#include "weir/pipeline/record/event_of.h"

namespace weir::pipeline {
namespace {

using exchange::Exchange;

// The line is written by hand, into room that is there: with the general JSON writer it was a quarter of a
// request's instructions, with a string that looks at its capacity at each piece still 300 ns (callgrind,
// bench/micro/record_bench). Keys are literals and need no escaping; values that a caller can influence do.
class Line {
 public:
  /// Writes over `room`, which grows as it must and keeps its size.
  explicit Line(std::string& room) : room_(room), at_(room.data()), end_(at_ + room.size()) {}

  [[gnu::always_inline]] void literal(std::string_view text) { plain_bytes(text, 0); }
  [[gnu::always_inline]] void text(std::string_view key_with_quotes, std::string_view value) {
    plain_bytes(key_with_quotes, 0);
    quoted(value);
  }
  [[gnu::always_inline]] void plain(std::string_view key_with_quotes,
                                    std::string_view value) {  // ours: nothing to escape
    plain_bytes(key_with_quotes, value.size() + 2);
    *at_++ = '"';
    std::memcpy(at_, value.data(), value.size());
    at_ += value.size();
    *at_++ = '"';
  }
  [[gnu::always_inline]] void number(std::string_view key_with_quotes, int64_t value) {
    plain_bytes(key_with_quotes, kDigitsMax);
    at_ = std::to_chars(at_, at_ + kDigitsMax, value).ptr;
  }
  void phase(std::string_view key_with_quotes, MonoTime from, MonoTime at) {
    if (at.ns != 0) number(key_with_quotes, (at - from).count() / 1000);
  }
  std::string_view done() const { return {room_.data(), static_cast<size_t>(at_ - room_.data())}; }

 private:
  static constexpr size_t kDigitsMax = 20;

  // `text`, and there is room for `more` after it.
  [[gnu::always_inline]] void plain_bytes(std::string_view text, size_t more) {
    if (static_cast<size_t>(end_ - at_) < text.size() + more) [[unlikely]]
      grow(text.size() + more);
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void quoted(std::string_view value) {
    escaped_.clear();
    json::append_quoted(escaped_, value);
    plain_bytes(escaped_, 0);
  }
  void grow(size_t bytes) {
    auto used = static_cast<size_t>(at_ - room_.data());
    room_.resize(std::max(used + bytes, 2 * room_.size()));
    at_ = room_.data() + used;
    end_ = room_.data() + room_.size();
  }

  std::string& room_;
  char* at_;
  char* end_;
  std::string escaped_;
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
  Line l(line_room_);
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
  if (e.request.stream)
    l.literal(R"(,"stream":true)");
  else
    l.literal(R"(,"stream":false)");
  l.phase(R"(,"parsed_us":)", t.received, t.parsed);
  l.phase(R"(,"first_byte_us":)", t.received, t.first_byte);
  l.phase(R"(,"first_token_us":)", t.received, t.first_token);
  l.phase(R"(,"duration_us":)", t.received, end);
  if (e.usage.input_tokens) l.number(R"(,"input_tokens":)", *e.usage.input_tokens);
  if (e.usage.output_tokens) l.number(R"(,"output_tokens":)", *e.usage.output_tokens);
  if (e.usage.cached_input_tokens) l.number(R"(,"cached_input_tokens":)", *e.usage.cached_input_tokens);
  if (e.cost.nanodollars) l.number(R"(,"cost_nanodollars":)", *e.cost.nanodollars);
  if (e.cost.unpriced) l.literal(R"(,"unpriced":true)");
  l.number(R"(,"request_bytes":)", static_cast<int64_t>(e.request.body_bytes));
  if (e.outcome.attempts > 1) l.number(R"(,"attempts":)", e.outcome.attempts);
  if (e.outcome.continuations > 0) l.number(R"(,"continuations":)", e.outcome.continuations);
  if (e.outcome.usage_estimated) l.literal(R"(,"usage_estimated":true)");
  if (e.outcome.degraded) l.literal(R"(,"degraded":true)");
  if (e.outcome.streamed) l.number(R"(,"events":)", static_cast<int64_t>(e.outcome.events));
  if (e.outcome.cancelled != io::CancelReason::kNone)
    l.plain(R"(,"cancelled":)", io::name(e.outcome.cancelled));
  if (failed && !left) {
    const Error& error = *e.outcome.error;
    l.plain(R"(,"error":)", name(error.code));
    if (!error.reason.empty()) l.text(R"(,"reason":)", error.reason);
    l.text(R"(,"detail":)", error.message);
  }
  l.literal("}\n");
  cells_.set_log_dropped(line_sink_(l.done()));
}

}  // namespace weir::pipeline
