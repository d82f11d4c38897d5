// EventStore: where events are kept for good and asked for. Segments of encoded events (telemetry/event.h) as
// they left a ring: one row a batch, not one a request, because a row of thirty columns costs microseconds
// and a copied record costs nanoseconds; asking decodes them. Exactly once: with each batch the ring's new
// position is stored in the same transaction, and a batch that does not begin at that position is cut or
// refused. Blocks: used on worker threads (io::offload), one call at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "weir/base/clock.h"
#include "weir/base/result.h"

namespace weir::store {

struct EventBatch {
  std::string ring;    // "0", "1", ...: the core's
  uint64_t first = 0;  // sequence number of the first event
  uint64_t next = 0;   // after the last one, damaged slots included
  uint64_t events = 0;
  int64_t time_min_unix_ns = 0;  // of received_unix_ns; bounds: they may be wider than the events
  int64_t time_max_unix_ns = 0;
  std::span<const std::byte> bytes;  // as EventRing::read() gives them
};

class EventStore {
 public:
  virtual ~EventStore() = default;
  /// The ring's position: what it holds before this number is stored. 1 for a ring never seen.
  virtual Result<uint64_t> position(const std::string& ring) = 0;
  /// Stores the batches, what they add to the ledger and their rings' positions, all or nothing; on the
  /// device when it returns.
  virtual Result<void> append(std::span<const EventBatch> batches) = 0;
  /// Removes batches received wholly before `before`, and the oldest ones until at most `bytes_max` are kept.
  /// A bounded amount a call, so that storing goes on between: call again until it answers 0. Events removed.
  virtual Result<uint64_t> expire(WallTime before, uint64_t bytes_max) = 0;
  /// Sums of the ledger (ledger.h) that lie wholly before `before` lose their details: whom they are charged
  /// to is kept, and how much. Rows that went.
  virtual Result<uint64_t> fold_ledger(WallTime before) = 0;
};

}  // namespace weir::store
