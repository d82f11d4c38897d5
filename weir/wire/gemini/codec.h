// The parts of the Gemini wire that its files share. Only weir/wire/gemini includes it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/json.h"
#include "weir/base/json_write.h"
#include "weir/wire/blocks.h"
#include "weir/wire/wire.h"

namespace weir::wire::gemini {

// ---- request.cc

std::string write_chat(const chat::Request& request, std::string_view model, chat::Losses& losses);
std::string write_embedding_request(const EmbeddingRequest& request, std::string_view model,
                                    chat::Losses& losses);
/// A tool call's arguments as the object this dialect wants: nothing becomes {}, what is no object becomes
/// {"arguments":"<the text>"}.
void write_arguments(json::Writer& out, std::string_view text);
/// "models/x": names that say their kind ("tunedModels/x") stay.
std::string resource_name(std::string_view model);

// ---- read_chat.cc, write.cc: a model server's side

Result<void> read_request(Operation operation, json::Parser& parser, exchange::ModelRequest& request);
Result<chat::Request> read_chat(const exchange::ModelRequest& request);
Result<EmbeddingRequest> read_embedding(const exchange::ModelRequest& request);
std::string write_answer(const AnswerContext& context, const chat::Answer& answer);
std::unique_ptr<StreamWriter> stream_writer(AnswerContext context);
std::string write_embedding(const exchange::ModelRequest& request, const EmbeddingAnswer& answer);
std::string error_body(const Error& error);

// ---- schema.cc

/// Adds `field` + "." + each keyword of a JSON schema that Gemini does not know.
void note_schema_losses(std::string_view schema, std::string_view field, chat::Losses& losses);

// ---- answer.cc

/// Reads GenerateContentResponse objects, those of a stream or the one of a whole answer, into steps.
class ChunkReader {
 public:
  /// As StreamReader::read.
  Result<void> read(std::string_view chunk, chat::Sink& sink);
  /// The end, if every candidate that spoke has its finishReason; false: the answer was cut.
  bool finish(chat::Sink& sink);

 private:
  struct Candidate {
    explicit Candidate(int choice) : blocks(choice) {}
    Blocks blocks;
    bool finished = false;
  };
  Result<void> read_candidate(std::string_view candidate, chat::Sink& sink);
  Result<void> read_part(std::string_view part, Blocks& blocks, chat::Sink& sink);
  Candidate& candidate(size_t index);

  std::vector<Candidate> candidates_;
  std::string answer_id_;
  bool started_ = false;
  bool ended_ = false;
};

std::optional<exchange::Usage> read_usage(const json::Value& metadata);
Result<EmbeddingAnswer> read_embedding_answer(const json::Document& answer);
/// The words of an error's body: an object, or an array of one; empty: there are none.
std::string words_of(std::string_view body);
EventFacts read_event(std::string_view chunk, bool look_for_output);

}  // namespace weir::wire::gemini
