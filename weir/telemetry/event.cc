// The bytes: the fixed part, then for each text a length byte, then the texts one after the other. The fixed
// part and the number of texts state their own size, so a later version may make both longer and this one
// reads what it knows.
#include "weir/telemetry/event.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "weir/base/assert.h"

namespace weir::telemetry {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little endian");

constexpr uint8_t kMark = 0xE7;  // an event, not something else
constexpr uint8_t kStreamed = 1, kTextsCut = 2;
constexpr size_t kTextBytesMax = 255;

struct Fixed {
  uint8_t mark = kMark;
  uint8_t event_class;
  uint8_t flags;
  uint8_t attempts;
  uint16_t fixed_bytes;
  uint8_t texts;
  uint8_t unused = 0;
  int16_t status;
  uint16_t unused2 = 0;
  int32_t stream_events;
  int64_t received_unix_ns;
  int64_t parsed_us, connected_us, first_byte_us, first_token_us, ended_us;
  int64_t input_tokens, output_tokens, cached_input_tokens, reasoning_tokens;
  int64_t request_bytes, answer_bytes;
  int64_t cost_nanodollars;  // since the second version
};
constexpr size_t kFirstFixedBytes = 112;
static_assert(sizeof(Fixed) == 120 && std::has_unique_object_representations_v<Fixed>);
constexpr size_t kTextsAt = sizeof(Fixed) + kEventTexts;

// The longest part of `text` that fits; a UTF-8 sequence is not cut in two.
size_t fitting(std::string_view text, size_t room) {
  if (text.size() <= room) return text.size();
  while (room > 0 && (static_cast<unsigned char>(text[room]) & 0xC0) == 0x80)
    --room;
  return room;
}

// Texts are short and a call of memcpy for each was a third of the whole.
void copy_short(std::byte* to, const char* from, size_t n) {
  if (n > 32) {
    std::memcpy(to, from, n);
  } else if (n >= 16) {
    std::memcpy(to, from, 16);
    std::memcpy(to + n - 16, from + n - 16, 16);
  } else if (n >= 8) {
    std::memcpy(to, from, 8);
    std::memcpy(to + n - 8, from + n - 8, 8);
  } else if (n >= 4) {
    std::memcpy(to, from, 4);
    std::memcpy(to + n - 4, from + n - 4, 4);
  } else {
    for (size_t i = 0; i < n; ++i)
      to[i] = static_cast<std::byte>(from[i]);
  }
}

}  // namespace

size_t encode(const Event& e, std::span<std::byte> into) {
  WEIR_ASSERT(into.size() >= kEventBytesMax);
  std::byte* lengths = into.data() + sizeof(Fixed);
  size_t at = kTextsAt;
  bool cut = e.texts_cut;
  for (size_t i = 0; i < kEventTexts; ++i) {
    std::string_view text = e.texts[i];
    size_t n = fitting(text, std::min(kTextBytesMax, kEventBytesMax - at));
    cut = cut || n < text.size();
    lengths[i] = static_cast<std::byte>(n);
    copy_short(into.data() + at, text.data(), n);
    at += n;
  }
  Fixed f{.event_class = static_cast<uint8_t>(e.event_class),
          .flags = static_cast<uint8_t>((e.streamed ? kStreamed : 0) | (cut ? kTextsCut : 0)),
          .attempts = e.attempts,
          .fixed_bytes = sizeof(Fixed),
          .texts = kEventTexts,
          .status = e.status,
          .stream_events = e.stream_events,
          .received_unix_ns = e.received_unix_ns,
          .parsed_us = e.parsed_us,
          .connected_us = e.connected_us,
          .first_byte_us = e.first_byte_us,
          .first_token_us = e.first_token_us,
          .ended_us = e.ended_us,
          .input_tokens = e.input_tokens,
          .output_tokens = e.output_tokens,
          .cached_input_tokens = e.cached_input_tokens,
          .reasoning_tokens = e.reasoning_tokens,
          .request_bytes = e.request_bytes,
          .answer_bytes = e.answer_bytes,
          .cost_nanodollars = e.cost_nanodollars};
  std::memcpy(into.data(), &f, sizeof f);
  return at;
}

std::optional<Event> decode(std::span<const std::byte> bytes) {
  Fixed f{};
  f.cost_nanodollars = -1;
  if (bytes.size() < kFirstFixedBytes) return std::nullopt;
  std::memcpy(&f, bytes.data(), kFirstFixedBytes);
  if (f.fixed_bytes >= sizeof f && bytes.size() >= sizeof f) std::memcpy(&f, bytes.data(), sizeof f);
  bool known = f.mark == kMark && f.event_class <= static_cast<uint8_t>(EventClass::kUsage) &&
               (f.fixed_bytes == kFirstFixedBytes || f.fixed_bytes >= sizeof f) && f.texts >= kEventTexts &&
               size_t{f.fixed_bytes} + f.texts <= bytes.size();
  if (!known) return std::nullopt;

  Event e{.event_class = static_cast<EventClass>(f.event_class),
          .received_unix_ns = f.received_unix_ns,
          .parsed_us = f.parsed_us,
          .connected_us = f.connected_us,
          .first_byte_us = f.first_byte_us,
          .first_token_us = f.first_token_us,
          .ended_us = f.ended_us,
          .input_tokens = f.input_tokens,
          .output_tokens = f.output_tokens,
          .cached_input_tokens = f.cached_input_tokens,
          .reasoning_tokens = f.reasoning_tokens,
          .cost_nanodollars = f.cost_nanodollars,
          .request_bytes = f.request_bytes,
          .answer_bytes = f.answer_bytes,
          .stream_events = f.stream_events,
          .status = f.status,
          .attempts = f.attempts,
          .streamed = (f.flags & kStreamed) != 0,
          .texts_cut = (f.flags & kTextsCut) != 0};
  const std::byte* lengths = bytes.data() + f.fixed_bytes;
  size_t at = size_t{f.fixed_bytes} + f.texts;
  for (size_t i = 0; i < kEventTexts; ++i) {
    size_t n = std::to_integer<size_t>(lengths[i]);
    if (n > bytes.size() - at) return std::nullopt;
    e.texts[i] = {reinterpret_cast<const char*>(bytes.data() + at), n};
    at += n;
  }
  return e;
}

}  // namespace weir::telemetry
