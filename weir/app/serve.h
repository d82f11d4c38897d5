// weir serve: reads the configuration, runs the gateway on every core, follows changes of the file, drains on
// SIGTERM.
#pragma once

#include <string>

namespace weir::app {

struct ServeCommand {
  std::string config;  // path; empty: the embedded default
  // Of the embedded default only:
  std::string listen = "127.0.0.1:8080";
  std::string models_dir;  // holds what scripts/setup --models fetched; empty: no local model
  std::string state_dir;   // keeps the default API key (0600) between runs
};

/// Blocks until the gateway ended. Prints "ready url=..." on standard output once it serves. The process's
/// exit code: 0 after a drain, 1 when it could not start (why is on standard error).
int run_serve(const ServeCommand& command);

/// weir check: 0 and "ok", or 1 and one problem a line with file, line and column. Local models are started
/// for real and must become ready; `quick` leaves that out.
int run_check(const std::string& config, bool quick);

}  // namespace weir::app
