#include "weir/base/json_write.h"
#include "weir/wire/malformed.h"
#include "weir/wire/ollama/codec.h"
#include "weir/wire/ollama/ollama.h"

namespace weir::wire::ollama {
namespace {

class OllamaWire final : public Wire {
 public:
  exchange::Dialect dialect() const override { return exchange::Dialect::kOllama; }

  Result<void> read_request(Operation operation, json::Parser& parser,
                            exchange::ModelRequest& request) const override {
    return ollama::read_request(operation, parser, request);
  }
  Result<chat::Request> read_chat(Operation operation, const exchange::ModelRequest& request) const override {
    return ollama::read_chat(operation, request);
  }
  Result<EmbeddingRequest> read_embedding(const exchange::ModelRequest& request) const override {
    return ollama::read_embedding(request);
  }
  std::optional<std::string> own_answer(const AnswerContext& context,
                                        const exchange::ModelRequest& request) const override {
    return load_answer(context, request);
  }
  std::string write_answer(const AnswerContext& context, const chat::Answer& answer) const override {
    return ollama::write_answer(context, answer);
  }
  std::string write_embedding(const AnswerContext& context, const exchange::ModelRequest& request,
                              const EmbeddingAnswer& answer) const override {
    return ollama::write_embedding(context, request, answer);
  }
  std::unique_ptr<StreamWriter> stream_writer(AnswerContext context) const override {
    return ollama::stream_writer(std::move(context));
  }
  std::string error_body(const Error& error) const override { return ollama::error_body(error); }
  std::string error_event(const Error& error) const override { return ollama::error_body(error) + "\n"; }
  std::string_view stream_content_type() const override { return "application/x-ndjson"; }

  std::string path(Operation operation, std::string_view, bool) const override {
    switch (operation) {
      case Operation::kChat:
        return "/api/chat";
      case Operation::kCompletion:
        return "/api/generate";
      case Operation::kEmbedding:
        return "/api/embed";
      case Operation::kCountTokens:
      case Operation::kPassThrough:
        break;
    }
    return {};  // there is no such endpoint
  }
  std::string relay_path(Operation operation, const exchange::ModelRequest& request,
                         std::string_view model) const override {
    if (operation == Operation::kEmbedding && ollama::is_old_embedding(request)) return "/api/embeddings";
    return path(operation, model, request.stream);
  }
  Framing framing() const override { return Framing::kNdjson; }
  std::string_view check_path() const override { return "/api/version"; }
  std::string_view list_path() const override { return "/api/tags"; }
  json::Edits upstream_edits(const exchange::ModelRequest& request, std::string_view model) const override {
    json::Edits edits(request.document.bytes);
    if (request.model == model) return edits;
    std::string quoted;
    json::append_quoted(quoted, model);
    edits.replace(request.document.find("model")->raw, std::move(quoted));
    return edits;
  }
  std::string write_chat(const chat::Request& request, std::string_view model,
                         chat::Losses& losses) const override {
    return ollama::write_chat(request, model, losses);
  }
  std::string write_embedding_request(const EmbeddingRequest& request, std::string_view model,
                                      chat::Losses& losses) const override {
    return ollama::write_embedding_request(request, model, losses);
  }
  std::unique_ptr<StreamReader> stream_reader() const override { return ollama::stream_reader(); }
  Result<void> read_answer(const json::Document& answer, chat::Sink& sink) const override {
    ollama::FrameReader reader;
    TRY_VOID(reader.read(answer.root.raw, sink));
    if (!reader.done()) return malformed("the answer is not done");
    return {};
  }
  Result<EmbeddingAnswer> read_embedding_answer(const json::Document& answer) const override {
    return ollama::read_embedding_answer(answer);
  }
  EventFacts read_event(const StreamFrame& frame, bool look_for_output) const override {
    return ollama::read_event(frame.data, look_for_output);
  }
  std::string event_error_text(const StreamFrame& frame) const override {
    auto error = json::find_in(ollama::trimmed(frame.data), "error");
    return error ? ollama::words_of(*error) : std::string();
  }
  std::optional<exchange::Usage> usage_of(const json::Document& answer) const override {
    return ollama::usage_in(json::members_of(answer.root.raw));
  }
  std::string error_text(const json::Document& answer) const override {
    const json::Value* error = answer.find("error");
    return error ? ollama::words_of(*error) : std::string();
  }
};

}  // namespace

const Wire& ollama_wire() {
  static const OllamaWire wire;
  return wire;
}

}  // namespace weir::wire::ollama
