// What goes wrong with a model server, as errors.
#pragma once

#include <string>
#include <string_view>

#include "weir/base/error.h"
#include "weir/http/client.h"
#include "weir/io/cancel.h"

namespace weir::upstream {

/// kUpstream with a reason the dispatcher has a sentence for.
Error upstream_error(std::string_view reason, std::string message, bool retryable);

/// Why a wait ended: a phase timer (kUpstreamTimeout, retryable but for the total one) or the caller
/// (kCancelled).
Error scope_error(const io::Cancel& scope);

/// "text/html; charset=utf-8", cut to 80 bytes, for the operator.
std::string content_type_of(const http::ResponseHead& head);
/// Does the content type begin with `type`, in any case?
bool content_type_is(const http::ResponseHead& head, std::string_view type);

}  // namespace weir::upstream
