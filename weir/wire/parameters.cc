#include "weir/wire/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

namespace weir::wire {
namespace {

using json::Type;
using json::Value;

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

// Of a key in a refusal: '_' are free, so "api___...___base" may be long.
constexpr size_t kNamedBytesMax = 64;

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

Unexpected not_a(const std::string& parameter, std::string_view expected) {
  return fail(ErrorCode::kInvalidRequest, fmt::format("'{}' must be {}", parameter, expected), parameter,
              "invalid_value");
}

Result<void> check_number(const Parameter& p, const Value& v, bool integer, const std::string& path) {
  if (v.type != Type::kNumber ||
      (integer && !v.as_int() && v.raw.find_first_of(".eE") != std::string_view::npos))
    return not_a(path, integer ? "an integer" : "a number");
  std::optional<double> number = v.as_double();
  if (!number || !std::isfinite(*number) || *number < p.min || *number > p.max || (integer && !v.as_int()))
    return fail(ErrorCode::kInvalidRequest, fmt::format("'{}' must be between {} and {}", path, p.min, p.max),
                path, "invalid_value");
  return {};
}

bool empty_array(const Value& v) {
  if (v.type != Type::kArray) return false;
  std::string_view inside = v.raw.substr(1, v.raw.size() - 2);
  return inside.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

Unexpected wrong_type(std::string_view parameter, std::string_view expected) {
  return not_a(std::string(parameter), expected);
}

Result<void> check_parameter(const Parameter& p, const Value& v, std::string_view path) {
  if (v.type == Type::kNull) return {};
  auto full = [&] { return std::string(path) + std::string(p.name); };
  auto is_one_of = [&](std::initializer_list<Type> types, std::string_view expected) -> Result<void> {
    if (std::ranges::find(types, v.type) == types.end()) return not_a(full(), expected);
    return {};
  };
  switch (p.kind) {
    case ParameterKind::kNumber:
      return check_number(p, v, false, full());
    case ParameterKind::kInteger:
      return check_number(p, v, true, full());
    case ParameterKind::kBool:
      return is_one_of({Type::kBool}, "true or false");
    case ParameterKind::kString:
      return is_one_of({Type::kString}, "a string");
    case ParameterKind::kArray:
      return is_one_of({Type::kArray}, "an array");
    case ParameterKind::kObject:
      return is_one_of({Type::kObject}, "an object");
    case ParameterKind::kStringOrArray:
      return is_one_of({Type::kString, Type::kArray}, "a string or an array");
    case ParameterKind::kStringOrObject:
      return is_one_of({Type::kString, Type::kObject}, "a string or an object");
    case ParameterKind::kStringOrNumber:
      return is_one_of({Type::kString, Type::kNumber}, "a string or a number");
    case ParameterKind::kBoolOrString:
      return is_one_of({Type::kBool, Type::kString}, "true, false or a string");
    case ParameterKind::kBoolOrInteger:
      return v.type == Type::kBool ? Result<void>{} : check_number(p, v, true, full());
  }
  return {};
}

Result<void> require_given(const json::Document& document, std::string_view parameter) {
  const Value* v = document.find(parameter);
  if (v && v->type != Type::kNull) return {};
  return fail(ErrorCode::kInvalidRequest, fmt::format("'{}' is missing", parameter), std::string(parameter),
              "missing_required_parameter");
}

Result<void> require(const json::Document& document, std::string_view parameter) {
  TRY_VOID(require_given(document, parameter));
  if (empty_array(*document.find(parameter)))
    return fail(ErrorCode::kInvalidRequest, fmt::format("'{}' must not be empty", parameter),
                std::string(parameter), "invalid_value");
  return {};
}

Result<void> read_object(std::span<const Parameter> table, json::Parser& parser,
                         exchange::ModelRequest& request) {
  TRY_VOID(read_object_without_model(table, parser, request));
  return require(request.document, "model");
}

Result<void> read_object_without_model(std::span<const Parameter> table, json::Parser& parser,
                                       exchange::ModelRequest& request) {
  TRY_VOID(request.parse(parser));
  const json::Document& document = request.document;
  if (document.type != Type::kObject)
    return fail(ErrorCode::kInvalidRequest, "the request body must be a JSON object", {}, "invalid_json");

  for (const json::Member& member : document.members) {
    const auto known = std::ranges::find(table, member.key, &Parameter::name);
    if (known != table.end()) {
      TRY_VOID(check_parameter(*known, member.value));
    } else if (is_forbidden(member.key)) {
      std::string_view named = member.key.substr(0, kNamedBytesMax);
      return fail(ErrorCode::kInvalidRequest, fmt::format("'{}' is not accepted by this gateway", named),
                  std::string(named), "unknown_parameter");
    }
  }

  const Value* model = document.find("model");
  if (!model || model->type == Type::kNull) return {};
  if (model->type != Type::kString) return wrong_type("model", "a string");
  std::string name = model->as_string().value_or("");
  TRY_VOID(check_model_name(name));
  request.model = std::move(name);  // checked: logs and labels rely on it
  return {};
}

Result<void> check_model_name(std::string_view name) {
  bool good = !name.empty() && name.size() <= 256 &&
              std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7f && c != '"' && c != '\\'; });
  if (good) return {};
  return fail(ErrorCode::kInvalidRequest,
              "'model' must be 1 to 256 printable ASCII characters without spaces, quotes and backslashes",
              "model", "invalid_value");
}

}  // namespace weir::wire
