// The bytes of an issuer's key set, from wherever its settings say. One request at a time, over a connection
// of its own. On the loop it is given.
#pragma once

#include <string>

#include "weir/base/settings.h"
#include "weir/io/loop.h"
#include "weir/io/task.h"

namespace weir::accounts {

/// Errors: kUpstream, kIo, kConfig with what went wrong for the operator; kCancelled. `issuer` outlives it.
io::Task<Result<std::string>> fetch_key_set(io::Loop& loop, const TokenIssuerSettings& issuer,
                                            io::Cancel& cancel);

}  // namespace weir::accounts
