#include "weir/wire/gemini/codec.h"
#include "weir/wire/gemini/gemini.h"
#include "weir/wire/malformed.h"

namespace weir::wire::gemini {
namespace {

class Reader final : public StreamReader {
 public:
  Result<void> read(const StreamFrame& frame, chat::Sink& sink) override {
    return frame.has_data ? chunks_.read(frame.data, sink) : Result<void>{};
  }
  void finish(chat::Sink& sink) override { chunks_.finish(sink); }

 private:
  ChunkReader chunks_;
};

// A name's bytes as one segment of a path, but for the slash behind its kind.
std::string escaped(std::string_view name) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (char c : name) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                 c == '.' || c == '_' || c == '~' || c == '@';
    if (plain || (c == '/' && out.find('/') == std::string::npos)) {
      out += c;
    } else {
      auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

class GeminiWire final : public Wire {
 public:
  exchange::Dialect dialect() const override { return exchange::Dialect::kGemini; }

  Result<void> read_request(Operation operation, json::Parser& parser,
                            exchange::ModelRequest& request) const override {
    return gemini::read_request(operation, parser, request);
  }
  Result<chat::Request> read_chat(Operation, const exchange::ModelRequest& request) const override {
    return gemini::read_chat(request);
  }
  Result<EmbeddingRequest> read_embedding(const exchange::ModelRequest& request) const override {
    return gemini::read_embedding(request);
  }
  std::string write_answer(const AnswerContext& context, const chat::Answer& answer) const override {
    return gemini::write_answer(context, answer);
  }
  std::string write_embedding(const AnswerContext&, const exchange::ModelRequest& request,
                              const EmbeddingAnswer& answer) const override {
    return gemini::write_embedding(request, answer);
  }
  std::unique_ptr<StreamWriter> stream_writer(AnswerContext context) const override {
    return gemini::stream_writer(std::move(context));
  }
  std::string error_body(const Error& error) const override { return gemini::error_body(error); }
  std::string error_event(const Error& error) const override {
    return "data: " + gemini::error_body(error) + "\r\n\r\n";
  }
  std::string_view stream_content_type() const override { return "text/event-stream"; }

  std::string path(Operation operation, std::string_view model, bool stream) const override {
    std::string out = "/" + escaped(resource_name(model));
    switch (operation) {
      case Operation::kChat:
      case Operation::kCompletion:
        return out + (stream ? ":streamGenerateContent?alt=sse" : ":generateContent");
      case Operation::kEmbedding:
        return out + ":batchEmbedContents";
      case Operation::kCountTokens:
      case Operation::kPassThrough:
        break;
    }
    return out + ":countTokens";
  }
  json::Edits upstream_edits(const exchange::ModelRequest& request, std::string_view) const override {
    return json::Edits(request.document.bytes);  // nobody speaks it to us; the model is in the path
  }
  std::string write_chat(const chat::Request& request, std::string_view model,
                         chat::Losses& losses) const override {
    return gemini::write_chat(request, model, losses);
  }
  std::string write_count(const chat::Request& request, std::string_view model,
                          chat::Losses& losses) const override {
    // Only so are the system's words and the tools counted, too.
    std::string out = R"({"generateContentRequest":{"model":)";
    json::append_quoted(out, resource_name(model));
    out += ',';
    out.append(gemini::write_chat(request, model, losses), 1);
    return out += '}';
  }
  std::optional<int64_t> read_count(const json::Document& answer) const override {
    const json::Value* count = answer.find("totalTokens");
    return count ? count->as_int() : std::nullopt;
  }
  std::string write_embedding_request(const EmbeddingRequest& request, std::string_view model,
                                      chat::Losses& losses) const override {
    return gemini::write_embedding_request(request, model, losses);
  }
  std::unique_ptr<StreamReader> stream_reader() const override { return std::make_unique<Reader>(); }
  Result<void> read_answer(const json::Document& answer, chat::Sink& sink) const override {
    ChunkReader reader;
    TRY_VOID(reader.read(answer.root.raw, sink));
    if (!reader.finish(sink)) return malformed("an answer without a candidate that is finished");
    return {};
  }
  Result<EmbeddingAnswer> read_embedding_answer(const json::Document& answer) const override {
    return gemini::read_embedding_answer(answer);
  }
  EventFacts read_event(const StreamFrame& frame, bool look_for_output) const override {
    return gemini::read_event(frame.data, look_for_output);
  }
  std::string event_error_text(const StreamFrame& frame) const override { return words_of(frame.data); }
  std::optional<exchange::Usage> usage_of(const json::Document& answer) const override {
    const json::Value* usage = answer.find("usageMetadata");
    return usage ? read_usage(*usage) : std::nullopt;
  }
  std::string error_text(const json::Document& answer) const override { return words_of(answer.root.raw); }
};

}  // namespace

const Wire& gemini_wire() {
  static const GeminiWire wire;
  return wire;
}

}  // namespace weir::wire::gemini
