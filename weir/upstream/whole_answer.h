// A model server's whole answer: read, checked, counted, and handed on in the caller's dialect.
#pragma once

#include "weir/http/client.h"
#include "weir/upstream/model_call.h"

namespace weir::upstream {

/// Sets exchange.answer; or, when the caller asked for a stream in another dialect or has the beginning of
/// one, pushes it. Errors: as Provider::call.
io::Task<Result<void>> take_whole(http::ClientCall& call, ModelCall& model, io::Cancel& cancel);

}  // namespace weir::upstream
