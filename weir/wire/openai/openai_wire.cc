#include "weir/wire/openai/openai.h"

namespace weir::wire::openai {
namespace {

class OpenAiWire final : public Wire {
 public:
  exchange::Dialect dialect() const override { return exchange::Dialect::kOpenAi; }

  Result<void> read_request(Operation operation, json::Parser& parser,
                            exchange::ModelRequest& request) const override {
    return openai::read_request(operation, parser, request);
  }
  Result<chat::Request> read_chat(Operation operation, const exchange::ModelRequest& request) const override {
    return openai::read_chat(operation, request);
  }
  Result<EmbeddingRequest> read_embedding(const exchange::ModelRequest& request) const override {
    return openai::read_embedding(request);
  }
  std::string write_answer(const AnswerContext& context, const chat::Answer& answer) const override {
    return openai::write_answer(context, answer);
  }
  std::string write_embedding(const AnswerContext& context, const exchange::ModelRequest& request,
                              const EmbeddingAnswer& answer) const override {
    return openai::write_embedding(context, request, answer);
  }
  std::unique_ptr<StreamWriter> stream_writer(AnswerContext context) const override {
    return openai::stream_writer(std::move(context));
  }
  std::string error_body(const Error& error) const override { return openai::error_body(error); }
  std::string error_event(const Error& error) const override { return openai::error_event(error); }
  std::string_view stream_content_type() const override { return "text/event-stream"; }

  std::string path(Operation operation, std::string_view, bool) const override {
    switch (operation) {
      case Operation::kCompletion:
        return "/completions";
      case Operation::kEmbedding:
        return "/embeddings";
      case Operation::kCountTokens:
        return "/chat/completions/input_tokens";  // llama.cpp's: OpenAI's own counts for Responses only
      default:
        return "/chat/completions";
    }
  }
  json::Edits upstream_edits(const exchange::ModelRequest& request, std::string_view model) const override {
    return openai::upstream_edits(request, model);
  }
  std::string write_chat(const chat::Request& request, std::string_view model,
                         chat::Losses& losses) const override {
    return openai::write_chat(request, model, losses);
  }
  std::string write_count(const chat::Request& request, std::string_view model,
                          chat::Losses& losses) const override {
    return openai::write_chat(request, model, losses);
  }
  std::optional<int64_t> read_count(const json::Document& answer) const override {
    const json::Value* count = answer.find("input_tokens");
    return count ? count->as_int() : std::nullopt;
  }
  std::string write_embedding_request(const EmbeddingRequest& request, std::string_view model,
                                      chat::Losses& losses) const override {
    return openai::write_embedding_request(request, model, losses);
  }
  std::unique_ptr<StreamReader> stream_reader() const override { return openai::stream_reader(); }
  Result<void> read_answer(const json::Document& answer, chat::Sink& sink) const override {
    return openai::read_answer(answer, sink);
  }
  Result<EmbeddingAnswer> read_embedding_answer(const json::Document& answer) const override {
    return openai::read_embedding_answer(answer);
  }
  EventFacts read_event(const StreamFrame& frame, bool look_for_output) const override {
    return openai::read_event(frame.data, look_for_output);
  }
  std::string event_error_text(const StreamFrame& frame) const override {
    return openai::error_text(frame.data);
  }
  std::string without_usage(const StreamFrame& frame) const override {
    return openai::without_usage(frame.data);
  }
  bool passes_header(std::string_view name) const override { return iequals(name, "openai-beta"); }
  std::optional<exchange::Usage> usage_of(const json::Document& answer) const override {
    return openai::usage_of(answer);
  }
  std::string error_text(const json::Document& answer) const override {
    return answer.find("error") ? openai::error_text(answer.bytes) : "";
  }
};

}  // namespace

const Wire& openai_wire() {
  static const OpenAiWire wire;
  return wire;
}

}  // namespace weir::wire::openai
