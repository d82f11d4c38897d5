#include "weir/base/json_write.h"
#include "weir/wire/openai/openai.h"
#include "weir/wire/parameters.h"

namespace weir::wire::openai {
namespace {

using exchange::Operation;
using json::Type;
using json::Value;
using Kind = ParameterKind;

constexpr double kTokensMax = 1 << 30;

constexpr Parameter kParameters[] = {
    {"temperature", Kind::kNumber, 0, 100},
    {"top_p", Kind::kNumber, 0, 1},
    {"presence_penalty", Kind::kNumber, -100, 100},
    {"frequency_penalty", Kind::kNumber, -100, 100},
    {"n", Kind::kInteger, 1, 128},
    {"best_of", Kind::kInteger, 0, 128},
    {"max_tokens", Kind::kInteger, 0, kTokensMax},
    {"max_completion_tokens", Kind::kInteger, 0, kTokensMax},
    {"max_output_tokens", Kind::kInteger, 0, kTokensMax},
    {"max_new_tokens", Kind::kInteger, 0, kTokensMax},
    {"min_tokens", Kind::kInteger, 0, kTokensMax},
    {"top_logprobs", Kind::kInteger, 0, 1000},
    {"logprobs", Kind::kBoolOrInteger, 0, 1000},
    {"seed", Kind::kInteger, -9.3e18, 9.3e18},
    {"dimensions", Kind::kInteger, 1, 1 << 20},
    {"stream", Kind::kBool},
    {"store", Kind::kBool},
    {"echo", Kind::kBool},
    {"parallel_tool_calls", Kind::kBool},
    {"user", Kind::kString},
    {"suffix", Kind::kString},
    {"encoding_format", Kind::kString},
    {"reasoning_effort", Kind::kString},
    {"service_tier", Kind::kString},
    {"messages", Kind::kArray},
    {"tools", Kind::kArray},
    {"functions", Kind::kArray},
    {"modalities", Kind::kArray},
    {"stop", Kind::kStringOrArray},
    {"prompt", Kind::kStringOrArray},
    {"input", Kind::kStringOrArray},
    {"tool_choice", Kind::kStringOrObject},
    {"function_call", Kind::kStringOrObject},
    {"response_format", Kind::kObject},
    {"stream_options", Kind::kObject},
    {"logit_bias", Kind::kObject},
    {"metadata", Kind::kObject},
};

}  // namespace

Result<void> read_request(Operation operation, json::Parser& parser, exchange::ModelRequest& request) {
  TRY_VOID(read_object(kParameters, parser, request));
  const json::Document& document = request.document;
  switch (operation) {
    case Operation::kChat: {
      TRY_VOID(require(document, "messages"));
      break;
    }
    case Operation::kCompletion: {
      TRY_VOID(require(document, "prompt"));
      break;
    }
    case Operation::kEmbedding: {
      TRY_VOID(require(document, "input"));
      return {};  // embeddings do not stream
    }
    case Operation::kCountTokens:
    case Operation::kPassThrough:
      return fail_internal(ErrorCode::kInternal, "this dialect counts no tokens");
  }
  if (const Value* stream = document.find("stream")) request.stream = stream->as_bool().value_or(false);
  if (const Value* options = document.find("stream_options"); options && options->type == Type::kObject) {
    if (auto include = json::find_in(options->raw, "include_usage")) {
      if (include->type != Type::kBool && include->type != Type::kNull)
        return wrong_type("stream_options.include_usage", "true or false");
      request.usage_wanted = include->as_bool().value_or(false);
    }
  }
  return {};
}

json::Edits upstream_edits(const exchange::ModelRequest& request, std::string_view model) {
  json::Edits edits(request.document.bytes);
  if (request.model != model) {
    std::string quoted;
    json::append_quoted(quoted, model);
    edits.replace(request.document.find("model")->raw, std::move(quoted));
  }
  if (request.stream && !request.usage_wanted) {
    const Value* options = request.document.find("stream_options");
    if (!options)
      edits.insert_first_member(request.document.root.raw, R"("stream_options":{"include_usage":true})");
    else if (options->type != Type::kObject)
      edits.replace(options->raw, R"({"include_usage":true})");
    else if (auto include = json::find_in(options->raw, "include_usage"))
      edits.replace(include->raw, "true");
    else
      edits.insert_first_member(options->raw, R"("include_usage":true)");
  }
  return edits;
}

}  // namespace weir::wire::openai
