// Event: what one finished request left behind: ids, names, times, counts and its outcome, never a word of
// what was said. Written once into a ring (event_ring.h), moved to the store later. Its bytes are a format:
// little endian, a fixed part and a tail of texts, at most kEventBytesMax; texts that do not fit are cut from
// the last one on and the event says so (texts_cut).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace weir::telemetry {

/// How an event is treated when there is no room or no disk.
enum class EventClass : uint8_t {
  kTelemetry,  // may be dropped, counted: requests refused before a model server was asked
  kUsage,      // durable: a model server was asked, tokens may have been spent
};

/// Texts of an event, as they lie in its bytes; a later version adds at the end. Who gets room first is
/// another order (event.cc): whom it is charged to comes before everything else.
enum class EventText : uint8_t {
  kRequestId,
  kPrincipal,
  kModelAsked,
  kModel,  // canonical, after aliases
  kProvider,
  kProviderModel,
  kEndpoint,  // address of the model server asked last
  kOperation,
  kOutcome,  // "ok", "client_left", or the error's code
  kReason,   // the error's reason, where it has one
  kPeer,
  kTenant,  // ids of accounts
  kTeam,
  kUser,
  kKey,
  kAgent,  // what the caller says it belongs to
  kRun,
  kTag,
  kBegunBy,  // "provider model" that began an answer which another one ended
};
inline constexpr size_t kEventTexts = 19;

/// Times are microseconds after `received_unix_ns`; -1: did not happen. Tokens: -1: not reported.
struct Event {
  EventClass event_class = EventClass::kTelemetry;
  int64_t received_unix_ns = 0;
  int64_t parsed_us = -1;
  int64_t connected_us = -1;
  int64_t first_byte_us = -1;
  int64_t first_token_us = -1;
  int64_t ended_us = -1;
  int64_t input_tokens = -1;
  int64_t output_tokens = -1;
  int64_t cached_input_tokens = -1;
  int64_t reasoning_tokens = -1;
  int64_t cost_nanodollars = -1;  // -1: not known
  // Parts of the cost; what is left of it was for output, reasoning included. 0 where the cost is not known.
  int64_t input_nanodollars = 0;  // uncached
  int64_t cache_read_nanodollars = 0;
  int64_t cache_write_nanodollars = 0;
  int32_t cache_write_tokens = -1;     // part of the input tokens
  int32_t cache_write_1h_tokens = -1;  // part of those, kept for an hour
  int32_t price_version = 0;           // day of the price book, 20261120; 0: not priced
  int64_t request_bytes = 0;
  int64_t answer_bytes = 0;
  int32_t stream_events = 0;
  int16_t status = 0;  // HTTP status the caller saw; 499: it left
  uint8_t attempts = 0;
  bool streamed = false;
  bool texts_cut = false;
  bool usage_estimated = false;                     // a part of the tokens was never reported
  std::array<std::string_view, kEventTexts> texts;  // borrowed

  std::string_view text(EventText t) const { return texts[static_cast<size_t>(t)]; }
  std::string_view& text(EventText t) { return texts[static_cast<size_t>(t)]; }
};

inline constexpr size_t kEventBytesMax = 488;

/// Writes the event's bytes; answers how many. Requires: into.size() >= kEventBytesMax.
size_t encode(const Event& event, std::span<std::byte> into);
/// nullopt: these are not the bytes of an event. The texts point into `bytes`. Unknown trailing bytes of a
/// later version are passed over.
std::optional<Event> decode(std::span<const std::byte> bytes);
/// texts_cut of what encode() wrote.
bool texts_cut(std::span<const std::byte> bytes);
/// received_unix_ns of what decode() would read, without the rest. nullopt: too short for an event.
std::optional<int64_t> received_of(std::span<const std::byte> bytes);

}  // namespace weir::telemetry
