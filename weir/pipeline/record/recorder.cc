#include "weir/pipeline/record/recorder.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "weir/base/copy_short.h"
#include "weir/base/json_write.h"
#include "weir/base/time_text.h"
#include "weir/pipeline/record/event_of.h"

namespace weir::pipeline {
namespace {

using exchange::Exchange;

// The line is written by hand, into room that is known to be enough: with the general JSON writer it was a
// quarter of a request's instructions, with a string that looks at its capacity at each piece still 300 ns
// (callgrind, bench/micro/record_bench). Keys are literals and need no escaping; values that a caller can
// influence do.
class Line {
 public:
  /// Writes over `room`, which grows as it must and keeps its size. `texts`: bytes of all values that are
  /// texts.
  Line(std::string& room, size_t texts) : room_(room) {
    if (room_.size() < kKeysAndNumbersMax + kEscapeMax * texts)
      room_.resize(kKeysAndNumbersMax + kEscapeMax * texts);
    at_ = room_.data();
  }

  template <size_t N>
  [[gnu::always_inline]] void literal(const char (&text)[N]) {
    std::memcpy(at_, text, N - 1);
    at_ += N - 1;
  }
  /// A text of others.
  template <size_t N>
  [[gnu::always_inline]] void text(const char (&key)[N], std::string_view value) {
    literal(key);
    bool odd = false;
    for (char c : value)
      odd |= c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
    if (!odd) return quoted(value);
    escaped_.clear();
    json::append_quoted(escaped_, value);
    at_ = std::ranges::copy(escaped_, at_).out;
  }
  /// A text of ours: nothing to escape.
  template <size_t N>
  [[gnu::always_inline]] void plain(const char (&key)[N], std::string_view value) {
    literal(key);
    quoted(value);
  }
  template <size_t N>
  [[gnu::always_inline]] void number(const char (&key)[N], int64_t value) {
    literal(key);
    at_ = std::to_chars(at_, at_ + kDigitsMax, value).ptr;
  }
  /// Where it is known, which it is not when negative.
  template <size_t N>
  [[gnu::always_inline]] void known(const char (&key)[N], int64_t value) {
    if (value >= 0) number(key, value);
  }
  std::string_view done() const { return {room_.data(), static_cast<size_t>(at_ - room_.data())}; }

 private:
  static constexpr size_t kDigitsMax = 20, kKeysAndNumbersMax = 2048;
  static constexpr size_t kEscapeMax = 6;  // \u0000; what is no UTF-8 becomes three bytes each

  [[gnu::always_inline]] void quoted(std::string_view value) {
    *at_++ = '"';
    copy_short(at_, value.data(), value.size());
    at_ += value.size();
    *at_++ = '"';
  }

  std::string& room_;
  char* at_;
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
  telemetry::Event event = event_of(exchange, end, wall_end);
  if (log_requests_ || exchange.outcome.error) log(exchange, event, wall_end);
  if (traces_) traces_->take(exchange, end, wall_end);
  if (events_) events_->leave(exchange.record, event);
}

std::vector<std::string> Recorder::not_ready() const {
  return events_ ? events_->not_ready() : std::vector<std::string>();
}

std::vector<std::string> Recorder::warnings() const {
  return events_ ? events_->warnings() : std::vector<std::string>();
}

void Recorder::log(const Exchange& x, const telemetry::Event& e, WallTime wall_end) {
  using telemetry::EventText;
  const exchange::Outcome& o = x.outcome;
  bool left = o.cancelled == io::CancelReason::kClientLeft;
  const Error* error = o.error && !left ? &*o.error : nullptr;
  size_t texts = error ? error->message.size() : 0;
  for (std::string_view text : e.texts)
    texts += text.size();

  Line l(line_room_, texts);
  l.plain(R"({"time":)", now_.rfc3339(wall_end));
  if (error)
    l.literal(R"(,"level":"warn")");
  else
    l.literal(R"(,"level":"info")");
  l.plain(R"(,"message":"request","request_id":)", e.text(EventText::kRequestId));
  l.plain(R"(,"operation":)", e.text(EventText::kOperation));
  l.plain(R"(,"peer":)", e.text(EventText::kPeer));
  if (x.timeline.authenticated.ns != 0) l.text(R"(,"key":)", e.text(EventText::kPrincipal));
  // Checked: printable, no quotes.
  if (!x.request.model.empty()) l.plain(R"(,"model":)", e.text(EventText::kModelAsked));
  if (!o.provider.empty()) {
    l.text(R"(,"provider":)", e.text(EventText::kProvider));
    l.text(R"(,"provider_model":)", e.text(EventText::kProviderModel));
  }
  l.number(R"(,"status":)", e.status);
  if (x.request.stream)
    l.literal(R"(,"stream":true)");
  else
    l.literal(R"(,"stream":false)");
  l.known(R"(,"parsed_us":)", e.parsed_us);
  l.known(R"(,"first_byte_us":)", e.first_byte_us);
  l.known(R"(,"first_token_us":)", e.first_token_us);
  l.known(R"(,"duration_us":)", e.ended_us);
  l.known(R"(,"input_tokens":)", e.input_tokens);
  l.known(R"(,"output_tokens":)", e.output_tokens);
  l.known(R"(,"cached_input_tokens":)", e.cached_input_tokens);
  l.known(R"(,"cost_nanodollars":)", e.cost_nanodollars);
  if (x.cost.unpriced) l.literal(R"(,"unpriced":true)");
  l.number(R"(,"request_bytes":)", e.request_bytes);
  if (o.attempts > 1) l.number(R"(,"attempts":)", o.attempts);
  if (o.continuations > 0) {
    l.number(R"(,"continuations":)", o.continuations);
    l.text(R"(,"begun_by":)", o.begun_by);
  }
  if (o.usage_estimated) l.literal(R"(,"usage_estimated":true)");
  if (o.degraded) l.literal(R"(,"degraded":true)");
  if (o.streamed) l.number(R"(,"events":)", static_cast<int64_t>(o.events));
  if (o.cancelled != io::CancelReason::kNone) l.plain(R"(,"cancelled":)", io::name(o.cancelled));
  if (error) {
    l.plain(R"(,"error":)", name(error->code));
    if (!error->reason.empty()) l.text(R"(,"reason":)", error->reason);
    l.text(R"(,"detail":)", error->message);
  }
  l.literal("}\n");
  cells_.set_log_dropped(line_sink_(l.done()));
}

}  // namespace weir::pipeline
