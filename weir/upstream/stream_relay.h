// A model server's stream, event by event to the caller, within its phase timers.
#pragma once

#include "weir/http/client.h"
#include "weir/upstream/model_call.h"

namespace weir::upstream {

/// The caller sees nothing before the model's first output: until then an error is an error, not a broken
/// stream, and another target may be asked. Errors: as Provider::call.
io::Task<Result<void>> relay_stream(http::ClientCall& call, ModelCall& model, io::Cancel& cancel);

}  // namespace weir::upstream
