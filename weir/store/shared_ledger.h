// SharedLedger: the ledger of several replicas. Each keeps its records and sums by itself, and hands the sums
// on from there: how far a replica's file of events was taken stands beside the sums and changes with them,
// so whatever breaks in between, a request is counted once. Blocks: used on worker threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weir/store/ledger.h"
#include "weir/store/ledger_sums.h"

namespace weir::store {

/// Some of what a file of events adds to the ledger.
struct LedgerPart {
  std::optional<int64_t> after;  // the segment that it follows on; none: it is all that the file ever held
  int64_t segment = 0;           // the last one in it
  LedgerRows rows;
  bool more = false;    // there are segments behind it
  int64_t missing = 0;  // segments that were removed before anybody took them
};

/// A replica's own records, as the source of what it shares.
class LedgerSource {
 public:
  virtual ~LedgerSource() = default;
  /// The file's name: another one for a file that was made anew.
  virtual const std::string& file() const = 0;
  /// What follows on that segment; without one: everything, what was folded or expired included. An `after`
  /// that lies ahead of the file is an error: somebody brought an older file back.
  virtual Result<LedgerPart> read(std::optional<int64_t> after) = 0;
};

class SharedLedger : public Ledger {
 public:
  /// The last segment of the file that is in the ledger; none: the file was never seen.
  virtual Result<std::optional<int64_t>> taken(const std::string& file) = 0;
  /// Adds the part and notes it as taken, both or neither. False: the file stands elsewhere than at
  /// `part.after` (an earlier call succeeded after all), nothing was done.
  virtual Result<bool> take(const std::string& file, const std::string& replica, const LedgerPart& part) = 0;
  /// As EventStore::fold_ledger.
  virtual Result<uint64_t> fold(WallTime before) = 0;
};

}  // namespace weir::store
