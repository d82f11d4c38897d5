#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "weir/base/json_write.h"
#include "weir/wire/openai.h"

namespace weir::wire::openai {
namespace {

using exchange::Operation;
using json::Type;
using json::Value;

// The known parameters: what type a value must have and, for numbers, the range any sane server accepts.
// Wider than OpenAI's own limits where other servers go further (temperature above 2, say): weir refuses what
// is wrong or unsafe to multiply with, the model server refuses what it does not like.
enum class Kind : uint8_t {
  kNumber,
  kInteger,
  kBool,
  kString,
  kArray,
  kObject,
  kStringOrArray,
  kStringOrObject,
  kLogprobs
};

struct Parameter {
  std::string_view name;
  Kind kind;
  double min = 0;
  double max = 0;
};

constexpr double kTokensMax = 1 << 30;

constexpr Parameter kParameters[] = {
    {"temperature", Kind::kNumber, 0, 100},
    {"top_p", Kind::kNumber, 0, 1},
    {"presence_penalty", Kind::kNumber, -100, 100},
    {"frequency_penalty", Kind::kNumber, -100, 100},
    {"n", Kind::kInteger, 1, 128},
    {"best_of", Kind::kInteger, 1, 128},
    {"max_tokens", Kind::kInteger, 0, kTokensMax},
    {"max_completion_tokens", Kind::kInteger, 0, kTokensMax},
    {"max_output_tokens", Kind::kInteger, 0, kTokensMax},
    {"max_new_tokens", Kind::kInteger, 0, kTokensMax},
    {"min_tokens", Kind::kInteger, 0, kTokensMax},
    {"top_logprobs", Kind::kInteger, 0, 1000},
    {"logprobs", Kind::kLogprobs, 0, 1000},
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

// Parameters that would let a caller choose where the gateway, or a gateway behind it, connects to or with
// which credentials. Compared without case, '_' and '-': who reads "baseURL" and who reads "base_url" are
// different libraries, not different attackers.
constexpr std::string_view kForbidden[] = {
    "apibase",
    "baseurl",
    "apikey",
    "apiversion",
    "apitype",
    "apiendpoint",
    "endpointurl",
    "azureendpoint",
    "azureadtoken",
    "customhost",
    "extraheaders",
    "extrabody",
    "extraquery",
    "customllmprovider",
    "litellmparams",
    "defaultheaders",
    "vertexcredentials",
    "awsaccesskeyid",
    "awssecretaccesskey",
    "awssessiontoken",
    "awsbedrockruntimeendpoint",
};

constexpr size_t kNamedBytesMax =
    64;  // of a key in a refusal: '_' are free, so "api___...___base" may be long

bool is_forbidden(std::string_view key) {
  std::array<char, 32> folded;
  size_t n = 0;
  for (char c : key) {
    if (c == '_' || c == '-') continue;
    if (n == folded.size()) return false;  // longer than any of them
    folded[n++] = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  return std::ranges::find(kForbidden, std::string_view(folded.data(), n)) != std::end(kForbidden);
}

Unexpected wrong_type(std::string_view parameter, std::string_view expected) {
  return fail(ErrorCode::kInvalidRequest, fmt::format("'{}' must be {}", parameter, expected),
              std::string(parameter), "invalid_value");
}

Result<void> check_number(const Parameter& p, const Value& v) {
  bool integer = p.kind != Kind::kNumber;
  if (v.type != Type::kNumber ||
      (integer && !v.as_int() && v.raw.find_first_of(".eE") != std::string_view::npos))
    return wrong_type(p.name, integer ? "an integer" : "a number");
  std::optional<double> number = v.as_double();
  if (!number || !std::isfinite(*number) || *number < p.min || *number > p.max || (integer && !v.as_int()))
    return fail(ErrorCode::kInvalidRequest,
                fmt::format("'{}' must be between {} and {}", p.name, p.min, p.max), std::string(p.name),
                "invalid_value");
  return {};
}

Result<void> check(const Parameter& p, const Value& v) {
  if (v.type == Type::kNull) return {};
  switch (p.kind) {
    case Kind::kNumber:
    case Kind::kInteger:
      return check_number(p, v);
    case Kind::kLogprobs:
      return v.type == Type::kBool ? Result<void>{} : check_number(p, v);
    case Kind::kBool:
      if (v.type != Type::kBool) return wrong_type(p.name, "true or false");
      return {};
    case Kind::kString:
      if (v.type != Type::kString) return wrong_type(p.name, "a string");
      return {};
    case Kind::kArray:
      if (v.type != Type::kArray) return wrong_type(p.name, "an array");
      return {};
    case Kind::kObject:
      if (v.type != Type::kObject) return wrong_type(p.name, "an object");
      return {};
    case Kind::kStringOrArray:
      if (v.type != Type::kString && v.type != Type::kArray)
        return wrong_type(p.name, "a string or an array");
      return {};
    case Kind::kStringOrObject:
      if (v.type != Type::kString && v.type != Type::kObject)
        return wrong_type(p.name, "a string or an object");
      return {};
  }
  return {};
}

bool empty_array(const Value& v) {
  if (v.type != Type::kArray) return false;
  std::string_view inside = v.raw.substr(1, v.raw.size() - 2);
  return inside.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

Result<void> require(const json::Document& document, std::string_view parameter) {
  const Value* v = document.find(parameter);
  if (!v || v->type == Type::kNull)
    return fail(ErrorCode::kInvalidRequest, fmt::format("'{}' is missing", parameter), std::string(parameter),
                "missing_required_parameter");
  if (empty_array(*v))
    return fail(ErrorCode::kInvalidRequest, fmt::format("'{}' must not be empty", parameter),
                std::string(parameter), "invalid_value");
  return {};
}

// Keys written with escapes live in the parser until its next document; the request outlives that.
void keep_keys(exchange::ModelRequest& request) {
  const char* begin = request.body.data();
  const char* end = begin + request.body.size();
  for (json::Member& m : request.document.members) {
    if (m.key.data() >= begin && m.key.data() <= end) continue;
    m.key = request.unescaped_keys.emplace_front(m.key);
  }
}

}  // namespace

Result<void> check_model_name(std::string_view name) {
  bool good = !name.empty() && name.size() <= 256 &&
              std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7f && c != '"' && c != '\\'; });
  if (good) return {};
  return fail(ErrorCode::kInvalidRequest,
              "'model' must be 1 to 256 printable ASCII characters without spaces, quotes and backslashes",
              "model", "invalid_value");
}

Result<void> read_request(Operation operation, json::Parser& parser, exchange::ModelRequest& request) {
  TRY(request.document, parser.parse(request.body.view()));
  keep_keys(request);
  const json::Document& document = request.document;
  if (document.type != Type::kObject)
    return fail(ErrorCode::kInvalidRequest, "the request body must be a JSON object", {}, "invalid_json");

  TRY_VOID(require(document, "model"));
  for (const json::Member& member : document.members) {
    const auto* known = std::ranges::find(kParameters, member.key, &Parameter::name);
    if (known != std::end(kParameters)) {
      TRY_VOID(check(*known, member.value));
    } else if (is_forbidden(member.key)) {
      std::string_view named = member.key.substr(0, kNamedBytesMax);
      return fail(ErrorCode::kInvalidRequest, fmt::format("'{}' is not accepted by this gateway", named),
                  std::string(named), "unknown_parameter");
    }
  }

  const Value* model = document.find("model");
  if (model->type != Type::kString) return wrong_type("model", "a string");
  std::string name = model->as_string().value_or("");
  TRY_VOID(check_model_name(name));
  request.model = std::move(name);  // checked: logs and labels rely on it

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
