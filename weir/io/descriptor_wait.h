// For libraries that bring a socket of their own (libpq): a worker thread waits for it, never longer than a
// bound. Nothing on a loop may: loops have streams. Thread-safe.
#pragma once

#include "weir/base/clock.h"

namespace weir::io {

enum class Readiness { kRead, kWrite };

/// Blocks, at most `bound`. False: it was over. True: the descriptor is ready, or broken, which the next call
/// of the library will say.
bool wait_for_descriptor(int descriptor, Readiness readiness, Duration bound);

}  // namespace weir::io
