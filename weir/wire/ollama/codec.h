// The parts of the Ollama wire that its files share. Only weir/wire/ollama includes it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "weir/base/json.h"
#include "weir/wire/blocks.h"
#include "weir/wire/wire.h"

namespace weir::wire::ollama {

// ---- requests (request.cc, read_chat.cc, upstream.cc)

Result<void> read_request(Operation operation, json::Parser& parser, exchange::ModelRequest& request);
Result<chat::Request> read_chat(Operation operation, const exchange::ModelRequest& request);
Result<EmbeddingRequest> read_embedding(const exchange::ModelRequest& request);
/// Is it /api/embeddings, the older kind?
bool is_old_embedding(const exchange::ModelRequest& request);

/// Is it one of the real server's options? It ignores others.
bool is_option(std::string_view name);
/// Errors: kInvalidRequest naming the first element that is no string.
Result<void> check_texts(const json::Value& array, std::string_view path);
/// A member that is there and not null.
const json::Value* given(const json::Document& document, std::string_view key);
/// A string, unescaped; empty: it is none.
std::string text_of(const json::Value* value);

std::string write_chat(const chat::Request& request, std::string_view model, chat::Losses& losses);
std::string write_embedding_request(const EmbeddingRequest& request, std::string_view model,
                                    chat::Losses& losses);

/// Appends a tool call's arguments as the object Ollama wants, on one line: nothing becomes {}, what is no
/// object becomes {"arguments":"<the text>"}: the tool sees what the model wrote, and nothing is lost.
void append_arguments(std::string& out, std::string_view arguments);

// ---- answers (answer.cc)

/// Reads frames, of a stream or the one of a whole answer, into steps.
class FrameReader {
 public:
  /// As StreamReader::read. Bytes behind the last frame are ignored.
  Result<void> read(std::string_view frame, chat::Sink& sink);
  bool done() const { return done_; }

 private:
  Result<void> read_calls(std::string_view calls, std::string_view created_at, chat::Sink& sink);
  void finish(const json::Members& frame, chat::Sink& sink);

  Blocks blocks_;
  bool started_ = false;
  bool done_ = false;
};

/// What an answer says about itself beside its text: the head of every frame, and the numbers of the last.
class FrameWriter {
 public:
  explicit FrameWriter(AnswerContext context);
  /// `{"model":...,"created_at":...` at so many ns after the request came.
  void begin(std::string& out, int64_t elapsed_ns);
  /// The message, or the response: text and thinking; `calls` is JSON elements, joined by commas.
  void output(std::string& out, std::string_view text, std::string_view thinking, std::string_view calls);
  /// `,"done":true` and the rest, the brace included. `first_ns`: when its first output came (0: not known).
  static void end(std::string& out, std::string_view reason, const exchange::Usage& usage, int64_t first_ns,
                  int64_t elapsed_ns);
  const AnswerContext& context() const { return context_; }

 private:
  AnswerContext context_;
  std::string head_;
};

/// `{"id":...,"function":{"index":...,"name":...,"arguments":{...}}}`
void append_call(std::string& out, std::string_view id, std::string_view name, int index,
                 std::string_view arguments);
std::string_view done_reason(chat::Finish finish);

std::string write_answer(const AnswerContext& context, const chat::Answer& answer);
std::string write_embedding(const AnswerContext& context, const exchange::ModelRequest& request,
                            const EmbeddingAnswer& answer);
Result<EmbeddingAnswer> read_embedding_answer(const json::Document& answer);
std::optional<exchange::Usage> usage_in(const json::Members& frame);
/// The server's words in an `error` member's value; empty: there are none.
std::string words_of(const json::Value& error);
std::string error_body(const Error& error);

// ---- streams (stream.cc)

std::unique_ptr<StreamReader> stream_reader();
std::unique_ptr<StreamWriter> stream_writer(AnswerContext context);
EventFacts read_event(std::string_view frame, bool look_for_output);

/// JSON's white space at both ends taken off.
std::string_view trimmed(std::string_view text);

}  // namespace weir::wire::ollama
