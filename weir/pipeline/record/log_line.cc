#include "weir/pipeline/record/log_line.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "weir/base/assert.h"
#include "weir/base/copy_short.h"
#include "weir/base/json_write.h"
#include "weir/base/time_text.h"

namespace weir::pipeline {
namespace {

using telemetry::Event;
using telemetry::EventText;

// What the line says beyond its event, as it is kept: in front of the event's bytes, behind which the error's
// message stands.
struct Facts {
  int64_t end_unix_ns;
  int32_t continuations;
  uint16_t event_bytes;
  io::CancelReason cancelled;
  uint8_t flags;
};
static_assert(sizeof(Facts) == 16 && std::has_unique_object_representations_v<Facts>);
constexpr uint8_t kFailed = 1;  // and not because the client left
constexpr uint8_t kCallerKnown = 2, kStreamAsked = 4, kUnpriced = 8, kDegraded = 16;

// The line is written by hand, into room that is known to be enough: with the general JSON writer it was
// a quarter of a request's instructions (callgrind, bench/micro/record_bench). Keys are literals and need no
// escaping; values that a caller can influence do.
class Line {
 public:
  /// Requires room_for(texts) bytes at `room`; `texts`: bytes of all values that are texts.
  explicit Line(char* room) : begin_(room), at_(room) {}
  static size_t room_for(size_t texts) { return kKeysAndNumbersMax + kEscapeMax * texts; }

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
  size_t bytes() const { return static_cast<size_t>(at_ - begin_); }

 private:
  static constexpr size_t kDigitsMax = 20, kKeysAndNumbersMax = 2048;
  static constexpr size_t kEscapeMax = 6;  // \u0000; what is no UTF-8 becomes three bytes each

  [[gnu::always_inline]] void quoted(std::string_view value) {
    *at_++ = '"';
    copy_short(at_, value.data(), value.size());
    at_ += value.size();
    *at_++ = '"';
  }

  char* begin_;
  char* at_;
  std::string escaped_;
};

size_t write_line(Line l, const Event& e, const Facts& facts, std::string_view detail) {
  auto is = [&](uint8_t flag) { return (facts.flags & flag) != 0; };
  l.plain(R"({"time":)", TimeText(WallTime{facts.end_unix_ns}).view());
  if (is(kFailed))
    l.literal(R"(,"level":"warn")");
  else
    l.literal(R"(,"level":"info")");
  l.plain(R"(,"message":"request","request_id":)", e.text(EventText::kRequestId));
  l.plain(R"(,"operation":)", e.text(EventText::kOperation));
  l.plain(R"(,"peer":)", e.text(EventText::kPeer));
  if (is(kCallerKnown)) l.text(R"(,"key":)", e.text(EventText::kPrincipal));
  // Checked: printable, no quotes.
  if (!e.text(EventText::kModelAsked).empty()) l.plain(R"(,"model":)", e.text(EventText::kModelAsked));
  if (!e.text(EventText::kProvider).empty()) {
    l.text(R"(,"provider":)", e.text(EventText::kProvider));
    l.text(R"(,"provider_model":)", e.text(EventText::kProviderModel));
  }
  l.number(R"(,"status":)", e.status);
  if (is(kStreamAsked))
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
  if (is(kUnpriced)) l.literal(R"(,"unpriced":true)");
  l.number(R"(,"request_bytes":)", e.request_bytes);
  if (e.attempts > 1) l.number(R"(,"attempts":)", e.attempts);
  if (facts.continuations > 0) {
    l.number(R"(,"continuations":)", facts.continuations);
    l.text(R"(,"begun_by":)", e.text(EventText::kBegunBy));
  }
  if (e.usage_estimated) l.literal(R"(,"usage_estimated":true)");
  if (is(kDegraded)) l.literal(R"(,"degraded":true)");
  if (e.streamed) l.number(R"(,"events":)", e.stream_events);
  if (facts.cancelled != io::CancelReason::kNone) l.plain(R"(,"cancelled":)", io::name(facts.cancelled));
  if (is(kFailed)) {
    l.plain(R"(,"error":)", e.text(EventText::kOutcome));
    if (!e.text(EventText::kReason).empty()) l.text(R"(,"reason":)", e.text(EventText::kReason));
    l.text(R"(,"detail":)", detail);
  }
  l.literal("}\n");
  return l.bytes();
}

void append_line(const Event& e, const Facts& facts, std::string_view detail, std::string& text) {
  size_t texts = detail.size(), before = text.size();
  for (std::string_view value : e.texts)
    texts += value.size();
  text.resize_and_overwrite(before + Line::room_for(texts), [&](char* room, size_t) {
    return before + write_line(Line(room + before), e, facts, detail);
  });
}

// io::LogWriter::MakeLine of facts, event and the error's message.
void make_line(std::span<const std::byte> kept, std::string& text) {
  Facts facts;
  WEIR_ASSERT(kept.size() >= sizeof facts);
  std::memcpy(&facts, kept.data(), sizeof facts);
  kept = kept.subspan(sizeof facts);
  std::optional<Event> event = telemetry::decode(kept.first(facts.event_bytes));
  WEIR_ASSERT(event);
  std::span<const std::byte> detail = kept.subspan(facts.event_bytes);
  append_line(*event, facts, {reinterpret_cast<const char*>(detail.data()), detail.size()}, text);
}

}  // namespace

void log_request(io::LogWriter& log, const exchange::Exchange& x, const Event& event,
                 std::span<const std::byte> bytes, WallTime end) {
  const exchange::Outcome& o = x.outcome;
  bool failed = o.error && o.cancelled != io::CancelReason::kClientLeft;
  std::string_view detail = failed ? std::string_view(o.error->message) : std::string_view();
  Facts facts{.end_unix_ns = end.unix_ns,
              .continuations = o.continuations,
              .event_bytes = static_cast<uint16_t>(bytes.size()),
              .cancelled = o.cancelled,
              .flags = static_cast<uint8_t>(
                  (failed ? kFailed : 0) | (x.timeline.authenticated.ns != 0 ? kCallerKnown : 0) |
                  (x.request.stream ? kStreamAsked : 0) | (x.cost.unpriced ? kUnpriced : 0) |
                  (o.degraded ? kDegraded : 0))};
  if (telemetry::texts_cut(bytes)) {  // the line has all of them
    std::string line;
    append_line(event, facts, detail, line);
    return log.append(line);
  }
  log.append_later(make_line, {std::as_bytes(std::span(&facts, 1)), bytes, std::as_bytes(std::span(detail))});
}

}  // namespace weir::pipeline
