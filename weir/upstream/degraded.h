// The answer when every target failed, where the configuration has one: its text, as an assistant's message
// in the caller's dialect.
#pragma once

#include "weir/exchange/exchange.h"
#include "weir/upstream/delivery.h"

namespace weir::upstream {

/// True: `exchange` is answered, marked as degraded. False: the outcome stands; it is the caller's own, or
/// there is no text, or an answer has begun.
bool degrade(exchange::Exchange& exchange, const Result<void>& outcome, Delivery& delivery);

}  // namespace weir::upstream
