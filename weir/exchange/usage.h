// Tokens a call used, by class, as the model server reported them. nullopt: not reported (never read as
// zero).
#pragma once

#include <cstdint>
#include <optional>

namespace weir::exchange {

struct Usage {
  std::optional<int64_t> input_tokens;           // prompt, cached parts included
  std::optional<int64_t> output_tokens;          // completion, reasoning included
  std::optional<int64_t> cached_input_tokens;    // part of input_tokens read from the provider's prompt cache
  std::optional<int64_t> cache_write_tokens;     // part of input_tokens written to it, whatever its lifetime
  std::optional<int64_t> cache_write_1h_tokens;  // part of cache_write_tokens kept for an hour
  std::optional<int64_t> input_audio_tokens;     // part of input_tokens
  std::optional<int64_t> input_image_tokens;     // part of input_tokens
  std::optional<int64_t> output_audio_tokens;    // part of output_tokens
  std::optional<int64_t> reasoning_tokens;       // part of output_tokens

  bool known() const { return input_tokens || output_tokens; }

  /// Takes over every field `later` reports (frames of a stream repeat usage; the last word counts, field by
  /// field).
  void merge(const Usage& later) {
    auto take = [](std::optional<int64_t>& mine, const std::optional<int64_t>& theirs) {
      if (theirs) mine = theirs;
    };
    take(input_tokens, later.input_tokens);
    take(output_tokens, later.output_tokens);
    take(cached_input_tokens, later.cached_input_tokens);
    take(cache_write_tokens, later.cache_write_tokens);
    take(cache_write_1h_tokens, later.cache_write_1h_tokens);
    take(input_audio_tokens, later.input_audio_tokens);
    take(input_image_tokens, later.input_image_tokens);
    take(output_audio_tokens, later.output_audio_tokens);
    take(reasoning_tokens, later.reasoning_tokens);
  }

  /// Field by field, what is known of this one less what is known of the other.
  Usage minus(const Usage& other) const {
    auto less = [](const std::optional<int64_t>& all, const std::optional<int64_t>& part) {
      return all ? std::optional<int64_t>(*all - part.value_or(0)) : std::nullopt;
    };
    return {less(input_tokens, other.input_tokens),
            less(output_tokens, other.output_tokens),
            less(cached_input_tokens, other.cached_input_tokens),
            less(cache_write_tokens, other.cache_write_tokens),
            less(cache_write_1h_tokens, other.cache_write_1h_tokens),
            less(input_audio_tokens, other.input_audio_tokens),
            less(input_image_tokens, other.input_image_tokens),
            less(output_audio_tokens, other.output_audio_tokens),
            less(reasoning_tokens, other.reasoning_tokens)};
  }

  friend bool operator==(const Usage&, const Usage&) = default;
};

}  // namespace weir::exchange
