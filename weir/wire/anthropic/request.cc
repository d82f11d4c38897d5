// What a caller of this dialect may send. The parameters' types and ranges are checked here, for every
// request; what stands inside messages and tools is checked where it is read (read_chat.cc): for a model
// server of the same dialect it is not ours to know, and blocks and tools newer than this file pass.
#include "weir/wire/anthropic/anthropic.h"
#include "weir/wire/parameters.h"

namespace weir::wire::anthropic {
namespace {

using Kind = ParameterKind;

constexpr double kTokensMax = 1 << 30;

constexpr Parameter kParameters[] = {
    {"max_tokens", Kind::kInteger, 0, kTokensMax},  // 0 only fills the prompt cache
    {"temperature", Kind::kNumber, 0, 100},
    {"top_p", Kind::kNumber, 0, 1},
    {"top_k", Kind::kInteger, 0, kTokensMax},
    {"stream", Kind::kBool},
    {"service_tier", Kind::kString},
    {"inference_geo", Kind::kString},
    {"speed", Kind::kString},
    {"messages", Kind::kArray},
    {"tools", Kind::kArray},
    {"stop_sequences", Kind::kArray},
    {"mcp_servers", Kind::kArray},
    {"system", Kind::kStringOrArray},
    {"container", Kind::kStringOrObject},
    {"tool_choice", Kind::kObject},
    {"metadata", Kind::kObject},
    {"thinking", Kind::kObject},
    {"output_config", Kind::kObject},
    {"output_format", Kind::kObject},
    {"cache_control", Kind::kObject},
    {"context_management", Kind::kObject},
};

}  // namespace

Result<void> read_request(Operation operation, json::Parser& parser, exchange::ModelRequest& request) {
  if (operation == Operation::kEmbedding)
    return fail(ErrorCode::kInvalidRequest, "The Anthropic API has no embeddings.", {},
                "unsupported_operation");
  if (operation == Operation::kCompletion)
    return fail(ErrorCode::kInvalidRequest,
                "Text completions are not offered in the Anthropic dialect; use /v1/messages.", {},
                "unsupported_operation");
  TRY_VOID(read_object(kParameters, parser, request));
  TRY_VOID(require_given(request.document, "messages"));  // that there are any is the model server's business
  if (operation == Operation::kCountTokens) return {};    // does not stream
  TRY_VOID(require(request.document, "max_tokens"));
  if (const json::Value* stream = request.document.find("stream"))
    request.stream = stream->as_bool().value_or(false);
  request.usage_wanted = true;  // every stream of this dialect tells it
  return {};
}

}  // namespace weir::wire::anthropic
