#include "weir/store/sqlite/sqlite_response_store.h"

#include <fmt/format.h>

namespace weir::store::sqlite {
namespace {

constexpr int64_t kApplicationId = 0x77697273;  // "wirs"
constexpr int64_t kSchema = 1;

// bytes stands in front of the texts: a sum over it reads none of their pages.
constexpr const char* kCreate = R"(
  CREATE TABLE response (
    key INTEGER PRIMARY KEY, owner TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL, bytes INTEGER NOT NULL,
    input TEXT NOT NULL, body TEXT NOT NULL);
  CREATE UNIQUE INDEX response_id ON response (owner, id);
  CREATE INDEX response_created ON response (created, bytes);
)";

}  // namespace

Result<std::unique_ptr<Database>> SqliteResponseStore::connect() const {
  TRY(auto db, Database::open({.path = options_.path, .vfs = options_.vfs}));
  TRY_VOID(db->execute("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON"));
  return db;
}

Result<std::unique_ptr<SqliteResponseStore>> SqliteResponseStore::open(Options options) {
  std::unique_ptr<SqliteResponseStore> store(new SqliteResponseStore(std::move(options)));
  TRY(auto db, store->connect());
  TRY(int64_t version, db->integer("PRAGMA schema_version"));
  if (version == 0) {
    TRY_VOID(db->execute("PRAGMA auto_vacuum = INCREMENTAL"));
    {
      TRY(Statement mode, db->prepare("PRAGMA journal_mode = WAL"));
      TRY_VOID(mode.run());
    }
    TRY(Transaction whole, Transaction::begin(*db));
    TRY_VOID(db->execute(kCreate));
    TRY_VOID(db->execute(
        fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, kSchema)));
    TRY_VOID(whole.commit());
  }
  TRY(int64_t application, db->integer("PRAGMA application_id"));
  TRY(int64_t schema, db->integer("PRAGMA user_version"));
  if (application != kApplicationId || schema != kSchema)
    return fail_internal(ErrorCode::kIo,
                         fmt::format("{} is of another program or another version of weir: not touched",
                                     store->options_.path));
  store->held_ = std::move(db);
  return store;
}

Result<void> SqliteResponseStore::put(const KeptResponse& r) {
  TRY(auto db, connect());
  TRY(Statement insert,
      db->prepare(
          "INSERT OR REPLACE INTO response (owner, id, created, bytes, input, body) VALUES (?, ?, ?, ?, "
          "?, ?)"));
  auto bytes = static_cast<int64_t>(r.input.size() + r.body.size() + r.owner.size() + r.id.size());
  return insert.bind(1, r.owner)
      .bind(2, r.id)
      .bind(3, r.created_unix_ns)
      .bind(4, bytes)
      .bind(5, r.input)
      .bind(6, r.body)
      .run();
}

Result<std::optional<KeptResponse>> SqliteResponseStore::find(const std::string& owner,
                                                              const std::string& id) {
  TRY(auto db, connect());
  TRY(Statement select, db->prepare("SELECT created, input, body FROM response WHERE owner = ? AND id = ?"));
  TRY(bool there, select.bind(1, owner).bind(2, id).step());
  if (!there) return std::nullopt;
  return KeptResponse{id, owner, select.integer(0), std::string(select.text(1)), std::string(select.text(2))};
}

Result<bool> SqliteResponseStore::remove(const std::string& owner, const std::string& id) {
  TRY(auto db, connect());
  {
    TRY(Statement erase, db->prepare("DELETE FROM response WHERE owner = ? AND id = ?"));
    TRY_VOID(erase.bind(1, owner).bind(2, id).run());
  }
  TRY(int64_t removed, db->integer("SELECT changes()"));
  return removed > 0;
}

Result<uint64_t> SqliteResponseStore::expire(WallTime before, uint64_t bytes_max) {
  TRY(auto db, connect());
  TRY(Transaction whole, Transaction::begin(*db));
  uint64_t removed = 0;
  auto erase = [&](Statement statement) -> Result<void> {
    TRY_VOID(statement.run());
    statement.reset();
    TRY(int64_t changes, db->integer("SELECT changes()"));
    removed += static_cast<uint64_t>(changes);
    return {};
  };
  {
    TRY(Statement old, db->prepare("DELETE FROM response WHERE created < ?"));
    old.bind(1, before.unix_ns);
    TRY_VOID(erase(std::move(old)));
  }
  {
    // The newest whose sizes together fit stay.
    TRY(Statement much,
        db->prepare("DELETE FROM response WHERE key IN (SELECT key FROM (SELECT key, sum(bytes) OVER "
                    "(ORDER BY created DESC, key DESC) AS total FROM response) WHERE total > ?)"));
    much.bind(1, static_cast<int64_t>(bytes_max));
    TRY_VOID(erase(std::move(much)));
  }
  TRY_VOID(whole.commit());
  TRY_VOID(db->execute("PRAGMA incremental_vacuum"));
  return removed;
}

}  // namespace weir::store::sqlite
