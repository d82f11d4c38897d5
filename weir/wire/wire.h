// Wire: one dialect, both ways. As the caller's dialect it reads requests and writes answers, as the model
// server's it writes requests and reads answers; each is written once and serves server/ and upstream/ alike.
//
//   same dialect in and out:   caller's bytes -> upstream_edits -> model server (relay_path); its events ->
//                              read_event -> relayed
//   two dialects:              read_chat -> chat::Request -> write_chat -> model server (path of kChat); its
//                              events -> StreamReader -> chat::Step -> StreamWriter -> the caller
//
// A Wire is one object without state for the whole program. Nothing here does io or knows a clock.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/header.h"
#include "weir/base/json.h"
#include "weir/base/result.h"
#include "weir/exchange/chat.h"
#include "weir/exchange/exchange.h"
#include "weir/wire/framer.h"

namespace weir::wire {

using exchange::Operation;
namespace chat = exchange::chat;

/// What one event of a stream says to a relay that does not translate it. Views into the event.
struct EventFacts {
  bool done = false;        // the stream's last event
  bool error = false;       // an error instead of a chunk
  bool malformed = false;   // not what this dialect sends
  bool has_output = false;  // carries text, reasoning or a tool call
  int finished = 0;         // choices that got their finish reason
  bool choices_empty = false;
  std::optional<exchange::Usage> usage;
  std::optional<json::Value> usage_value;  // present, maybe null
};

/// What an answer must say about the call it answers.
struct AnswerContext {
  Operation operation = Operation::kChat;
  std::string model;          // as the caller wrote it
  std::string id;             // the exchange's: "req_" + 24 hex digits
  int64_t created_s = 0;      // Unix time
  int64_t created_ns = 0;     // beyond created_s, for dialects that say it
  bool usage_wanted = false;  // in the stream, where the dialect leaves the choice
  std::string known_id;       // of an answer that goes on: its id so far; empty: made of `id`
  std::string echo;           // Wire::echo() of the request
  int64_t elapsed_ns = 0;     // of whole answers: since the request came (Ollama's total_duration)
};

/// Embedding requests and answers need little: texts in, vectors out.
struct EmbeddingRequest {
  std::vector<std::string> inputs;
  std::optional<int64_t> dimensions;
  std::vector<std::string> unread;
};
struct EmbeddingAnswer {
  std::vector<std::string> vectors;  // each the JSON array of its numbers
  exchange::Usage usage;
};

/// Reads a model server's stream, event by event, into steps. One stream, one reader.
class StreamReader {
 public:
  virtual ~StreamReader() = default;
  /// Gives the event's steps to `sink`. Errors: kUpstream with reason "malformed_response", or
  /// "upstream_error_event" with the server's words in `safe`.
  virtual Result<void> read(const StreamFrame& frame, chat::Sink& sink) = 0;
  /// The stream's bytes are over. Gives the last steps of a stream that was whole though it lacked its last
  /// event; a stream that was cut gives none, and no kEnd.
  virtual void finish(chat::Sink& sink) = 0;
};

/// Writes the caller's stream from steps: each take() appends whole frames to `out`, which its user empties.
/// One stream, one writer. Steps come in the order chat::Step promises.
class StreamWriter : public chat::Sink {
 public:
  virtual ~StreamWriter() = default;
  std::string out;
  /// Since the request came; its user sets it before it hands over an event's steps. For dialects whose
  /// frames say the time.
  int64_t elapsed_ns = 0;
};

class Wire {
 public:
  virtual ~Wire() = default;
  virtual exchange::Dialect dialect() const = 0;

  // ---- as the caller's dialect

  /// Parses request.body, checks what weir relies on and what would be unsafe to pass on, fills the rest of
  /// `request`. Errors: kInvalidRequest naming the parameter.
  virtual Result<void> read_request(Operation operation, json::Parser& parser,
                                    exchange::ModelRequest& request) const = 0;
  /// The canonical form of a request that read_request() took: of Operation::kChat and ::kCompletion.
  virtual Result<chat::Request> read_chat(Operation operation,
                                          const exchange::ModelRequest& request) const = 0;
  virtual Result<EmbeddingRequest> read_embedding(const exchange::ModelRequest& request) const = 0;
  /// The answer to a request that needs no model server (Ollama's "load this model"); nullopt: it needs one.
  virtual std::optional<std::string> own_answer(const AnswerContext&, const exchange::ModelRequest&) const {
    return std::nullopt;
  }
  /// What an answer repeats of its request; goes to AnswerContext::echo before the request is let go.
  virtual std::string echo(const exchange::ModelRequest&) const { return {}; }
  virtual std::string write_answer(const AnswerContext& context, const chat::Answer& answer) const = 0;
  virtual std::string write_embedding(const AnswerContext& context, const exchange::ModelRequest& request,
                                      const EmbeddingAnswer& answer) const = 0;
  virtual std::unique_ptr<StreamWriter> stream_writer(AnswerContext context) const = 0;
  virtual std::string error_body(const Error& error) const = 0;
  /// The last frame of a stream that failed.
  virtual std::string error_event(const Error& error) const = 0;
  virtual std::string_view stream_content_type() const = 0;

  // ---- as the model server's dialect

  /// The path behind the base URL, query included.
  virtual std::string path(Operation operation, std::string_view model, bool stream) const = 0;
  /// The path for a request of the same dialect whose bytes are relayed, where one operation has several
  /// (Ollama's two kinds of embeddings). Requires: read_request() took it.
  virtual std::string relay_path(Operation operation, const exchange::ModelRequest& request,
                                 std::string_view model) const {
    return path(operation, model, request.stream);
  }
  /// Where a GET costs nothing and says that the server is there.
  virtual std::string_view check_path() const { return "/models"; }
  /// Where a GET lists its models (wire/model_list.h).
  virtual std::string_view list_path() const { return check_path(); }
  virtual Framing framing() const { return Framing::kSse; }
  /// May the caller's header of this name (any case) go to a model server of the same dialect, beyond those
  /// that every dialect passes?
  virtual bool passes_header(std::string_view) const { return false; }
  /// Headers that every request carries unless the caller's own of that name was passed.
  virtual HeaderList default_headers() const { return {}; }
  /// The request as a model server of this dialect gets it when the caller spoke it too.
  virtual json::Edits upstream_edits(const exchange::ModelRequest& request, std::string_view model) const = 0;
  /// What this dialect cannot say goes to `losses` by its name in `request`'s terms ("seed", "tools.strict").
  virtual std::string write_chat(const chat::Request& request, std::string_view model,
                                 chat::Losses& losses) const = 0;
  /// Empty: this dialect has no embeddings.
  virtual std::string write_embedding_request(const EmbeddingRequest& request, std::string_view model,
                                              chat::Losses& losses) const = 0;
  /// A request to path(Operation::kCountTokens), which its servers may have, and the number they answer with.
  virtual std::string write_count(const chat::Request&, std::string_view /*model*/, chat::Losses&) const {
    return {};
  }
  virtual std::optional<int64_t> read_count(const json::Document&) const { return std::nullopt; }
  virtual std::unique_ptr<StreamReader> stream_reader() const = 0;
  /// Steps of a whole answer (checked JSON). Errors as StreamReader::read.
  virtual Result<void> read_answer(const json::Document& answer, chat::Sink& sink) const = 0;
  virtual Result<EmbeddingAnswer> read_embedding_answer(const json::Document& answer) const = 0;
  /// What a same-dialect relay needs to know; `look_for_output` false skips the (slower) look for output once
  /// the first token was seen.
  virtual EventFacts read_event(const StreamFrame& frame, bool look_for_output) const = 0;
  /// The server's words in an event that read_event() called an error.
  virtual std::string event_error_text(const StreamFrame& frame) const = 0;
  /// A frame whose facts had a usage_value, without it: `data: {...}\n\n`.
  virtual std::string without_usage(const StreamFrame& frame) const { return std::string(frame.raw); }
  virtual std::optional<exchange::Usage> usage_of(const json::Document& answer) const = 0;
  /// The server's own words of a refusal's body; empty: it is not this dialect's error object.
  virtual std::string error_text(const json::Document& answer) const = 0;
};

/// The wire of a dialect. Gemini's callers are not served (server/ has no paths of theirs).
const Wire& wire_of(exchange::Dialect dialect);

}  // namespace weir::wire
