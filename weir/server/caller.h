// What a request's head says of its caller.
#pragma once

#include <string>

#include "weir/exchange/exchange.h"
#include "weir/http/server.h"
#include "weir/io/random.h"

namespace weir::server {

/// "req_" + 24 hex digits.
std::string new_request_id(io::Random& random);

/// Is the caller a program on this machine? A page in this machine's browser is not: its Origin, or after a
/// DNS rebinding its Host, gives it away.
bool is_peer_local(const http::Request& request);

/// What the caller says its request belongs to: the headers x-weir-agent, x-weir-run and x-weir-tag, each at
/// most once, 1 to 64 printable ASCII characters. Errors: kInvalidRequest, naming the header.
Result<exchange::CallerTags> caller_tags(HeaderList headers);

/// Gives an exchange its id, and what its request says of whoever asks. It borrows the head.
void introduce(exchange::Exchange& exchange, const http::Request& request, MonoTime received);

}  // namespace weir::server
