// What a request's head says of its caller.
#pragma once

#include <string>

#include "weir/http/server.h"
#include "weir/io/random.h"

namespace weir::server {

/// "req_" + 24 hex digits.
std::string new_request_id(io::Random& random);

/// Is the caller a program on this machine? A page in this machine's browser is not: its Origin, or after a
/// DNS rebinding its Host, gives it away.
bool is_peer_local(const http::Request& request);

}  // namespace weir::server
