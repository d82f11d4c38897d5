// Database: one SQLite connection and its statements as values that close themselves; errors as Results with
// the file, what was tried and SQLite's reason. Blocks: used on worker threads, one call at a time, by
// whichever thread has the turn. Every store on SQLite stands on this.
//   TRY(Statement find, db.prepare("SELECT next FROM ring_position WHERE ring = ?"));
//   TRY(bool found, find.bind(1, ring).step());
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "weir/base/clock.h"
#include "weir/base/result.h"

namespace weir::store::sqlite {

class Database;

/// A prepared statement. Parameters count from 1, columns from 0, as SQLite does.
class Statement {
 public:
  /// What is bound is borrowed until the statement was reset. A parameter that cannot be bound makes step()
  /// fail.
  Statement& bind(int at, int64_t value);
  Statement& bind(int at, std::string_view text);
  Statement& bind(int at, std::span<const std::byte> blob);

  /// True: a row is there. False: it is done, and reset, ready to be bound again.
  Result<bool> step();
  /// step() of a statement whose rows do not matter, to its end.
  Result<void> run();
  void reset();

  // Of the row; texts and blobs are valid until the next step() or reset().
  int columns() const { return sqlite3_column_count(handle_.get()); }
  int64_t integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }
  std::string_view text(int column) const;
  std::span<const std::byte> blob(int column) const;
  sqlite3_stmt* handle() const { return handle_.get(); }

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
  };
  Statement(Database& db, sqlite3_stmt* handle) : db_(&db), handle_(handle) {}
  Statement& note(int bound);

  Database* db_;
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
  int bound_ = SQLITE_OK;  // the first bind that failed
};

class Database {
 public:
  struct Options {
    std::string path;
    std::string vfs;  // io::Disk::sqlite_vfs(); empty: SQLite's own
    bool read_only = false;
    bool create = true;               // where there is none; else that is an error
    milliseconds busy_timeout{5000};  // how long to wait for another connection's lock
  };
  /// Errors: kIo. That the file is no database shows at the first statement, not here.
  static Result<std::unique_ptr<Database>> open(Options options);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Exactly one statement; `sql` is not needed afterwards.
  Result<Statement> prepare(std::string_view sql);
  /// One or more statements without parameters, whose rows do not matter.
  Result<void> execute(const std::string& sql);
  /// The first column of the first row; 0 when there is none.
  Result<int64_t> integer(std::string_view sql);

  /// An error of `code`, the last call's: "cannot use <path>: disk I/O error (Input/output error)".
  /// Retryable when waiting may help: busy, full, I/O.
  Error error(int code, std::string_view what) const;

  const std::string& path() const { return options_.path; }
  sqlite3* handle() { return handle_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  explicit Database(Options options) : options_(std::move(options)) {}

  const Options options_;
  std::unique_ptr<sqlite3, Close> handle_;
};

/// What happens until commit() happens together; without it, not at all.
class Transaction {
 public:
  /// Takes the write lock at once, so that no statement inside can find it taken.
  static Result<Transaction> begin(Database& db);
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  ~Transaction();
  /// Ensures: on success, what was done is on the device (WAL, synchronous FULL).
  Result<void> commit();

 private:
  explicit Transaction(Database& db) : db_(&db) {}
  Database* db_;
};

}  // namespace weir::store::sqlite
