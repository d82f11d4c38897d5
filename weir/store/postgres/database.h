// Database: PostgreSQL through libpq, for stores that replicas share. Every piece of work is one transaction,
// or one statement; between two nothing is remembered in a connection, so each may go to another one: that is
// what pgbouncer in transaction mode does. No named prepared statement, no SET outside of a transaction, no
// LISTEN, no session lock. Row-level security is forced on every table with a tenant column, so a transaction
// says whose rows it may see: one tenant's, or every tenant's.
//   TRY_VOID(db.transact({.tenant = "acme"}, [&](Transaction& t) -> Result<void> {
//     TRY(Rows rows, t.run("SELECT id FROM @.account WHERE kind = $1", Params().add(3)));
// "@." stands for the schema. Parameters and results travel as text.
//
// A few connections are kept and lent; one that broke is replaced, and what did not begin yet begins again on
// a fresh one. Every wait has a bound: connecting, the server's work (statement_timeout) and its silence.
// Thread-safe. Blocks: used on worker threads. Errors: kUnavailable (retryable) when the database cannot be
// reached or has no time, kIo for what it refuses; neither holds the connection string, a parameter or a row.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/base/secret.h"

struct pg_conn;
struct pg_result;

namespace weir::store::postgres {

/// What $1, $2 ... stand for, in this order.
class Params {
 public:
  Params& add(int64_t number);
  Params& add(std::string_view text);
  Params& add(bool yes);
  Params& add(std::span<const uint8_t> bytes);           // bytea
  Params& add(std::span<const int64_t> numbers);         // bigint[]
  Params& add(std::span<const std::string_view> texts);  // text[]
  Params& add(const char* text) { return add(std::string_view(text)); }
  Params& add(int number) { return add(int64_t{number}); }

  const std::vector<std::string>& values() const { return values_; }

 private:
  std::vector<std::string> values_;
};

/// A result. Rows and columns count from 0.
class Rows {
 public:
  explicit Rows(pg_result* result) : result_(result) {}
  size_t size() const;
  bool empty() const { return size() == 0; }
  /// Valid as long as the rows are; empty where it is null.
  std::string_view text(size_t row, int column) const;
  int64_t integer(size_t row, int column) const;
  bool boolean(size_t row, int column) const { return text(row, column) == "t"; }
  bool null(size_t row, int column) const;
  /// Errors: kIo, where it is no bytea in hexadecimal.
  Result<std::vector<uint8_t>> bytes(size_t row, int column) const;
  /// Rows that a statement without a result changed.
  int64_t changed() const;

 private:
  friend class Session;
  struct Clear {
    void operator()(pg_result* r) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

class Session;

/// Whose rows a transaction may see and write: a tenant's id, or this.
inline constexpr std::string_view kEveryTenant = "*";

class Transaction {
 public:
  /// One statement.
  Result<Rows> run(std::string_view sql, const Params& params = {});
  /// From now on, in this transaction. Empty counts as every tenant.
  Result<void> limit_to(std::string_view tenant);

 private:
  friend class Database;
  Transaction(Session& session, const std::string& schema, std::string tenant)
      : session_(session), schema_(schema), tenant_(std::move(tenant)) {}
  Session& session_;
  const std::string& schema_;
  std::string tenant_;
};

class Database {
 public:
  struct Options {
    Secret connection;                // as libpq takes it: postgresql://... or key=value
    std::string schema = "weir";      // a-z, 0-9, _
    Duration connect = seconds(3);    // the longest silence while connecting
    Duration statement = seconds(5);  // the server's bound of one statement
  };
  /// Reads the connection string; connects to nobody. Errors: kConfig.
  static Result<std::shared_ptr<Database>> create(Options options);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  struct How {
    std::string_view tenant = kEveryTenant;
    bool one_moment = false;  // reads only, all as of one moment
    Duration statement{0};    // another bound than the options'
  };
  using Work = std::function<Result<void>(Transaction&)>;
  /// Runs `work` in a transaction: its success commits, its error undoes all of it and is the answer. When
  /// the connection breaks in the commit itself it is not known whether it was done; the message says so.
  Result<void> transact(const How& how, const Work& work);
  /// One statement that only reads, of tables without tenants: one round trip.
  Result<Rows> read(std::string_view sql, const Params& params = {});

  const std::string& schema() const { return options_.schema; }
  /// Connections made since the start: for tests.
  uint64_t connections() const { return connections_.load(std::memory_order_relaxed); }

 private:
  explicit Database(Options options) : options_(std::move(options)) {}
  Result<std::unique_ptr<Session>> connect();
  std::unique_ptr<Session> take();
  void give(std::unique_ptr<Session> session);
  Result<void> attempt(Session& session, const How& how, const Work& work, bool& began);

  static constexpr size_t kKept = 8;
  const Options options_;
  std::array<std::atomic<Session*>, kKept> kept_{};
  std::atomic<uint64_t> connections_{0};
};

/// `sql` with every "@." replaced by the quoted schema.
std::string in_schema(std::string_view sql, std::string_view schema);

}  // namespace weir::store::postgres
