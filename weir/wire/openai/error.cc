#include "weir/base/json_write.h"
#include "weir/wire/openai/openai.h"

namespace weir::wire::openai {
namespace {

std::string_view type_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnauthenticated:
      return "authentication_error";
    case ErrorCode::kPermissionDenied:
      return "permission_error";
    case ErrorCode::kRateLimited:
      return "rate_limit_error";
    case ErrorCode::kUpstream:
    case ErrorCode::kUpstreamTimeout:
      return "upstream_error";
    case ErrorCode::kUnavailable:
      return "service_unavailable_error";
    case ErrorCode::kInternal:
    case ErrorCode::kIo:
    case ErrorCode::kConfig:
      return "server_error";
    default:
      return "invalid_request_error";
  }
}

void append_nullable(std::string& out, std::string_view text) {
  if (text.empty())
    out += "null";
  else
    json::append_quoted(out, text);
}

}  // namespace

std::string error_body(const Error& error) {
  std::string out = R"({"error":{"message":)";
  json::append_quoted(out, error.for_caller());
  out += R"(,"type":")";
  out += error.reason == "insufficient_quota" ? error.reason : type_of(error.code);
  out += R"(","param":)";
  append_nullable(out, error.param);
  out += R"(,"code":)";
  append_nullable(out, error.reason.empty() ? weir::name(error.code) : std::string_view(error.reason));
  out += "}}";
  return out;
}

std::string error_event(const Error& error) {
  return "data: " + error_body(error) + "\n\n";
}

}  // namespace weir::wire::openai
