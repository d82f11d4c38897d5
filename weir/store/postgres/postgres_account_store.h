// AccountStore on PostgreSQL: one for all replicas. Changes come one after the other: each takes the row of
// the version number first and gives it back with its commit, so the numbers grow in the order in which
// changes become visible, and who has seen a number has seen all that belongs to it.
//
// Row-level security says whose rows a statement may touch. What is asked for one tenant (a list, its audit
// log) and what is written runs as that tenant; what looks for an id, or reads everything for the snapshot,
// as every tenant. So a put cannot take over what another tenant has, whatever its caller checked.
#pragma once

#include <memory>

#include "weir/store/account_store.h"
#include "weir/store/postgres/database.h"

namespace weir::store::postgres {

class PostgresAccountStore final : public AccountStore {
 public:
  /// Requires: migrate() was done.
  explicit PostgresAccountStore(std::shared_ptr<Database> db) : db_(std::move(db)) {}

  Result<void> change(const std::function<Result<void>(AccountTransaction&)>& work) override;
  Result<uint64_t> version() override;
  Result<Everything> read_all() override;
  Result<std::vector<AuditRow>> audit(const AuditFilter& filter) override;
  Result<size_t> expire_audit(int64_t before_unix_ms, size_t most) override;

 private:
  const std::shared_ptr<Database> db_;  // with the ledger
};

}  // namespace weir::store::postgres
