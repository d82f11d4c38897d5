// Leases in PostgreSQL, where there is no Redis: the account of each scope is one row's text
// (store/lease_book.h), locked while a turn changes it; all turns of a call are one transaction, in the order
// of their scopes. The clock is the server's. Slower than Redis (a few milliseconds a call), and no request
// waits for it that has a slice. On the loop that made it; the work is done on a worker.
#pragma once

#include <memory>
#include <string>

#include "weir/io/loop.h"
#include "weir/store/lease_store.h"
#include "weir/store/postgres/database.h"

namespace weir::store::postgres {

class PostgresLeaseStore final : public LeaseStore {
 public:
  /// `db`: of this store alone, with bounds short enough for who waits: no call can be cut short.
  PostgresLeaseStore(io::Loop& loop, std::shared_ptr<Database> db, std::string replica)
      : loop_(loop), db_(std::move(db)), replica_(std::move(replica)) {}

  io::Task<Result<std::vector<LeaseGrant>>> take(std::span<const LeaseTurn> turns, milliseconds lease,
                                                 io::Cancel& cancel) override;

 private:
  Result<std::vector<LeaseGrant>> take_now(std::span<const LeaseTurn> turns, milliseconds lease);

  io::Loop& loop_;
  const std::shared_ptr<Database> db_;
  const std::string replica_;
};

}  // namespace weir::store::postgres
