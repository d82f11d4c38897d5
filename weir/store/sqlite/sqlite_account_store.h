// AccountStore on SQLite: one file for one replica. Each call has a connection of its own, as the stored
// responses have: calls of any thread are independent, and no request waits for one. The file knows its
// schema by number; a newer weir brings an older file forward, one step after the other, in one transaction;
// there is no way back, and a file of a newer weir is left alone.
#pragma once

#include <memory>
#include <string>

#include "weir/store/account_store.h"
#include "weir/store/sqlite/database.h"

namespace weir::store::sqlite {

class SqliteAccountStore final : public AccountStore {
 public:
  struct Options {
    std::string path;
    std::string vfs;  // io::Disk::sqlite_vfs()
  };
  /// Makes the file when there is none, 0600 as its directory is private. Errors: kIo.
  static Result<std::unique_ptr<SqliteAccountStore>> open(Options options);

  Result<void> change(const std::function<Result<void>(AccountTransaction&)>& work) override;
  Result<uint64_t> version() override;
  Result<Everything> read_all() override;
  Result<std::vector<AuditRow>> audit(const AuditFilter& filter) override;
  Result<size_t> expire_audit(int64_t before_unix_ms, size_t most) override;

 private:
  explicit SqliteAccountStore(Options options) : options_(std::move(options)) {}
  /// `create`: at the start only. A file that is gone later must not come back empty: SQLite would take the
  /// log that lies beside it for an old one and remove it.
  Result<std::unique_ptr<Database>> connect(bool create = false) const;

  const Options options_;
  std::unique_ptr<Database> held_;  // never used: while it is open the last call's close is no checkpoint
};

}  // namespace weir::store::sqlite
