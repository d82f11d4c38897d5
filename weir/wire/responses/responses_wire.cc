#include "weir/base/json_write.h"
#include "weir/wire/openai/openai.h"
#include "weir/wire/responses/responses.h"

namespace weir::wire::responses {
namespace {

// Model servers that speak this dialect are relayed to; one that must be asked in it for a caller of another
// dialect can be asked in chat/completions as well, so that way is not written.
Unexpected not_spoken() {
  return fail_internal(ErrorCode::kInternal, "the Responses wire is relayed, never translated to");
}

class ResponsesWire final : public Wire {
 public:
  exchange::Dialect dialect() const override { return exchange::Dialect::kResponses; }

  Result<void> read_request(Operation operation, json::Parser& parser,
                            exchange::ModelRequest& request) const override {
    return responses::read_request(operation, parser, request);
  }
  Result<chat::Request> read_chat(Operation, const exchange::ModelRequest& request) const override {
    return responses::read_chat(request);
  }
  Result<EmbeddingRequest> read_embedding(const exchange::ModelRequest&) const override {
    return not_spoken();
  }
  std::string echo(const exchange::ModelRequest& request) const override { return echo_of(request); }
  std::string write_answer(const AnswerContext& context, const chat::Answer& answer) const override {
    return responses::write_answer(context, answer);
  }
  std::string write_embedding(const AnswerContext&, const exchange::ModelRequest&,
                              const EmbeddingAnswer&) const override {
    return {};
  }
  std::unique_ptr<StreamWriter> stream_writer(AnswerContext context) const override {
    return responses::stream_writer(std::move(context));
  }
  std::string error_body(const Error& error) const override { return openai::error_body(error); }
  std::string error_event(const Error& error) const override { return responses::error_event(error); }
  std::string_view stream_content_type() const override { return "text/event-stream"; }

  std::string path(Operation, std::string_view, bool) const override { return "/responses"; }
  json::Edits upstream_edits(const exchange::ModelRequest& request, std::string_view model) const override {
    json::Edits edits(request.document.bytes);
    if (request.model != model) {
      std::string quoted;
      json::append_quoted(quoted, model);
      edits.replace(request.document.find("model")->raw, std::move(quoted));
    }
    return edits;
  }
  std::string write_chat(const chat::Request&, std::string_view, chat::Losses&) const override { return {}; }
  std::string write_embedding_request(const EmbeddingRequest&, std::string_view,
                                      chat::Losses&) const override {
    return {};
  }
  std::unique_ptr<StreamReader> stream_reader() const override { return openai::stream_reader(); }
  Result<void> read_answer(const json::Document&, chat::Sink&) const override { return not_spoken(); }
  Result<EmbeddingAnswer> read_embedding_answer(const json::Document&) const override { return not_spoken(); }
  EventFacts read_event(const StreamFrame& frame, bool look_for_output) const override {
    return responses::read_event(frame, look_for_output);
  }
  std::string event_error_text(const StreamFrame& frame) const override {
    if (auto response = json::find_in(frame.data, "response")) return openai::error_text(response->raw);
    return openai::error_text(frame.data);
  }
  bool passes_header(std::string_view name) const override { return iequals(name, "openai-beta"); }
  std::optional<exchange::Usage> usage_of(const json::Document& answer) const override {
    const json::Value* usage = answer.find("usage");
    return usage ? read_usage(*usage) : std::nullopt;
  }
  std::string error_text(const json::Document& answer) const override {
    return answer.find("error") ? openai::error_text(answer.bytes) : "";
  }
};

}  // namespace

const Wire& responses_wire() {
  static const ResponsesWire wire;
  return wire;
}

}  // namespace weir::wire::responses
