// A whole answer in memory, for what weir asks by itself (an issuer's keys, a provider's list of models).
#pragma once

#include <cstddef>
#include <string>

#include "weir/base/result.h"
#include "weir/http/body_reader.h"
#include "weir/io/task.h"

namespace weir::http {

/// The body's payload, `bytes_max` at most. Errors: kUpstream (too large, malformed, cut), kCancelled.
io::Task<Result<std::string>> read_whole(BodyReader& body, size_t bytes_max, io::Cancel& cancel);

}  // namespace weir::http
