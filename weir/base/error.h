// What can go wrong, once, for the whole house. An ErrorCode maps to exactly one HTTP status (http_status)
// and, in each wire folder, to one error type of that dialect. `message` is for the operator's log; `safe` is
// what the caller may read (it never holds secrets, other tenants' names or upstream addresses). Values;
// thread-safe as values are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

enum class ErrorCode : uint8_t {
  kInvalidRequest,    // 400: the caller's bytes or parameters are wrong
  kUnauthenticated,   // 401
  kPermissionDenied,  // 403
  kNotFound,          // 404: unknown route or model
  kMethodNotAllowed,  // 405
  kRequestTimeout,    // 408: the caller was too slow
  kPayloadTooLarge,   // 413
  kUriTooLong,        // 414
  kUnsupportedMedia,  // 415
  kRateLimited,       // 429
  kHeadersTooLarge,   // 431
  kCancelled,         // 499: the caller left; nobody reads the answer
  kInternal,          // 500: a defect of ours
  kUpstream,          // 502: the model server misbehaved
  kUnavailable,       // 503: try again later (draining, loading, overload)
  kUpstreamTimeout,   // 504: a phase timer of the upstream call ran out
  kIo,                // a disk, socket or process failed (500 if it ever reaches a caller)
  kConfig,            // the configuration is wrong (never reaches a caller)
};

/// The HTTP status an error code answers with.
int http_status(ErrorCode code);

/// The stable lower-case name used in logs and metrics ("upstream_timeout").
std::string_view name(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;     // for the operator
  std::string safe;        // for the caller; empty: the code's general sentence
  std::string param;       // the request parameter at fault, in the caller's spelling; empty: none
  std::string reason;      // machine-readable detail in the field's terms ("invalid_api_key"); empty: none
  bool retryable = false;  // another attempt may succeed
  int retry_after_s = 0;   // > 0: answered as Retry-After

  /// The sentence a caller may read.
  std::string_view for_caller() const;
};

/// An error whose message may be read by operator and caller alike.
Error make_error(ErrorCode code, std::string message, std::string param = {}, std::string reason = {});

/// An error whose message is for the operator only.
Error internal_error(ErrorCode code, std::string operator_message);

}  // namespace weir
