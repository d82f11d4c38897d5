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

/// Texts of an event, in the order in which room is given to them.
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
};
inline constexpr size_t kEventTexts = 11;

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
  int64_t request_bytes = 0;
  int64_t answer_bytes = 0;
  int32_t stream_events = 0;
  int16_t status = 0;  // HTTP status the caller saw; 499: it left
  uint8_t attempts = 0;
  bool streamed = false;
  bool texts_cut = false;
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

}  // namespace weir::telemetry
