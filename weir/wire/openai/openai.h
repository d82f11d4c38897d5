// The OpenAI wire: requests, errors, usage and stream events of /v1/chat/completions, /v1/completions,
// /v1/embeddings and /v1/models. One home for both directions: server/ reads callers' requests with it,
// upstream/ reads model servers' answers. Pure functions over bytes. Source of the shapes: OpenAI's API
// reference and what vLLM, llama.cpp and Azure send in practice: usage on any frame, errors as text or
// object, padded frames, frames without choices (openai_test.cc has an example of each).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/json.h"
#include "weir/base/result.h"
#include "weir/exchange/exchange.h"

namespace weir::wire::openai {

/// Parses `request.body`, checks what weir relies on and what would be unsafe to pass on (types and sane
/// ranges of the known parameters; unknown ones pass through byte for byte), and fills the rest of `request`.
/// Errors: kInvalidRequest naming the parameter.
Result<void> read_request(exchange::Operation operation, json::Parser& parser,
                          exchange::ModelRequest& request);

/// The request as the model server gets it: the caller's bytes with the model's name replaced where it
/// differs, and `include_usage` asked for on streams.
json::Edits upstream_edits(const exchange::ModelRequest& request, std::string_view model);

/// {"error":{"message","type","param","code"}}
std::string error_body(const Error& error);
/// The same as the last event of a stream that failed: `data: {...}\n\n`.
std::string error_event(const Error& error);

/// What one stream event says. Views into `data`.
struct EventFacts {
  bool done = false;        // [DONE]
  bool error = false;       // an error object instead of a chunk
  bool malformed = false;   // neither JSON object nor [DONE]
  bool has_output = false;  // carries text, reasoning or a tool call
  int finished = 0;         // choices that got their finish_reason
  bool choices_empty = false;
  std::optional<exchange::Usage> usage;
  std::optional<json::Value> usage_value;  // present, maybe null
};
/// `look_for_output` false skips the (slower) look for output once the first token was seen.
EventFacts read_event(std::string_view data, bool look_for_output);

/// The event without its usage member: `data: {...}\n\n`.
std::string without_usage(std::string_view data);

/// A whole answer (already validated JSON): its usage, if any.
std::optional<exchange::Usage> usage_of(const json::Document& answer);

struct ModelEntry {
  std::string id;
  std::string owned_by;
};
/// {"object":"list","data":[...]}; `created` in Unix seconds.
std::string models_body(const std::vector<ModelEntry>& models, int64_t created);
std::string model_body(const ModelEntry& model, int64_t created);

}  // namespace weir::wire::openai
