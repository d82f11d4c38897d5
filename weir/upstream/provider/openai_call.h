// One call of an OpenAI-wire endpoint: sends the caller's bytes with their few edits, relays a stream event
// by event or takes a whole answer, keeps the phase timers and reads usage off any frame.
#pragma once

#include "weir/base/json.h"
#include "weir/exchange/answer_stream.h"
#include "weir/exchange/exchange.h"
#include "weir/upstream/endpoint.h"

namespace weir::upstream {

/// Requires: `parser` is not used by anyone else while the call runs (one a core, and parsing never awaits).
io::Task<Result<void>> call_openai(Endpoint& endpoint, json::Parser& parser, exchange::Exchange& exchange,
                                   const exchange::Target& target, exchange::AnswerStream& stream,
                                   io::Cancel& cancel);

}  // namespace weir::upstream
