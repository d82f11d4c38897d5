#include "weir/upstream/upstream_error.h"

namespace weir::upstream {

Error upstream_error(std::string_view reason, std::string message, bool retryable) {
  Error e = internal_error(ErrorCode::kUpstream, std::move(message));
  e.reason = reason;
  e.retryable = retryable;
  return e;
}

Error scope_error(const io::Cancel& scope) {
  Error e = internal_error(ErrorCode::kCancelled, std::string(io::name(scope.reason())));
  switch (scope.reason()) {
    case io::CancelReason::kFirstTokenTimeout:
    case io::CancelReason::kIdleTimeout:
    case io::CancelReason::kTotalTimeout:
      e.code = ErrorCode::kUpstreamTimeout;
      e.reason = io::name(scope.reason());
      e.retryable = scope.reason() != io::CancelReason::kTotalTimeout;
      break;
    default:
      break;
  }
  return e;
}

std::string content_type_of(const http::ResponseHead& head) {
  const Header* h = find_header(head.headers, "content-type");
  return h ? std::string(h->value.substr(0, 80)) : "no content type";
}

bool content_type_is(const http::ResponseHead& head, std::string_view type) {
  const Header* h = find_header(head.headers, "content-type");
  return h && iequals(h->value.substr(0, type.size()), type);
}

}  // namespace weir::upstream
