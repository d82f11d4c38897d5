// Traffic: the sums that charts are drawn from. One Sums every ten seconds, a minute and an hour for each
// tenant, model, provider and endpoint: counts by outcome, tokens, cost, and the shapes of latency and time
// to first token as sketches that add up. A chart over a day reads some thousand of these, never the requests
// themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weir/telemetry/event.h"
#include "weir/telemetry/sketch.h"

namespace weir::store {

struct TrafficKey {
  std::string tenant, model, provider, endpoint;  // empty: not known when the request ended
  auto operator<=>(const TrafficKey&) const = default;
};

/// How long one row of sums is.
enum class Grain : uint8_t { kTenSeconds, kMinute, kHour };
constexpr int64_t seconds_of(Grain grain) {
  return grain == Grain::kTenSeconds ? 10 : grain == Grain::kMinute ? 60 : 3600;
}

/// How a request ended, as a chart shows it.
enum class Ending : uint8_t { kOk, kRefused, kLimited, kError, kLeft };
inline constexpr size_t kEndings = 5;
std::string_view name(Ending ending);  // "ok", "refused", "limited", "error", "left"
std::optional<Ending> ending_of(std::string_view name);
/// Limited: by a rate or a budget (429). Refused: any other fault of the caller's. Error: a model server's or
/// ours, also in the middle of a stream.
Ending ending_of(const telemetry::Event& event);

struct Sums {
  uint64_t requests = 0;
  uint64_t endings[kEndings] = {};
  uint64_t streamed = 0;
  uint64_t retried = 0;   // more than one model server was asked
  uint64_t unpriced = 0;  // tokens were used and what they cost is not known
  uint64_t input_tokens = 0, cached_input_tokens = 0, output_tokens = 0, reasoning_tokens = 0;
  uint64_t cost_nanodollars = 0;
  telemetry::Sketch seconds;              // whole duration, of those that a model server answered
  telemetry::Sketch first_token_seconds;  // of those that had one

  void add(const telemetry::Event& event);
  void add(const Sums& other);
  uint64_t ended(Ending ending) const { return endings[static_cast<size_t>(ending)]; }

  std::string bytes() const;
  /// nullopt: these are not the bytes of Sums.
  static std::optional<Sums> from(std::string_view bytes);
  friend bool operator==(const Sums&, const Sums&) = default;
};

/// Whose a request is; empty: of the configuration's keys, or of nobody.
std::string_view tenant_of(const telemetry::Event& event);

}  // namespace weir::store
