// ResponseStore on SQLite: one row an answer. Each call has a connection of its own, which costs 0.1 ms
// beside a model's seconds and makes calls of any thread independent. What is removed is overwritten
// (secure_delete).
#pragma once

#include <memory>
#include <string>

#include "weir/store/response_store.h"
#include "weir/store/sqlite/database.h"

namespace weir::store::sqlite {

class SqliteResponseStore final : public ResponseStore {
 public:
  struct Options {
    std::string path;
    std::string vfs;  // io::Disk::sqlite_vfs()
  };
  /// Makes the file when there is none. Errors: kIo, also for a file of another program or version.
  static Result<std::unique_ptr<SqliteResponseStore>> open(Options options);

  Result<void> put(const KeptResponse& response) override;
  Result<std::optional<KeptResponse>> find(const std::string& owner, const std::string& id) override;
  Result<bool> remove(const std::string& owner, const std::string& id) override;
  Result<uint64_t> expire(WallTime before, uint64_t bytes_max) override;

 private:
  explicit SqliteResponseStore(Options options) : options_(std::move(options)) {}
  Result<std::unique_ptr<Database>> connect() const;

  const Options options_;
  std::unique_ptr<Database> held_;  // never used: while it is open the last call's close is no checkpoint
};

}  // namespace weir::store::sqlite
