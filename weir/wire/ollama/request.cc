// What is refused of a request, and the requests that are no conversation: embeddings, and those that only
// load a model.
#include <algorithm>

#include "weir/wire/ollama/codec.h"
#include "weir/wire/ollama/ollama.h"
#include "weir/wire/parameters.h"

namespace weir::wire::ollama {
namespace {

using json::Type;
using json::Value;
using Kind = ParameterKind;

constexpr double kTokensMax = 1 << 30;

constexpr Parameter kParameters[] = {
    {"messages", Kind::kArray},
    {"prompt", Kind::kString},
    {"suffix", Kind::kString},
    {"system", Kind::kString},
    {"template", Kind::kString},
    {"raw", Kind::kBool},
    {"images", Kind::kArray},
    {"context", Kind::kArray},
    {"tools", Kind::kArray},
    {"format", Kind::kStringOrObject},
    {"options", Kind::kObject},
    {"think", Kind::kBoolOrString},
    {"keep_alive", Kind::kStringOrNumber},
    {"logprobs", Kind::kBool},
    {"top_logprobs", Kind::kInteger, 0, 1000},
    {"stream", Kind::kBool},
    {"truncate", Kind::kBool},
    {"shift", Kind::kBool},
    {"input", Kind::kStringOrArray},
    {"dimensions", Kind::kInteger, 0, 1 << 20},
};

// Whole numbers too may come as 40.0: the real server reads them as floating point and cuts them off.
constexpr Parameter kOptions[] = {
    {"temperature", Kind::kNumber, 0, 100},
    {"top_k", Kind::kNumber, -1, kTokensMax},
    {"top_p", Kind::kNumber, 0, 1},
    {"min_p", Kind::kNumber, 0, 1},
    {"typical_p", Kind::kNumber, 0, 1},
    {"num_predict", Kind::kNumber, -16, kTokensMax},  // -1: no limit; -2: to the context's end
    {"num_ctx", Kind::kNumber, 0, kTokensMax},
    {"num_keep", Kind::kNumber, -1, kTokensMax},
    {"num_batch", Kind::kNumber, 0, kTokensMax},
    {"num_gpu", Kind::kNumber, -1, kTokensMax},
    {"main_gpu", Kind::kNumber, -1, kTokensMax},
    {"num_thread", Kind::kNumber, 0, kTokensMax},
    {"repeat_last_n", Kind::kNumber, -1, kTokensMax},
    {"repeat_penalty", Kind::kNumber, -100, 100},
    {"presence_penalty", Kind::kNumber, -100, 100},
    {"frequency_penalty", Kind::kNumber, -100, 100},
    {"seed", Kind::kNumber, -9.2e18, 9.2e18},
    {"use_mmap", Kind::kBool},
    {"stop", Kind::kArray},
};

Result<void> check_options(const Value& options) {
  for (const json::Member& member : json::members_of(options.raw)) {
    const auto* known = std::ranges::find(kOptions, member.key, &Parameter::name);
    if (known == std::end(kOptions)) continue;
    TRY_VOID(check_parameter(*known, member.value, "options."));
    if (member.key == "stop" && member.value.type == Type::kArray)
      TRY_VOID(check_texts(member.value, "options.stop"));
  }
  return {};
}

}  // namespace

bool is_option(std::string_view name) {
  return std::ranges::find(kOptions, name, &Parameter::name) != std::end(kOptions);
}

Result<void> read_request(Operation operation, json::Parser& parser, exchange::ModelRequest& request) {
  TRY_VOID(read_object(kParameters, parser, request));
  const json::Document& document = request.document;
  if (const Value* options = given(document, "options")) TRY_VOID(check_options(*options));
  if (const Value* format = given(document, "format");
      format && format->type == Type::kString && !format->is_string("json") && !format->is_string(""))
    return wrong_type("format", "\"json\" or a JSON schema");
  switch (operation) {
    case Operation::kChat:
    case Operation::kCompletion: {
      const Value* stream = given(document, "stream");
      request.stream = !stream || stream->as_bool().value_or(true);
      request.usage_wanted = true;  // the last frame always has it
      return {};
    }
    case Operation::kEmbedding: {
      const Value* input = given(document, "input");
      if (!input && !given(document, "prompt")) return require(document, "input");
      if (!input) return {};
      if (given(document, "prompt"))
        return fail(ErrorCode::kInvalidRequest,
                    "'input' belongs to /api/embed and 'prompt' to /api/embeddings: give one of them",
                    "prompt", "invalid_value");
      if (input->type == Type::kArray) TRY_VOID(check_texts(*input, "input"));
      return {};
    }
    case Operation::kCountTokens:
    case Operation::kPassThrough:
      break;
  }
  return fail_internal(ErrorCode::kInternal, "this dialect counts no tokens");
}

bool is_old_embedding(const exchange::ModelRequest& request) {
  return !given(request.document, "input") && given(request.document, "prompt");
}

Result<EmbeddingRequest> read_embedding(const exchange::ModelRequest& request) {
  const json::Document& document = request.document;
  EmbeddingRequest out;
  bool old = is_old_embedding(request);
  const Value* input = given(document, old ? "prompt" : "input");
  if (!input) return Unexpected(require(document, "input").error());
  if (input->type == Type::kArray) {
    for (const Value& text : json::elements_of(input->raw))
      out.inputs.push_back(text_of(&text));
  } else {
    out.inputs.push_back(text_of(input));
  }
  if (const Value* dimensions = old ? nullptr : given(document, "dimensions"))
    if (auto n = dimensions->as_int(); n && *n > 0) out.dimensions = n;  // 0: the model's own
  for (std::string_view key : {"truncate", "keep_alive", "options"})
    if (given(document, key)) out.unread.emplace_back(key);
  return out;
}

std::optional<std::string> load_answer(const AnswerContext& context, const exchange::ModelRequest& request) {
  const json::Document& document = request.document;
  bool loads = false;
  if (context.operation == Operation::kChat) {
    const Value* messages = given(document, "messages");
    loads = !messages || json::elements_of(messages->raw).empty();
  } else if (context.operation == Operation::kCompletion) {
    loads = text_of(given(document, "prompt")).empty();
  }
  if (!loads) return std::nullopt;
  bool unloads = false;
  if (const Value* keep = given(document, "keep_alive")) {
    // 0, or a duration whose every number is zero ("0", "0s", "0m0s").
    std::string text = keep->type == Type::kString ? text_of(keep) : std::string(keep->raw);
    unloads = text.find_first_of("0123456789") != std::string::npos &&
              text.find_first_of("123456789") == std::string::npos;
  }
  std::string out;
  FrameWriter frame(context);
  frame.begin(out, context.elapsed_ns);
  frame.output(out, {}, {}, {});
  out += R"(,"done":true,"done_reason":")";
  out += unloads ? "unload\"}" : "load\"}";
  return out;
}

}  // namespace weir::wire::ollama
