// weir events: looks into the records of requests (docs/events.md), also while weir serves. Reads only.
//   weir events tail [-f] [-n N] [--json]        the last ones, a line each
//   weir events query "SELECT ... FROM events"   SQL
//   weir events export --format jsonl|csv        all of them
#pragma once

#include <string>

namespace weir::app {

struct EventsCommand {
  enum class Verb { kTail, kQuery, kExport };
  Verb verb = Verb::kTail;
  std::string data;    // the data directory; empty: the one that `config` names
  std::string config;  // path of a configuration file
  // tail
  bool follow = false;
  int64_t lines = 20;
  bool json = false;  // query too
  // query
  std::string sql;
  bool csv = false;
  // export
  std::string format = "jsonl";
  std::string since, until;  // "2026-11-21T08:00" (UTC), or "15m", "2h", "7d" before now; empty: no bound
};

/// Blocks; the process's exit code: 0, or 1 and a sentence on standard error.
int run_events(const EventsCommand& command);

}  // namespace weir::app
