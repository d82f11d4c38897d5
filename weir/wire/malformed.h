// The error of a model server's answer that is not what its dialect sends.
#pragma once

#include <string>
#include <utility>

#include "weir/base/result.h"

namespace weir::wire {

/// `what` it did, for the operator ("sent an event before message_start").
inline Unexpected malformed(std::string what) {
  Error error = internal_error(ErrorCode::kUpstream, std::move(what));
  error.reason = "malformed_response";
  return Unexpected(std::move(error));
}

}  // namespace weir::wire
