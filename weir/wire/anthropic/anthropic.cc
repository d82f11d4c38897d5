#include "weir/wire/anthropic/anthropic.h"

#include <algorithm>

#include "weir/base/json_write.h"

namespace weir::wire::anthropic {
namespace {

Unexpected no_embeddings() {
  return fail(ErrorCode::kInvalidRequest, "The Anthropic API has no embeddings.", {},
              "unsupported_operation");
}

bool same_name(std::string_view a, std::string_view lower) {
  return std::ranges::equal(
      a, lower, [](char x, char y) { return (x >= 'A' && x <= 'Z' ? static_cast<char>(x | 0x20) : x) == y; });
}

class AnthropicWire final : public Wire {
 public:
  exchange::Dialect dialect() const override { return exchange::Dialect::kAnthropic; }

  Result<void> read_request(Operation operation, json::Parser& parser,
                            exchange::ModelRequest& request) const override {
    return anthropic::read_request(operation, parser, request);
  }
  Result<chat::Request> read_chat(Operation, const exchange::ModelRequest& request) const override {
    return anthropic::read_chat(request);
  }
  Result<EmbeddingRequest> read_embedding(const exchange::ModelRequest&) const override {
    return no_embeddings();
  }
  std::string write_answer(const AnswerContext& context, const chat::Answer& answer) const override {
    return anthropic::write_answer(context, answer);
  }
  std::string write_embedding(const AnswerContext&, const exchange::ModelRequest&,
                              const EmbeddingAnswer&) const override {
    return {};
  }
  std::unique_ptr<StreamWriter> stream_writer(AnswerContext context) const override {
    return anthropic::stream_writer(std::move(context));
  }
  std::string error_body(const Error& error) const override { return anthropic::error_body(error); }
  std::string error_event(const Error& error) const override { return anthropic::error_event(error); }
  std::string_view stream_content_type() const override { return "text/event-stream"; }

  std::string path(Operation operation, std::string_view, bool) const override {
    return operation == Operation::kCountTokens ? "/v1/messages/count_tokens" : "/v1/messages";
  }
  bool passes_header(std::string_view name) const override {
    return same_name(name, "anthropic-version") || same_name(name, "anthropic-beta");
  }
  HeaderList default_headers() const override {
    static constexpr Header kHeaders[] = {{"anthropic-version", kVersion}};
    return kHeaders;
  }
  std::string_view check_path() const override { return "/v1/models"; }
  std::string_view list_path() const override { return "/v1/models?limit=1000"; }
  json::Edits upstream_edits(const exchange::ModelRequest& request, std::string_view model) const override {
    json::Edits edits(request.document.bytes);
    if (request.model != model) {
      std::string quoted;
      json::append_quoted(quoted, model);
      edits.replace(request.document.find("model")->raw, std::move(quoted));
    }
    return edits;
  }
  std::string write_chat(const chat::Request& request, std::string_view model,
                         chat::Losses& losses) const override {
    return anthropic::write_chat(request, model, losses);
  }
  std::string write_embedding_request(const EmbeddingRequest&, std::string_view,
                                      chat::Losses&) const override {
    return {};
  }
  std::unique_ptr<StreamReader> stream_reader() const override { return anthropic::stream_reader(); }
  Result<void> read_answer(const json::Document& answer, chat::Sink& sink) const override {
    return anthropic::read_answer(answer, sink);
  }
  Result<EmbeddingAnswer> read_embedding_answer(const json::Document&) const override {
    return no_embeddings();
  }
  EventFacts read_event(const StreamFrame& frame, bool look_for_output) const override {
    return anthropic::read_event(frame, look_for_output);
  }
  std::string event_error_text(const StreamFrame& frame) const override {
    return anthropic::error_text(frame.data);
  }
  std::optional<exchange::Usage> usage_of(const json::Document& answer) const override {
    const json::Value* object = answer.find("usage");
    if (!object || object->type != json::Type::kObject) return std::nullopt;
    Counts counts;
    counts.add(object->raw);
    exchange::Usage usage = counts.usage();
    if (!usage.known()) return std::nullopt;
    return usage;
  }
  std::string error_text(const json::Document& answer) const override {
    return anthropic::error_text(answer.root.raw);
  }
};

}  // namespace

const Wire& anthropic_wire() {
  static const AnthropicWire wire;
  return wire;
}

}  // namespace weir::wire::anthropic
