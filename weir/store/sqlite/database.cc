#include "weir/store/sqlite/database.h"

#include <fmt/format.h>

#include <limits>
#include <system_error>

#include "weir/base/assert.h"

namespace weir::store::sqlite {

// --------------------------------------------------------------------------------- Statement

Statement& Statement::note(int bound) {
  if (bound_ == SQLITE_OK) bound_ = bound;
  return *this;
}

Statement& Statement::bind(int at, int64_t value) {
  return note(sqlite3_bind_int64(handle_.get(), at, value));
}

Statement& Statement::bind(int at, std::string_view text) {
  return note(sqlite3_bind_text64(handle_.get(), at, text.data() ? text.data() : "", text.size(),
                                  SQLITE_STATIC, SQLITE_UTF8));
}

Statement& Statement::bind(int at, std::span<const std::byte> blob) {
  if (blob.empty()) return note(sqlite3_bind_zeroblob(handle_.get(), at, 0));
  return note(sqlite3_bind_blob64(handle_.get(), at, blob.data(), blob.size(), SQLITE_STATIC));
}

Result<bool> Statement::step() {
  int code = bound_ != SQLITE_OK ? bound_ : sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  Error error = db_->error(code, "use");
  reset();
  return Unexpected(std::move(error));
}

Result<void> Statement::run() {
  for (;;) {
    TRY(bool row, step());
    if (!row) return {};
  }
}

void Statement::reset() {
  sqlite3_reset(handle_.get());
  bound_ = SQLITE_OK;
}

std::string_view Statement::text(int column) const {
  auto* text = sqlite3_column_text(handle_.get(), column);
  return {reinterpret_cast<const char*>(text),
          static_cast<size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

std::span<const std::byte> Statement::blob(int column) const {
  auto* blob = static_cast<const std::byte*>(sqlite3_column_blob(handle_.get(), column));
  return {blob, static_cast<size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

// ---------------------------------------------------------------------------------- Database

Result<std::unique_ptr<Database>> Database::open(Options options) {
  std::unique_ptr<Database> db(new Database(std::move(options)));
  const Options& o = db->options_;
  // NOMUTEX: callers take turns, which is all it asks for.
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
              (o.read_only ? SQLITE_OPEN_READONLY
               : o.create  ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                           : SQLITE_OPEN_READWRITE);
  sqlite3* handle = nullptr;
  int code = sqlite3_open_v2(o.path.c_str(), &handle, flags, o.vfs.empty() ? nullptr : o.vfs.c_str());
  db->handle_.reset(handle);  // there is one after most failures too
  if (code != SQLITE_OK) return Unexpected(db->error(code, "open"));
  sqlite3_busy_timeout(handle, static_cast<int>(o.busy_timeout.count()));
  // Defences against a file that was made to harm, and room in memory for what would be temporary files.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  TRY_VOID(db->execute("PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY"));
  return db;
}

Result<Statement> Database::prepare(std::string_view sql) {
  WEIR_ASSERT(sql.size() < std::numeric_limits<int>::max());
  sqlite3_stmt* handle = nullptr;
  const char* rest = nullptr;
  int code = sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()), &handle, &rest);
  if (code != SQLITE_OK) return Unexpected(error(code, "use"));
  Statement statement(*this, handle);
  std::string_view left(rest, static_cast<size_t>(sql.data() + sql.size() - rest));
  if (!handle || left.find_first_not_of("; \t\r\n") != left.npos)
    return fail_internal(ErrorCode::kIo, "one SQL statement is wanted, no more and no less");
  return statement;
}

Result<void> Database::execute(const std::string& sql) {
  int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return Unexpected(error(code, "use"));
  return {};
}

Result<int64_t> Database::integer(std::string_view sql) {
  TRY(Statement statement, prepare(sql));
  TRY(bool row, statement.step());
  return row ? statement.integer(0) : 0;
}

Error Database::error(int code, std::string_view what) const {
  int primary = code & 0xff;
  const char* text = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
  if (primary == SQLITE_AUTH) text = "this connection only reads";
  std::string message = fmt::format("cannot {} {}: {}", what, options_.path, text);
  if (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_FULL) {
    int system = handle_ ? sqlite3_system_errno(handle_.get()) : 0;
    if (system != 0) message += fmt::format(" ({})", std::generic_category().message(system));
  }
  Error error = internal_error(ErrorCode::kIo, std::move(message));
  error.retryable = primary == SQLITE_BUSY || primary == SQLITE_FULL || primary == SQLITE_IOERR ||
                    primary == SQLITE_LOCKED || primary == SQLITE_NOMEM;
  return error;
}

// ------------------------------------------------------------------------------- Transaction

Result<Transaction> Transaction::begin(Database& db) {
  TRY_VOID(db.execute("BEGIN IMMEDIATE"));
  return Transaction(db);
}

Transaction::~Transaction() {
  // Some errors have rolled back already; then there is nothing to do and this changes nothing.
  if (!db_ || sqlite3_get_autocommit(db_->handle()) != 0) return;
  [[maybe_unused]] auto undone = db_->execute("ROLLBACK");
}

Result<void> Transaction::commit() {
  TRY_VOID(db_->execute("COMMIT"));  // when it fails the destructor rolls back
  db_ = nullptr;
  return {};
}

}  // namespace weir::store::sqlite
