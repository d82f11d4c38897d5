// Request parameters as every dialect checks them: known names with a type and a sane range, names that would
// steer the gateway refused, everything else passed through. The tables stand beside the dialects; the ranges
// are wider than any one vendor's where other servers go further: weir refuses what is wrong or unsafe to
// multiply with, the model server refuses what it does not like.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "weir/base/json.h"
#include "weir/base/result.h"
#include "weir/exchange/exchange.h"

namespace weir::wire {

enum class ParameterKind : uint8_t {
  kNumber,
  kInteger,
  kBool,
  kString,
  kArray,
  kObject,
  kStringOrArray,
  kStringOrObject,
  kStringOrNumber,
  kBoolOrInteger,  // OpenAI's logprobs: a flag in chat, a number in completions
  kBoolOrString,   // Ollama's think: a flag or an effort
};

struct Parameter {
  std::string_view name;
  ParameterKind kind;
  double min = 0;
  double max = 0;
};

/// A value that is null counts as absent. Errors: kInvalidRequest naming the parameter; `path` ("options.")
/// goes before its name.
Result<void> check_parameter(const Parameter& parameter, const json::Value& value,
                             std::string_view path = {});

/// Parses request.body, checks that it is an object with a good `model`, and its members against `table`; a
/// name by which a caller could choose where the gateway connects to, or with which credentials, is refused.
/// Fills document and model of `request`.
Result<void> read_object(std::span<const Parameter> table, json::Parser& parser,
                         exchange::ModelRequest& request);
/// The same where a request need not name a model: request.model stays empty then.
Result<void> read_object_without_model(std::span<const Parameter> table, json::Parser& parser,
                                       exchange::ModelRequest& request);

/// A member that must be there and not null.
Result<void> require_given(const json::Document& document, std::string_view parameter);
/// The same, and no empty array.
Result<void> require(const json::Document& document, std::string_view parameter);

Unexpected wrong_type(std::string_view parameter, std::string_view expected);

/// A model's name is an identifier: it goes into logs, metric labels and routes. Printable ASCII only, so
/// that no name looks like another. Errors: kInvalidRequest.
Result<void> check_model_name(std::string_view name);

}  // namespace weir::wire
