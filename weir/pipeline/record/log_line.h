// A request's line in the operator's log: one JSON object, no message content. Its text is made by the worker
// that writes the log, from a copy of the event's bytes and a few facts: the text took half of the
// instructions of recording a request (callgrind, bench/micro/record_bench).
#pragma once

#include <cstddef>
#include <span>

#include "weir/exchange/exchange.h"
#include "weir/io/disk.h"
#include "weir/telemetry/event.h"

namespace weir::pipeline {

/// Logs a request that is over. `event` is its event, `bytes` are what encode() made of it, `end` is the
/// moment it ended.
void log_request(io::LogWriter& log, const exchange::Exchange& exchange, const telemetry::Event& event,
                 std::span<const std::byte> bytes, WallTime end);

}  // namespace weir::pipeline
