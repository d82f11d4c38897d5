// What every answer to a model request shares: its headers, its errors in the caller's dialect, the refusal
// of a core that has too much to do.
#pragma once

#include <string_view>
#include <vector>

#include "weir/exchange/exchange.h"
#include "weir/http/server.h"
#include "weir/server/admission.h"
#include "weir/wire/wire.h"

namespace weir::server {

/// The model server's headers that pass, ours, and who answered. Borrows its arguments. An empty content type
/// is left out.
std::vector<Header> answer_headers(const exchange::Exchange& exchange, std::string_view content_type,
                                   const OwnedHeaders& passed);

io::Task<void> send_error(http::ResponseWriter& response, const wire::Wire& wire,
                          const exchange::Exchange& exchange, const Error& error);

/// Ends what is no stream: an error before anything went out, a whole answer, a caller who left. True:
/// nothing is left to do. False: a stream has begun and wants the end that `outcome` says.
io::Task<bool> ended(http::ResponseWriter& response, const wire::Wire& wire,
                     const exchange::Exchange& exchange, Result<void>& outcome);

/// Answers a request that Admission gave no place. Nothing of it was looked at but its path, and nothing is
/// made for it: no id, no log line.
io::Task<void> refuse(Admission& admission, Admission::Why why, const wire::Wire& wire,
                      http::Request& request, http::ResponseWriter& response);

}  // namespace weir::server
