// A finished request as the spans of a distributed trace: the request as it was served, its stages, and the
// call to the model server under OpenTelemetry's names for generative AI. Ids, names, times, counts and
// outcomes; never a word of what was said.
#pragma once

#include <vector>

#include "weir/base/trace_context.h"
#include "weir/exchange/exchange.h"
#include "weir/telemetry/otlp.h"

namespace weir::pipeline {

/// Requires: the exchange is over; it ended at `end`, which was `wall_end` on the wall.
std::vector<telemetry::Span> spans_of(const exchange::Exchange& exchange, const TraceContext& context,
                                      MonoTime end, WallTime wall_end);

}  // namespace weir::pipeline
