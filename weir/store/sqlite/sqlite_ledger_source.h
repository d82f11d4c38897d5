// LedgerSource: what the file of a SqliteEventStore adds to a shared ledger. Segments have numbers without
// gaps that never come again, so the last one taken says what is left; a file that nobody took anything of
// hands over its whole ledger, whose segments may be long gone. The file gets a name of its own: one that was
// lost and made anew begins at segment 1 again and must not be taken for the former.
#pragma once

#include <memory>
#include <string>

#include "weir/store/shared_ledger.h"
#include "weir/store/sqlite/database.h"

namespace weir::store::sqlite {

class SqliteLedgerSource final : public LedgerSource {
 public:
  struct Options {
    std::string path;
    std::string vfs;              // io::Disk::sqlite_vfs()
    int64_t events_max = 50'000;  // of one part: 50 ms of a worker
  };
  /// Requires: the file is there. Names it, where it has no name yet.
  static Result<std::unique_ptr<SqliteLedgerSource>> open(Options options);

  const std::string& file() const override { return file_; }
  Result<LedgerPart> read(std::optional<int64_t> after) override;

 private:
  explicit SqliteLedgerSource(Options options) : options_(std::move(options)) {}
  Result<void> read_all(Database& db, LedgerPart& part) const;
  Result<void> read_segments(Database& db, LedgerPart& part) const;

  const Options options_;
  std::string file_;
};

}  // namespace weir::store::sqlite
