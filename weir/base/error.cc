#include "weir/base/error.h"

#include <utility>

namespace weir {
namespace {

struct Row {
  int status;
  std::string_view name;
  std::string_view sentence;
};

const Row& row(ErrorCode code) {
  static constexpr Row kRows[] = {
      {400, "invalid_request", "The request is invalid."},
      {401, "unauthenticated", "The API key is missing or wrong."},
      {403, "permission_denied", "This key may not do that."},
      {404, "not_found", "There is nothing here."},
      {405, "method_not_allowed", "This method is not allowed here."},
      {408, "request_timeout", "The request took too long to arrive."},
      {413, "payload_too_large", "The request body is too large."},
      {414, "uri_too_long", "The request target is too long."},
      {415, "unsupported_media", "This content type or encoding is not supported."},
      {429, "rate_limited", "Too many requests; try again later."},
      {431, "headers_too_large", "The request headers are too large."},
      {499, "cancelled", "The client closed the request."},
      {500, "internal", "The gateway failed; the request id helps its operator to find out why."},
      {502, "upstream", "The model server failed."},
      {503, "unavailable", "The service is not available right now; try again."},
      {504, "upstream_timeout", "The model server did not answer in time."},
      {500, "io", "The gateway failed; the request id helps its operator to find out why."},
      {500, "config", "The gateway failed; the request id helps its operator to find out why."},
  };
  return kRows[static_cast<size_t>(code)];
}

}  // namespace

int http_status(ErrorCode code) {
  return row(code).status;
}
std::string_view name(ErrorCode code) {
  return row(code).name;
}

std::string_view Error::for_caller() const {
  return safe.empty() ? row(code).sentence : std::string_view(safe);
}

Error make_error(ErrorCode code, std::string message, std::string param, std::string reason) {
  Error e;
  e.code = code;
  e.safe = message;
  e.message = std::move(message);
  e.param = std::move(param);
  e.reason = std::move(reason);
  return e;
}

Error internal_error(ErrorCode code, std::string operator_message) {
  Error e;
  e.code = code;
  e.message = std::move(operator_message);
  return e;
}

}  // namespace weir
