// `weir usage`: sums of what was used and what it cost, from the ledger in events.db, also while `weir serve`
// runs.
#pragma once

#include <string>

namespace weir::app {

struct UsageCommand {
  std::string data;    // the data directory, or
  std::string config;  // the configuration file that names it
  std::string from, to, by;
  bool json = false, csv = false;
};
/// Blocks; the process's exit code.
int run_usage(const UsageCommand& command);

}  // namespace weir::app
