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
#include "weir/wire/wire.h"

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

/// `look_for_output` false skips the (slower) look for output once the first token was seen.
EventFacts read_event(std::string_view data, bool look_for_output);

/// The event without its usage member: `data: {...}\n\n`.
std::string without_usage(std::string_view data);

/// A whole answer (already validated JSON): its usage, if any.
std::optional<exchange::Usage> usage_of(const json::Document& answer);

/// What an error event says: {"error":{"message":...}}, {"error":"..."} or {"object":"error","message":...}.
/// At most 500 bytes.
std::string error_text(std::string_view data);

// ---- between this wire and the canonical forms; as their namesakes of Wire

Result<chat::Request> read_chat(Operation operation, const exchange::ModelRequest& request);
std::string write_chat(const chat::Request& request, std::string_view model, chat::Losses& losses);
Result<void> read_answer(const json::Document& answer, chat::Sink& sink);
std::string write_answer(const AnswerContext& context, const chat::Answer& answer);
std::unique_ptr<StreamReader> stream_reader();
std::unique_ptr<StreamWriter> stream_writer(AnswerContext context);
Result<EmbeddingRequest> read_embedding(const exchange::ModelRequest& request);
std::string write_embedding_request(const EmbeddingRequest& request, std::string_view model,
                                    chat::Losses& losses);
Result<EmbeddingAnswer> read_embedding_answer(const json::Document& answer);
std::string write_embedding(const AnswerContext& context, const exchange::ModelRequest& request,
                            const EmbeddingAnswer& answer);

/// "chatcmpl-..." or "cmpl-...", made of the exchange's id.
std::string answer_id(const AnswerContext& context);
/// {"prompt_tokens":...}
void append_usage(std::string& out, const exchange::Usage& usage);
chat::Finish finish_of(std::string_view finish_reason);
std::string_view name_of(chat::Finish finish);

/// This dialect as a Wire.
const Wire& openai_wire();

struct ModelEntry {
  std::string id;
  std::string owned_by;
  std::optional<int64_t> context_tokens = {};  // told as context_length, as routers and their clients know it
  std::optional<int64_t> output_tokens = {};
  std::optional<int64_t> created = {};  // Unix seconds; nullopt: not known, and 0 is written
  std::string more = {};                // further members, as the provider wrote them: `"aliases":[]`
};
/// {"object":"list","data":[...]}. One body for two dialects: Anthropic's clients
/// find the members they look for beside OpenAI's.
std::string models_body(const std::vector<ModelEntry>& models);
std::string model_body(const ModelEntry& model);

}  // namespace weir::wire::openai
