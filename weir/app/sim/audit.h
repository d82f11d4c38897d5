// Audit: what the replicas' disks hold at the end of a world, read as `weir events` reads it, held against
// the ledger.
//   1. No record twice: neither a request's nor a place's (ring, sequence).
//   2. Every request that a model server was asked for has its record, if its client saw the end of its
//      answer; with `acknowledge: ring` a power cut may cost those of its last milliseconds. The same of
//      requests whose client left, where the process lived on.
//   3. Its record says what its client saw: status, outcome, model, tokens.
//   4. Nothing is recorded as answered by a model server that none was asked for.
//   5. The rings are empty: all of it is in the store.
//   6. What the budgets have counted when the replica rested, over all its crashes, is what its records say,
//      and so does the ledger: each request is settled once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weir/app/sim/invariants.h"
#include "weir/app/sim/troubles.h"
#include "weir/base/result.h"
#include "weir/io/disk.h"

namespace weir::app::sim {

struct Record {
  size_t replica = 0;
  std::string ring;
  int64_t sequence = 0;
  std::string request_id;
  std::string model_asked;
  std::string outcome;
  int64_t status = 0;
  int64_t output_tokens = -1;
  int64_t tokens = 0;     // charged
  bool answered = false;  // a model server's answer began
};

/// Of a replica that has ended. Errors: a store or a ring that can not be read, or a ring that is not empty.
Result<std::vector<Record>> read_records(size_t replica, int loops, io::Disk& disk);

/// All tokens of the ledger in its store (store/ledger.h). Errors: it can not be read.
Result<int64_t> ledger_tokens(io::Disk& disk);

/// Tells the ledger of the first thing that does not hold.
void audit(Ledger& ledger, const Troubles& troubles, const std::vector<Record>& records);

}  // namespace weir::app::sim
