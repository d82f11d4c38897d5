// One call of a model server: the caller's bytes with their few edits when both speak one dialect, else the
// request written anew in the server's; then its answer, whole (whole_answer.h) or event by event
// (stream_relay.h).
#pragma once

#include "weir/base/json.h"
#include "weir/exchange/exchange.h"
#include "weir/upstream/breaker.h"
#include "weir/upstream/continuation.h"
#include "weir/upstream/delivery.h"
#include "weir/upstream/endpoint.h"
#include "weir/upstream/provider/provider.h"
#include "weir/wire/wire.h"

namespace weir::upstream {

/// What the parts of one call share.
struct ModelCall {
  exchange::Exchange& exchange;
  const exchange::Target& target;
  const Ask ask;
  Delivery& delivery;
  Breaker::Call& call;
  const wire::Wire& wire;    // the model server's
  const wire::Wire& caller;  // the caller's
  json::Parser& parser;      // used by nobody else while the call runs (one a core, and parsing never awaits)
  wire::AnswerContext context;  // of what is written in the caller's dialect
  int64_t choices = 1;          // answers asked for
  bool counts_tokens = false;   // the server, when asked

  bool translated() const { return &wire != &caller; }
};

/// Errors: as Provider::call.
io::Task<Result<void>> call_model(Endpoint& endpoint, const wire::Wire& wire, json::Parser& parser,
                                  const Attempt& attempt, io::Cancel& cancel);

}  // namespace weir::upstream
