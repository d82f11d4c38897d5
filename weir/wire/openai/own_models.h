// What OpenAI's own models refuse a whole request for, though servers of their kind take it: parameters that
// only others know, and those that its reasoning models gave up. Known from the model's name; a name that is
// none of OpenAI's own ("llama3", "openai/gpt-4o" of a broker, "gpt-oss-120b") takes everything. For the
// files of this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "weir/exchange/chat.h"

namespace weir::wire::openai {

struct OwnModel {
  bool own = false;      // takes no top_k, min_p, repetition_penalty
  bool reasons = false;  // takes an effort, and neither sampling parameters nor penalties
};

/// "gpt-4o-2024-08-06", "chatgpt-4o-latest", "o3-mini", "gpt-5.1", "ft:gpt-4.1:acme::id" ...
OwnModel own_model(std::string_view name);

/// The parameters that some model refuses, as far as the one asked takes them.
struct TakenParameters {
  std::optional<int64_t> top_k;
  std::optional<double> temperature, top_p, min_p;
  std::optional<double> presence_penalty, frequency_penalty, repetition_penalty;
  std::span<const std::string> stop;  // borrowed of the request
  bool reasoning = true;              // an effort may be said
};
/// What is left out is named in `losses`.
TakenParameters taken_parameters(const exchange::chat::Request& request, OwnModel model,
                                 exchange::chat::Losses& losses);

}  // namespace weir::wire::openai
