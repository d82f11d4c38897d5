// What is known of one model of one provider: limits, abilities, prices. Every field may be unknown, and
// unknown is never read as zero or as no: a model without a price is an alarm, not a gift.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weir/exchange/usage.h"

namespace weir::registry {

/// Nano-dollars for a million tokens (2.5 dollars: 2'500'000'000).
using Price = std::optional<int64_t>;

struct Rates {
  Price input, output;              // uncached input; output, reasoning included
  Price cache_read, cache_write;    // cache_write: kept for five minutes
  Price cache_write_1h;             // kept for an hour
  Price input_audio, output_audio;  // where audio tokens have their own price
  Price reasoning;                  // where reasoning has one
  Price batch_input, batch_output;  // of the provider's batch API
  /// Every price that `over` states.
  void take(const Rates& over);
};

struct ModelFacts {
  std::string model;  // or the beginning of names and '*'
  std::optional<int64_t> context_tokens;
  std::optional<int64_t> output_tokens;
  std::optional<bool> tools, vision, audio, json_schema, reasoning;
  std::optional<bool> prefill;  // a conversation may end in the beginning of the answer
  Rates rates;
  int64_t tier_above =
      0;  // calls with more input tokens than this pay `tier` where it states a price; 0: none
  Rates tier;
  std::string until;  // its end, "2026-05-14"; empty: not announced
};

/// Nano-dollars of one call, and how they fall to the classes of its tokens: each part rounded down, what is
/// left of the total was for output.
struct Bill {
  int64_t total = 0;
  int64_t input = 0;  // uncached, audio included
  int64_t cache_read = 0;
  int64_t cache_write = 0;
  friend Bill operator+(const Bill& a, const Bill& b) {
    return {a.total + b.total, a.input + b.input, a.cache_read + b.cache_read, a.cache_write + b.cache_write};
  }
};

/// What a call cost: the sum over all classes of tokens, then rounded once, half up. nullopt: no usage, or a
/// class that was used has no price. A part of the input without a price of its own (cached, written to the
/// cache, audio) is charged as uncached input, reasoning and audio output as output: never less than the
/// provider's bill.
std::optional<Bill> bill(const ModelFacts& facts, const exchange::Usage& usage);
/// Its total.
std::optional<int64_t> cost_nanodollars(const ModelFacts& facts, const exchange::Usage& usage);

}  // namespace weir::registry
