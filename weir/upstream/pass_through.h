// Delivers a request that weir does not interpret, and brings the answer back as it comes: status, content
// type and bytes unchanged, headers by the allow-list. Neither body is held; of a JSON answer of an API that
// is routed by model a bounded copy is kept, to read the tokens it reports.
#pragma once

#include "weir/base/json.h"
#include "weir/exchange/exchange.h"
#include "weir/upstream/endpoint.h"
#include "weir/upstream/provider/provider.h"
#include "weir/wire/wire.h"

namespace weir::upstream {

/// Requires: exchange.pass. Errors: as Provider::call; retryable only where another target may be asked
/// without doing a thing twice: an API routed by model, and the caller's body not yet on its way.
io::Task<Result<void>> pass_through(Endpoint& endpoint, const wire::Wire& wire, json::Parser& parser,
                                    const Attempt& attempt, io::Cancel& cancel);

}  // namespace weir::upstream
