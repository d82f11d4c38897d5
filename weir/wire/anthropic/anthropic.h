// The Anthropic Messages wire: /v1/messages and /v1/messages/count_tokens. One home for both directions;
// server/ and upstream/ reach it through anthropic_wire(), the rest is for the files of this folder and their
// tests. Source of the shapes: Anthropic's API reference and the types of its official client libraries.
//
// How its answer differs from the canonical one, which is where translations go wrong:
//   - input_tokens on this wire leaves out what the prompt cache gave and took; ours includes both.
//   - counts in message_delta are cumulative and may leave out what message_start already said.
//   - a stream is blocks one after the other, each opened, filled with deltas of its own kind, closed; then
//     message_delta with the reason to stop, then message_stop. Every event names itself twice (event:,
//     type).
//   - tools are called in blocks of the assistant's message and answered in blocks of the next user message,
//     all of one turn together.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "weir/wire/malformed.h"
#include "weir/wire/wire.h"

namespace weir::wire::anthropic {

/// This dialect as a Wire. It has no embeddings and, as the caller's dialect, no completions: requests for
/// either are kInvalidRequest; write_embedding_request() and write_embedding() give nothing.
const Wire& anthropic_wire();

/// What a model server of this dialect must be told in the header anthropic-version.
inline constexpr std::string_view kVersion = "2023-06-01";

/// max_tokens must be said on this wire. Where another dialect's caller did not, this much is left for the
/// answer, on top of what thinking may take.
inline constexpr int64_t kMaxTokensDefault = 4096;

// ---- requests; as their namesakes of Wire

Result<void> read_request(Operation operation, json::Parser& parser, exchange::ModelRequest& request);
Result<chat::Request> read_chat(const exchange::ModelRequest& request);
std::string write_chat(const chat::Request& request, std::string_view model, chat::Losses& losses);

// ---- answers

Result<void> read_answer(const json::Document& answer, chat::Sink& sink);
std::string write_answer(const AnswerContext& context, const chat::Answer& answer);
std::unique_ptr<StreamReader> stream_reader();
std::unique_ptr<StreamWriter> stream_writer(AnswerContext context);
EventFacts read_event(const StreamFrame& frame, bool look_for_output);

// ---- errors

/// {"type":"error","error":{"type","message"},"request_id":null}
std::string error_body(const Error& error);
/// The same as the last event of a stream: `event: error`.
std::string error_event(const Error& error);
/// The words of an error object, at most 500 bytes; empty: it is none. `object` need not be checked JSON.
std::string error_text(std::string_view object);
/// The error that such an object is to whoever asked (reason "upstream_error_event").
Error error_of(std::string_view object);

// ---- pieces of answers

/// Tokens as this wire counts them. Nothing here trusts the sender.
struct Counts {
  std::optional<int64_t> input;  // neither read from the cache nor written to it
  std::optional<int64_t> output;
  std::optional<int64_t> cache_read;
  std::optional<int64_t> cache_write;
  std::optional<int64_t> cache_write_5m;
  std::optional<int64_t> cache_write_1h;
  std::optional<int64_t> thinking;

  /// Takes over what a usage object says. Counts only grow in a stream: a later zero (some servers repeat
  /// fields they no longer know) takes nothing back.
  void add(std::string_view usage_object);
  exchange::Usage usage() const;
};

void append_usage(std::string& out, const exchange::Usage& usage);

chat::Finish finish_of(std::string_view stop_reason);
/// `called`: the answer holds a tool call; `refused`: it holds a refusal. Other dialects' servers say a plain
/// stop in both cases, and an agent that is told end_turn never runs its tool.
std::string_view stop_reason(chat::Finish finish, bool called, bool refused);

/// "msg_..." and "toolu_..._<n>", made of the exchange's id.
std::string message_id(const AnswerContext& context);
std::string call_id(const AnswerContext& context, size_t n);

/// A tool call's arguments, which must be a JSON object on this wire: `text` if it is one, {} if it is empty,
/// else {"arguments": text}. False: it had to be wrapped.
bool append_arguments(std::string& out, std::string_view text);

}  // namespace weir::wire::anthropic
