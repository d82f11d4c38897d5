// The bytes: the fixed part, then for each text a length byte, then the texts one after the other. The fixed
// part and the number of texts state their own size, so a later version may make both longer and this one
// reads what it knows.
#include "weir/telemetry/event.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "weir/base/assert.h"
#include "weir/base/copy_short.h"

namespace weir::telemetry {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little endian");

constexpr uint8_t kMark = 0xE7;  // an event, not something else
constexpr uint8_t kStreamed = 1, kTextsCut = 2, kUsageEstimated = 4;
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
  // since the third
  int64_t input_nanodollars, cache_read_nanodollars, cache_write_nanodollars;
  int32_t cache_write_tokens, cache_write_1h_tokens;
  int32_t price_version;
  uint32_t unused3 = 0;
};
constexpr size_t kFirstFixedBytes = 112, kSecondFixedBytes = 120, kFirstTexts = 11;
static_assert(sizeof(Fixed) == 160 && std::has_unique_object_representations_v<Fixed>);
constexpr size_t kTextsAt = sizeof(Fixed) + kEventTexts;

// In what order texts get room, when there is not enough for all of them.
constexpr auto kByRoom = std::to_array<EventText>(
    {EventText::kRequestId, EventText::kTenant, EventText::kTeam, EventText::kUser, EventText::kKey,
     EventText::kPrincipal, EventText::kModel, EventText::kProvider, EventText::kProviderModel,
     EventText::kOutcome, EventText::kOperation, EventText::kModelAsked, EventText::kAgent, EventText::kTag,
     EventText::kBegunBy, EventText::kRun, EventText::kEndpoint, EventText::kReason, EventText::kPeer});
static_assert(kByRoom.size() == kEventTexts);

// The longest part of `text` that fits; a UTF-8 sequence is not cut in two.
size_t fitting(std::string_view text, size_t room) {
  if (text.size() <= room) return text.size();
  while (room > 0 && (static_cast<unsigned char>(text[room]) & 0xC0) == 0x80)
    --room;
  return room;
}

// The length of each text, so that all fit; true when one is cut.
bool give_room(const Event& e, std::byte* lengths) {
  size_t room = kEventBytesMax - kTextsAt;
  bool cut = false;
  for (EventText which : kByRoom) {
    std::string_view text = e.text(which);
    size_t n = fitting(text, std::min(kTextBytesMax, room));
    cut = cut || n < text.size();
    lengths[static_cast<size_t>(which)] = static_cast<std::byte>(n);
    room -= n;
  }
  return cut;
}

}  // namespace

size_t encode(const Event& e, std::span<std::byte> into) {
  WEIR_ASSERT(into.size() >= kEventBytesMax);
  std::byte* lengths = into.data() + sizeof(Fixed);
  size_t all = 0, bits = 0;
  for (std::string_view text : e.texts) {
    all += text.size();
    bits |= text.size();
  }
  bool cut = e.texts_cut;
  size_t at = kTextsAt;
  static_assert(std::has_single_bit(kTextBytesMax + 1));
  if (all <= kEventBytesMax - kTextsAt && bits <= kTextBytesMax) [[likely]] {
    for (size_t i = 0; i < kEventTexts; ++i) {
      size_t n = e.texts[i].size();
      lengths[i] = static_cast<std::byte>(n);
      if (n == 0) continue;  // half of them
      copy_short(into.data() + at, e.texts[i].data(), n);
      at += n;
    }
  } else {
    cut = give_room(e, lengths) || cut;
    for (size_t i = 0; i < kEventTexts; ++i) {
      size_t n = std::to_integer<size_t>(lengths[i]);
      std::copy_n(e.texts[i].data(), n, reinterpret_cast<char*>(into.data() + at));
      at += n;
    }
  }
  auto flags = static_cast<uint8_t>((e.streamed ? kStreamed : 0) | (cut ? kTextsCut : 0) |
                                    (e.usage_estimated ? kUsageEstimated : 0));
  Fixed f{.event_class = static_cast<uint8_t>(e.event_class),
          .flags = flags,
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
          .cost_nanodollars = e.cost_nanodollars,
          .input_nanodollars = e.input_nanodollars,
          .cache_read_nanodollars = e.cache_read_nanodollars,
          .cache_write_nanodollars = e.cache_write_nanodollars,
          .cache_write_tokens = e.cache_write_tokens,
          .cache_write_1h_tokens = e.cache_write_1h_tokens,
          .price_version = e.price_version};
  std::memcpy(into.data(), &f, sizeof f);
  return at;
}

bool texts_cut(std::span<const std::byte> bytes) {
  return (std::to_integer<uint8_t>(bytes[offsetof(Fixed, flags)]) & kTextsCut) != 0;
}

std::optional<int64_t> received_of(std::span<const std::byte> bytes) {
  if (bytes.size() < kFirstFixedBytes || std::to_integer<uint8_t>(bytes[0]) != kMark) return std::nullopt;
  int64_t received_unix_ns;
  std::memcpy(&received_unix_ns, bytes.data() + offsetof(Fixed, received_unix_ns), sizeof received_unix_ns);
  return received_unix_ns;
}

std::optional<Event> decode(std::span<const std::byte> bytes) {
  Fixed f{};
  f.cost_nanodollars = -1;
  f.cache_write_tokens = f.cache_write_1h_tokens = -1;
  if (bytes.size() < kFirstFixedBytes) return std::nullopt;
  std::memcpy(&f, bytes.data(), kFirstFixedBytes);
  bool known_size =
      f.fixed_bytes == kFirstFixedBytes || f.fixed_bytes == kSecondFixedBytes || f.fixed_bytes >= sizeof f;
  bool known = f.mark == kMark && f.event_class <= static_cast<uint8_t>(EventClass::kUsage) && known_size &&
               f.texts >= kFirstTexts && size_t{f.fixed_bytes} + f.texts <= bytes.size();
  if (!known) return std::nullopt;
  std::memcpy(&f, bytes.data(), std::min<size_t>(f.fixed_bytes, sizeof f));

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
          .input_nanodollars = f.input_nanodollars,
          .cache_read_nanodollars = f.cache_read_nanodollars,
          .cache_write_nanodollars = f.cache_write_nanodollars,
          .cache_write_tokens = f.cache_write_tokens,
          .cache_write_1h_tokens = f.cache_write_1h_tokens,
          .price_version = f.price_version,
          .request_bytes = f.request_bytes,
          .answer_bytes = f.answer_bytes,
          .stream_events = f.stream_events,
          .status = f.status,
          .attempts = f.attempts,
          .streamed = (f.flags & kStreamed) != 0,
          .texts_cut = (f.flags & kTextsCut) != 0,
          .usage_estimated = (f.flags & kUsageEstimated) != 0};
  const std::byte* lengths = bytes.data() + f.fixed_bytes;
  size_t at = size_t{f.fixed_bytes} + f.texts;
  for (size_t i = 0; i < std::min<size_t>(f.texts, kEventTexts); ++i) {
    size_t n = std::to_integer<size_t>(lengths[i]);
    if (n > bytes.size() - at) return std::nullopt;
    e.texts[i] = {reinterpret_cast<const char*>(bytes.data() + at), n};
    at += n;
  }
  return e;
}

}  // namespace weir::telemetry
