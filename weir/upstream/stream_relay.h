// A model server's stream, event by event to the caller: as it stands when both speak one dialect, through
// canonical steps otherwise. Keeps the phase timers and reads usage off any event.
#pragma once

#include "weir/http/client.h"
#include "weir/upstream/model_call.h"

namespace weir::upstream {

/// The caller sees nothing before the model's first output: until then an error is an error, not a broken
/// stream, and another target may be asked. Errors: as Provider::call.
io::Task<Result<void>> relay_stream(http::ClientCall& call, ModelCall& model, exchange::AnswerStream& stream,
                                    io::Cancel& cancel);

}  // namespace weir::upstream
