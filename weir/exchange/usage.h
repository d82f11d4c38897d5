// Tokens a call used, by class, as the model server reported them. nullopt: not reported (never read as
// zero).
#pragma once

#include <cstdint>
#include <optional>

namespace weir::exchange {

struct Usage {
  std::optional<int64_t> input_tokens;         // prompt, cached part included
  std::optional<int64_t> output_tokens;        // completion, reasoning included
  std::optional<int64_t> cached_input_tokens;  // part of input_tokens read from the provider's prompt cache
  std::optional<int64_t> reasoning_tokens;     // part of output_tokens

  bool known() const { return input_tokens || output_tokens; }
  /// Takes over every field `later` reports (frames of a stream repeat usage; the last word counts, field by
  /// field).
  void merge(const Usage& later) {
    if (later.input_tokens) input_tokens = later.input_tokens;
    if (later.output_tokens) output_tokens = later.output_tokens;
    if (later.cached_input_tokens) cached_input_tokens = later.cached_input_tokens;
    if (later.reasoning_tokens) reasoning_tokens = later.reasoning_tokens;
  }
};

}  // namespace weir::exchange
