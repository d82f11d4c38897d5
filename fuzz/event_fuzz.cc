// Events: any bytes decode to an event or to nothing, reading only those bytes; what was decoded encodes
// again, and from then on stays what it is; a text that did not fit is cut and the event says so.
#include <array>
#include <cstdint>
#include <span>

#include "fuzz/pieces.h"
#include "weir/telemetry/event.h"

namespace {

using weir::fuzz::check;
using weir::telemetry::Event;
using weir::telemetry::kEventBytesMax;
using weir::telemetry::kEventTexts;

bool same_numbers(const Event& a, const Event& b) {
  return a.event_class == b.event_class && a.received_unix_ns == b.received_unix_ns &&
         a.parsed_us == b.parsed_us && a.connected_us == b.connected_us &&
         a.first_byte_us == b.first_byte_us && a.first_token_us == b.first_token_us &&
         a.ended_us == b.ended_us && a.input_tokens == b.input_tokens && a.output_tokens == b.output_tokens &&
         a.cached_input_tokens == b.cached_input_tokens && a.reasoning_tokens == b.reasoning_tokens &&
         a.cost_nanodollars == b.cost_nanodollars && a.request_bytes == b.request_bytes &&
         a.answer_bytes == b.answer_bytes && a.stream_events == b.stream_events && a.status == b.status &&
         a.attempts == b.attempts && a.streamed == b.streamed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static weir::fuzz::Cage cage;
  std::span<char> piece = cage.put({reinterpret_cast<const char*>(data), size});
  std::optional<Event> event = weir::telemetry::decode(std::as_bytes(piece));
  if (!event) return 0;
  for (std::string_view text : event->texts)
    check(text.empty() || (text.data() >= piece.data() && text.data() + text.size() <= piece.data() + size));

  std::array<std::byte, kEventBytesMax> once, twice;
  size_t length = weir::telemetry::encode(*event, once);
  check(length <= once.size());
  std::optional<Event> again = weir::telemetry::decode(std::span(once).first(length));
  check(again && same_numbers(*event, *again));
  bool cut = event->texts_cut;
  for (size_t i = 0; i < kEventTexts; ++i) {
    check(event->texts[i].starts_with(again->texts[i]));
    cut |= again->texts[i].size() < event->texts[i].size();
  }
  check(again->texts_cut == cut);
  check(weir::telemetry::encode(*again, twice) == length);
  check(std::equal(once.begin(), once.begin() + static_cast<ptrdiff_t>(length), twice.begin()));
  for (size_t n = 0; n < length; n += 1 + n / 8)  // any shorter and it is none
    check(!weir::telemetry::decode(std::span(once).first(n)));
  return 0;
}
