// One call of a model server: the caller's bytes with their few edits when both speak one dialect, else the
// request written anew in the server's; then its answer, whole (whole_answer.h) or event by event
// (stream_relay.h).
#pragma once

#include "weir/base/json.h"
#include "weir/exchange/answer_stream.h"
#include "weir/exchange/exchange.h"
#include "weir/upstream/endpoint.h"
#include "weir/wire/wire.h"

namespace weir::upstream {

/// What the parts of one call share.
struct ModelCall {
  exchange::Exchange& exchange;
  const exchange::Target& target;
  const wire::Wire& wire;    // the model server's
  const wire::Wire& caller;  // the caller's
  json::Parser& parser;      // used by nobody else while the call runs (one a core, and parsing never awaits)
  wire::AnswerContext context;  // of a translation
  int64_t choices = 1;          // answers asked for

  bool translated() const { return &wire != &caller; }
};

/// Errors: as Provider::call.
io::Task<Result<void>> call_model(Endpoint& endpoint, const wire::Wire& wire, json::Parser& parser,
                                  exchange::Exchange& exchange, const exchange::Target& target,
                                  exchange::AnswerStream& stream, io::Cancel& cancel);

}  // namespace weir::upstream
