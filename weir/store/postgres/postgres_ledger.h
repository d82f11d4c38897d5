// SharedLedger on PostgreSQL: one row an hour and combination of everything it is summed by, as SqliteLedger
// has, of all replicas together. Rows are written in the order of their keys, so that two replicas wait for
// each other and never both. Sums of one tenant are asked for as that tenant (row-level security), all others
// as every tenant.
#pragma once

#include <memory>

#include "weir/store/postgres/database.h"
#include "weir/store/shared_ledger.h"

namespace weir::store::postgres {

class PostgresLedger final : public SharedLedger {
 public:
  /// Requires: migrate() was done.
  explicit PostgresLedger(std::shared_ptr<Database> db) : db_(std::move(db)) {}

  Result<std::vector<UsageSum>> usage(const UsageQuery& query) override;
  Result<SpentByScope> spent(int64_t day_s, int64_t month_s) override;
  Result<std::optional<int64_t>> taken(const std::string& file) override;
  Result<bool> take(const std::string& file, const std::string& replica, const LedgerPart& part) override;
  Result<uint64_t> fold(WallTime before) override;

 private:
  const std::shared_ptr<Database> db_;  // with the accounts
};

}  // namespace weir::store::postgres
