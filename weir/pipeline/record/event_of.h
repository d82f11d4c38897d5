// What an exchange leaves behind, as an event. No content: ids, names, times, counts and the outcome.
#pragma once

#include "weir/exchange/exchange.h"
#include "weir/telemetry/event.h"

namespace weir::pipeline {

/// The texts point into the exchange. `end` and `wall_end` are the same moment.
telemetry::Event event_of(const exchange::Exchange& exchange, MonoTime end, WallTime wall_end);

}  // namespace weir::pipeline
