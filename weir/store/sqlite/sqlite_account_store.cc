#include "weir/store/sqlite/sqlite_account_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "weir/store/account_json.h"

namespace weir::store::sqlite {
namespace {

constexpr int64_t kApplicationId = 0x77697261;  // "wira"

// The schema of number n is what the first n steps make. A step is never changed once it was released.
constexpr const char* kSteps[] = {
    R"(
  CREATE TABLE version (number INTEGER NOT NULL);
  INSERT INTO version VALUES (1);
  CREATE TABLE account (
    kind INTEGER NOT NULL, id TEXT NOT NULL, tenant TEXT NOT NULL, team TEXT NOT NULL, user TEXT NOT NULL,
    name TEXT NOT NULL, roles TEXT NOT NULL, models TEXT NOT NULL, limits TEXT NOT NULL,
    suspended INTEGER NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL, revoked INTEGER NOT NULL,
    PRIMARY KEY (kind, id)) WITHOUT ROWID;
  CREATE INDEX account_tenant ON account (tenant, kind, id);
  CREATE TABLE secret (
    key TEXT NOT NULL, place INTEGER NOT NULL, digest BLOB NOT NULL, pepper INTEGER NOT NULL,
    last4 TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL,
    PRIMARY KEY (key, place)) WITHOUT ROWID;
  CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, tenant TEXT NOT NULL,
    actor TEXT NOT NULL, action TEXT NOT NULL, object TEXT NOT NULL, refused INTEGER NOT NULL,
    detail TEXT NOT NULL, request TEXT NOT NULL, peer TEXT NOT NULL);
  CREATE INDEX audit_tenant ON audit (tenant, sequence);
)"};
constexpr int64_t kSchema = std::size(kSteps);

constexpr const char* kColumns =
    "kind, id, tenant, team, user, name, roles, models, limits, suspended, created, expires, revoked";

Result<Account> account_of(const Statement& row) {
  Account a;
  if (row.integer(0) < 0 || row.integer(0) > static_cast<int64_t>(AccountKind::kKey))
    return fail_internal(ErrorCode::kIo, "the accounts hold a kind that this weir does not know");
  a.kind = static_cast<AccountKind>(row.integer(0));
  a.id = row.text(1);
  a.tenant = row.text(2);
  a.team = row.text(3);
  a.user = row.text(4);
  a.name = row.text(5);
  TRY(a.roles, texts_of(row.text(6)));
  TRY(a.models, texts_of(row.text(7)));
  TRY(a.limits, limits_of(row.text(8)));
  a.suspended = row.integer(9) != 0;
  a.created_unix_ms = row.integer(10);
  a.expires_unix_ms = row.integer(11);
  a.revoked_unix_ms = row.integer(12);
  return a;
}

Result<KeySecret> secret_of(const Statement& row, int first) {
  KeySecret s;
  std::span<const std::byte> digest = row.blob(first);
  if (digest.size() != s.digest.size())
    return fail_internal(ErrorCode::kIo, "the accounts hold a digest of a wrong size");
  std::ranges::transform(digest, s.digest.begin(), [](std::byte b) { return static_cast<uint8_t>(b); });
  s.pepper = static_cast<uint32_t>(row.integer(first + 1));
  s.last4 = row.text(first + 2);
  s.created_unix_ms = row.integer(first + 3);
  s.expires_unix_ms = row.integer(first + 4);
  return s;
}

class Change final : public AccountTransaction {
 public:
  explicit Change(Database& db) : db_(db) {}
  bool wrote() const { return wrote_; }

  Result<std::optional<Account>> find(AccountKind kind, std::string_view id) override {
    Statement* find = nullptr;
    TRY_VOID(use(find, fmt::format("SELECT {} FROM account WHERE kind = ? AND id = ?", kColumns)));
    TRY(bool there, find->bind(1, static_cast<int64_t>(kind)).bind(2, id).step());
    if (!there) return std::nullopt;
    Result<Account> account = account_of(*find);
    find->reset();
    if (!account) return Unexpected(std::move(account).error());
    TRY_VOID(read_secrets(*account));
    return *std::move(account);
  }

  Result<std::vector<Account>> list(const Filter& f) override {
    std::string sql = fmt::format("SELECT {} FROM account WHERE kind = ? AND id > ?", kColumns);
    for (auto [text, column] : {std::pair{&f.tenant, "tenant"}, {&f.team, "team"}, {&f.user, "user"}})
      if (*text) sql += fmt::format(" AND {} = ?", column);
    sql += " ORDER BY id LIMIT ?";
    std::vector<Account> found;
    {
      TRY(Statement select, db_.prepare(sql));
      select.bind(1, static_cast<int64_t>(f.kind)).bind(2, f.after);
      int at = 3;
      for (const auto* text : {&f.tenant, &f.team, &f.user})
        if (*text) select.bind(at++, **text);
      select.bind(at, static_cast<int64_t>(f.limit));
      for (;;) {
        TRY(bool row, select.step());
        if (!row) break;
        TRY(Account account, account_of(select));
        found.push_back(std::move(account));
      }
    }
    for (Account& account : found)
      TRY_VOID(read_secrets(account));
    return found;
  }

  Result<void> put(const Account& a) override {
    wrote_ = true;
    std::string roles = to_json(a.roles), models = to_json(a.models), limits = to_json(a.limits);
    Statement* put = nullptr;
    TRY_VOID(use(put, fmt::format("INSERT OR REPLACE INTO account ({}) VALUES "
                                  "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                  kColumns)));
    TRY_VOID(put->bind(1, static_cast<int64_t>(a.kind))
                 .bind(2, a.id)
                 .bind(3, a.tenant)
                 .bind(4, a.team)
                 .bind(5, a.user)
                 .bind(6, a.name)
                 .bind(7, roles)
                 .bind(8, models)
                 .bind(9, limits)
                 .bind(10, int64_t{a.suspended})
                 .bind(11, a.created_unix_ms)
                 .bind(12, a.expires_unix_ms)
                 .bind(13, a.revoked_unix_ms)
                 .run());
    if (a.kind != AccountKind::kKey) return {};
    TRY_VOID(remove_secrets(a.id));
    Statement* add = nullptr;
    TRY_VOID(use(add,
                 "INSERT INTO secret (key, place, digest, pepper, last4, created, expires) VALUES "
                 "(?, ?, ?, ?, ?, ?, ?)"));
    for (size_t place = 0; place < a.secrets.size(); ++place) {
      const KeySecret& s = a.secrets[place];
      TRY_VOID(add->bind(1, a.id)
                   .bind(2, static_cast<int64_t>(place))
                   .bind(3, std::as_bytes(std::span(s.digest)))
                   .bind(4, static_cast<int64_t>(s.pepper))
                   .bind(5, s.last4)
                   .bind(6, s.created_unix_ms)
                   .bind(7, s.expires_unix_ms)
                   .run());
    }
    return {};
  }

  Result<void> remove(AccountKind kind, std::string_view id) override {
    wrote_ = true;
    if (kind == AccountKind::kKey) TRY_VOID(remove_secrets(id));
    Statement* remove = nullptr;
    TRY_VOID(use(remove, "DELETE FROM account WHERE kind = ? AND id = ?"));
    return remove->bind(1, static_cast<int64_t>(kind)).bind(2, id).run();
  }

  Result<void> add_audit(const AuditRow& r) override {
    Statement* add = nullptr;
    TRY_VOID(use(add,
                 "INSERT INTO audit (time, tenant, actor, action, object, refused, detail, request, "
                 "peer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    return add->bind(1, r.unix_ms)
        .bind(2, r.tenant)
        .bind(3, r.actor)
        .bind(4, r.action)
        .bind(5, r.object)
        .bind(6, int64_t{r.refused})
        .bind(7, r.detail)
        .bind(8, r.request)
        .bind(9, r.peer)
        .run();
  }

 private:
  // Statements are kept for the transaction: a thousand puts are prepared once.
  Result<void> use(Statement*& out, const std::string& sql) {
    auto at = statements_.find(sql);
    if (at == statements_.end()) {
      TRY(Statement made, db_.prepare(sql));
      at = statements_.emplace(sql, std::move(made)).first;
    }
    out = &at->second;
    return {};
  }

  Result<void> remove_secrets(std::string_view key) {
    Statement* remove = nullptr;
    TRY_VOID(use(remove, "DELETE FROM secret WHERE key = ?"));
    return remove->bind(1, key).run();
  }

  Result<void> read_secrets(Account& account) {
    if (account.kind != AccountKind::kKey) return {};
    Statement* find = nullptr;
    TRY_VOID(use(find,
                 "SELECT digest, pepper, last4, created, expires FROM secret WHERE key = ? "
                 "ORDER BY place"));
    find->bind(1, account.id);
    for (;;) {
      TRY(bool row, find->step());
      if (!row) return {};
      Result<KeySecret> secret = secret_of(*find, 0);
      if (!secret) find->reset();
      if (!secret) return Unexpected(std::move(secret).error());
      account.secrets.push_back(*std::move(secret));
    }
  }

  Database& db_;
  std::map<std::string, Statement> statements_;
  bool wrote_ = false;
};

Result<void> bring_forward(Database& db) {
  TRY(Transaction whole, Transaction::begin(db));
  TRY(int64_t application, db.integer("PRAGMA application_id"));
  TRY(int64_t objects, db.integer("SELECT count(*) FROM sqlite_schema"));
  TRY(int64_t schema, db.integer("PRAGMA user_version"));
  bool empty = application == 0 && objects == 0;
  if (!empty && application != kApplicationId)
    return fail_internal(ErrorCode::kIo,
                         fmt::format("{} is a database of another program: not touched", db.path()));
  if (empty) schema = 0;
  if (schema > kSchema || schema < 0)
    return fail_internal(ErrorCode::kIo, fmt::format("{} was written by a later weir (schema {}, this one "
                                                     "knows {}): not touched",
                                                     db.path(), schema, kSchema));
  if (schema == kSchema) return {};
  for (int64_t step = schema; step < kSchema; ++step)
    TRY_VOID(db.execute(kSteps[step]));
  TRY_VOID(db.execute(
      fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, kSchema)));
  return whole.commit();
}

}  // namespace

Result<std::unique_ptr<Database>> SqliteAccountStore::connect(bool create) const {
  TRY(auto db, Database::open({.path = options_.path, .vfs = options_.vfs, .create = create}));
  TRY_VOID(db->execute("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON"));
  return db;
}

Result<std::unique_ptr<SqliteAccountStore>> SqliteAccountStore::open(Options options) {
  std::unique_ptr<SqliteAccountStore> store(new SqliteAccountStore(std::move(options)));
  TRY(store->held_, store->connect(true));
  {
    TRY(Statement mode, store->held_->prepare("PRAGMA journal_mode = WAL"));
    TRY_VOID(mode.run());
  }
  TRY_VOID(bring_forward(*store->held_));
  // As the store of events: what a killed process left written and not synced is on the device after a
  // commit.
  TRY_VOID(store->held_->execute("UPDATE version SET number = number + 1"));
  return store;
}

Result<void> SqliteAccountStore::change(const std::function<Result<void>(AccountTransaction&)>& work) {
  TRY(auto db, connect());
  TRY(Transaction whole, Transaction::begin(*db));
  {
    Change change(*db);
    TRY_VOID(work(change));
    if (change.wrote()) TRY_VOID(db->execute("UPDATE version SET number = number + 1"));
  }
  return whole.commit();
}

Result<uint64_t> SqliteAccountStore::version() {
  TRY(auto db, connect());
  TRY(int64_t number, db->integer("SELECT number FROM version"));
  return static_cast<uint64_t>(number);
}

Result<AccountStore::Everything> SqliteAccountStore::read_all() {
  TRY(auto db, connect());
  TRY_VOID(db->execute("BEGIN"));  // reads as of one moment; its end writes nothing
  Everything all;
  TRY(int64_t number, db->integer("SELECT number FROM version"));
  all.version = static_cast<uint64_t>(number);
  TRY(Statement accounts, db->prepare(fmt::format("SELECT {} FROM account ORDER BY kind, id", kColumns)));
  for (;;) {
    TRY(bool row, accounts.step());
    if (!row) break;
    TRY(Account account, account_of(accounts));
    all.accounts.push_back(std::move(account));
  }
  // Both are ordered by key: one walk puts them together.
  TRY(Statement secrets,
      db->prepare("SELECT digest, pepper, last4, created, expires, key FROM secret ORDER BY key, place"));
  auto key = std::ranges::lower_bound(all.accounts, AccountKind::kKey, {}, &Account::kind);
  for (;;) {
    TRY(bool row, secrets.step());
    if (!row) return all;
    while (key != all.accounts.end() && key->id < secrets.text(5))
      ++key;
    if (key == all.accounts.end() || key->id != secrets.text(5)) continue;
    TRY(KeySecret secret, secret_of(secrets, 0));
    key->secrets.push_back(std::move(secret));
  }
}

Result<std::vector<AuditRow>> SqliteAccountStore::audit(const AuditFilter& f) {
  TRY(auto db, connect());
  std::string sql =
      "SELECT sequence, time, tenant, actor, action, object, refused, detail, request, peer FROM audit "
      "WHERE true";
  if (f.tenant) sql += " AND tenant = ?";
  if (f.action) sql += " AND substr(action, 1, ?) = ?";
  if (f.before > 0) sql += " AND sequence < ?";
  sql += " ORDER BY sequence DESC LIMIT ?";
  TRY(Statement select, db->prepare(sql));
  int at = 1;
  if (f.tenant) select.bind(at++, *f.tenant);
  if (f.action) {
    select.bind(at++, static_cast<int64_t>(f.action->size()));
    select.bind(at++, *f.action);
  }
  if (f.before > 0) select.bind(at++, f.before);
  select.bind(at, static_cast<int64_t>(f.limit));
  std::vector<AuditRow> rows;
  for (;;) {
    TRY(bool row, select.step());
    if (!row) return rows;
    AuditRow& r = rows.emplace_back();
    r.sequence = select.integer(0);
    r.unix_ms = select.integer(1);
    r.tenant = select.text(2);
    r.actor = select.text(3);
    r.action = select.text(4);
    r.object = select.text(5);
    r.refused = select.integer(6) != 0;
    r.detail = select.text(7);
    r.request = select.text(8);
    r.peer = select.text(9);
  }
}

// The log is in the order of the time but for clocks that were set: a look at its beginning needs no index of
// times, and finds what is old all the same.
Result<size_t> SqliteAccountStore::expire_audit(int64_t before_unix_ms, size_t most) {
  TRY(auto db, connect());
  TRY(Transaction whole, Transaction::begin(*db));
  {
    TRY(Statement remove, db->prepare("DELETE FROM audit WHERE time < ? AND sequence IN "
                                      "(SELECT sequence FROM audit ORDER BY sequence LIMIT ?)"));
    TRY_VOID(remove.bind(1, before_unix_ms).bind(2, static_cast<int64_t>(most)).run());
  }
  TRY(int64_t removed, db->integer("SELECT changes()"));
  TRY_VOID(whole.commit());
  return static_cast<size_t>(removed);
}

}  // namespace weir::store::sqlite
