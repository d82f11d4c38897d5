// SqliteLedger: the ledger's rows in the file of the events (sqlite_event_store.h), so that both change in
// one transaction. One row an hour and combination of everything it is summed by. Old hours are not thrown
// away but folded into one row a tenant, team, key and user (hour 0): what was spent in all stays exact.
#pragma once

#include <memory>
#include <string>

#include "weir/store/event_store.h"
#include "weir/store/ledger.h"
#include "weir/store/sqlite/database.h"

namespace weir::store::sqlite {

/// Makes the table. Inside a transaction.
Result<void> create_ledger(Database& db);
/// Adds the batch's events. Inside the transaction that stores them.
Result<void> add_to_ledger(Database& db, const EventBatch& batch);
/// Folds the hours that ended before `before`. Rows that went.
Result<uint64_t> fold_ledger(Database& db, WallTime before);

class SqliteLedger final : public Ledger {
 public:
  struct Options {
    std::string path;
    std::string vfs;  // io::Disk::sqlite_vfs()
  };
  /// Reads the file of a SqliteEventStore, also while that one writes. Each call has a connection of its own.
  explicit SqliteLedger(Options options) : options_(std::move(options)) {}
  Result<std::vector<UsageSum>> usage(const UsageQuery& query) override;
  Result<SpentByScope> spent(int64_t day_s, int64_t month_s) override;

 private:
  const Options options_;
};

}  // namespace weir::store::sqlite
