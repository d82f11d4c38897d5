#include "weir/store/postgres/postgres_account_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/store/account_json.h"

namespace weir::store::postgres {
namespace {

constexpr const char* kColumns =
    "kind, id, tenant, team, \"user\", name, roles, models, limits, suspended, created, expires, revoked";
constexpr const char* kSecretColumns = "digest, pepper, last4, created, expires, key";

Result<Account> account_of(const Rows& rows, size_t row) {
  Account a;
  int64_t kind = rows.integer(row, 0);
  if (kind < 0 || kind > static_cast<int64_t>(AccountKind::kKey))
    return fail_internal(ErrorCode::kIo, "the accounts hold a kind that this weir does not know");
  a.kind = static_cast<AccountKind>(kind);
  a.id = rows.text(row, 1);
  a.tenant = rows.text(row, 2);
  a.team = rows.text(row, 3);
  a.user = rows.text(row, 4);
  a.name = rows.text(row, 5);
  TRY(a.roles, texts_of(rows.text(row, 6)));
  TRY(a.models, texts_of(rows.text(row, 7)));
  TRY(a.limits, limits_of(rows.text(row, 8)));
  a.suspended = rows.boolean(row, 9);
  a.created_unix_ms = rows.integer(row, 10);
  a.expires_unix_ms = rows.integer(row, 11);
  a.revoked_unix_ms = rows.integer(row, 12);
  return a;
}

Result<KeySecret> secret_of(const Rows& rows, size_t row) {
  KeySecret s;
  TRY(std::vector<uint8_t> digest, rows.bytes(row, 0));
  if (digest.size() != s.digest.size())
    return fail_internal(ErrorCode::kIo, "the accounts hold a digest of a wrong size");
  std::ranges::copy(digest, s.digest.begin());
  s.pepper = static_cast<uint32_t>(rows.integer(row, 1));
  s.last4 = rows.text(row, 2);
  s.created_unix_ms = rows.integer(row, 3);
  s.expires_unix_ms = rows.integer(row, 4);
  return s;
}

// `accounts` and the secrets are both in the order of the keys' ids: one walk puts them together.
Result<void> add_secrets(std::span<Account> keys, const Rows& secrets) {
  auto key = keys.begin();
  for (size_t row = 0; row < secrets.size(); ++row) {
    std::string_view of = secrets.text(row, 5);
    while (key != keys.end() && key->id < of)
      ++key;
    if (key == keys.end()) break;
    if (key->id != of) continue;
    TRY(KeySecret secret, secret_of(secrets, row));
    key->secrets.push_back(std::move(secret));
  }
  return {};
}

class Change final : public AccountTransaction {
 public:
  explicit Change(Transaction& t) : t_(t) {}
  bool wrote() const { return wrote_; }

  Result<std::optional<Account>> find(AccountKind kind, std::string_view id) override {
    TRY_VOID(t_.limit_to(kEveryTenant));
    TRY(Rows rows, t_.run(fmt::format("SELECT {} FROM @.account WHERE kind = $1 AND id = $2", kColumns),
                          Params().add(static_cast<int64_t>(kind)).add(id)));
    if (rows.empty()) return std::nullopt;
    TRY(Account account, account_of(rows, 0));
    TRY_VOID(read_secrets({&account, 1}));
    return account;
  }

  Result<std::vector<Account>> list(const Filter& f) override {
    TRY_VOID(t_.limit_to(f.tenant.value_or("")));
    std::string sql = fmt::format("SELECT {} FROM @.account WHERE kind = $1 AND id > $2", kColumns);
    Params params;
    params.add(static_cast<int64_t>(f.kind)).add(f.after);
    for (auto [text, column] : {std::pair{&f.tenant, "tenant"}, {&f.team, "team"}, {&f.user, "\"user\""}})
      if (*text) {
        params.add(**text);
        sql += fmt::format(" AND {} = ${}", column, params.values().size());
      }
    params.add(static_cast<int64_t>(f.limit));
    sql += fmt::format(" ORDER BY id LIMIT ${}", params.values().size());
    TRY(Rows rows, t_.run(sql, params));
    std::vector<Account> found;
    for (size_t row = 0; row < rows.size(); ++row) {
      TRY(Account account, account_of(rows, row));
      found.push_back(std::move(account));
    }
    TRY_VOID(read_secrets(found));
    return found;
  }

  Result<void> put(const Account& a) override {
    wrote_ = true;
    TRY_VOID(t_.limit_to(a.tenant));
    TRY_VOID(
        t_.run(fmt::format("INSERT INTO @.account ({}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, "
                           "$12, $13) ON CONFLICT (kind, id) DO UPDATE SET tenant = excluded.tenant, team = "
                           "excluded.team, \"user\" = excluded.\"user\", name = excluded.name, roles = "
                           "excluded.roles, models = excluded.models, limits = excluded.limits, suspended = "
                           "excluded.suspended, created = excluded.created, expires = excluded.expires, "
                           "revoked = excluded.revoked",
                           kColumns),
               Params()
                   .add(static_cast<int64_t>(a.kind))
                   .add(a.id)
                   .add(a.tenant)
                   .add(a.team)
                   .add(a.user)
                   .add(a.name)
                   .add(to_json(a.roles))
                   .add(to_json(a.models))
                   .add(to_json(a.limits))
                   .add(a.suspended)
                   .add(a.created_unix_ms)
                   .add(a.expires_unix_ms)
                   .add(a.revoked_unix_ms)));
    if (a.kind != AccountKind::kKey) return {};
    TRY_VOID(t_.run("DELETE FROM @.secret WHERE key = $1", Params().add(a.id)));
    for (size_t place = 0; place < a.secrets.size(); ++place) {
      const KeySecret& s = a.secrets[place];
      TRY_VOID(t_.run(
          fmt::format("INSERT INTO @.secret ({}, place, tenant) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                      kSecretColumns),
          Params()
              .add(std::span<const uint8_t>(s.digest))
              .add(int64_t{s.pepper})
              .add(s.last4)
              .add(s.created_unix_ms)
              .add(s.expires_unix_ms)
              .add(a.id)
              .add(static_cast<int64_t>(place))
              .add(a.tenant)));
    }
    return {};
  }

  Result<void> remove(AccountKind kind, std::string_view id) override {
    wrote_ = true;
    TRY_VOID(t_.limit_to(kEveryTenant));
    if (kind == AccountKind::kKey) TRY_VOID(t_.run("DELETE FROM @.secret WHERE key = $1", Params().add(id)));
    TRY_VOID(t_.run("DELETE FROM @.account WHERE kind = $1 AND id = $2",
                    Params().add(static_cast<int64_t>(kind)).add(id)));
    return {};
  }

  Result<void> add_audit(const AuditRow& r) override {
    TRY_VOID(t_.limit_to(r.tenant));
    TRY_VOID(t_.run(
        "INSERT INTO @.audit (time, tenant, actor, action, object, refused, detail, request, peer) VALUES "
        "($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        Params()
            .add(r.unix_ms)
            .add(r.tenant)
            .add(r.actor)
            .add(r.action)
            .add(r.object)
            .add(r.refused)
            .add(r.detail)
            .add(r.request)
            .add(r.peer)));
    return {};
  }

 private:
  // Of accounts in the order of their ids, under the tenant that they were read under.
  Result<void> read_secrets(std::span<Account> accounts) {
    if (accounts.empty() || accounts.front().kind != AccountKind::kKey) return {};
    std::vector<std::string_view> ids;
    for (const Account& a : accounts)
      ids.push_back(a.id);
    TRY(Rows rows, t_.run(fmt::format("SELECT {} FROM @.secret WHERE key = ANY ($1) ORDER BY key, place",
                                      kSecretColumns),
                          Params().add(std::span<const std::string_view>(ids))));
    return add_secrets(accounts, rows);
  }

  Transaction& t_;
  bool wrote_ = false;
};

}  // namespace

Result<void> PostgresAccountStore::change(const std::function<Result<void>(AccountTransaction&)>& work) {
  return db_->transact({}, [&](Transaction& t) -> Result<void> {
    TRY_VOID(t.run("SELECT number FROM @.version FOR UPDATE"));
    Change change(t);
    TRY_VOID(work(change));
    if (change.wrote()) TRY_VOID(t.run("UPDATE @.version SET number = number + 1"));
    return {};
  });
}

Result<uint64_t> PostgresAccountStore::version() {
  TRY(Rows rows, db_->read("SELECT number FROM @.version"));
  if (rows.empty()) return fail_internal(ErrorCode::kIo, "the accounts have no version number");
  return static_cast<uint64_t>(rows.integer(0, 0));
}

Result<AccountStore::Everything> PostgresAccountStore::read_all() {
  Everything all;
  TRY_VOID(db_->transact({.one_moment = true}, [&](Transaction& t) -> Result<void> {
    all = {};
    TRY(Rows version, t.run("SELECT number FROM @.version"));
    if (version.empty()) return fail_internal(ErrorCode::kIo, "the accounts have no version number");
    all.version = static_cast<uint64_t>(version.integer(0, 0));
    TRY(Rows accounts, t.run(fmt::format("SELECT {} FROM @.account ORDER BY kind, id", kColumns)));
    for (size_t row = 0; row < accounts.size(); ++row) {
      TRY(Account account, account_of(accounts, row));
      all.accounts.push_back(std::move(account));
    }
    TRY(Rows secrets, t.run(fmt::format("SELECT {} FROM @.secret ORDER BY key, place", kSecretColumns)));
    auto keys = std::ranges::lower_bound(all.accounts, AccountKind::kKey, {}, &Account::kind);
    return add_secrets({keys, all.accounts.end()}, secrets);
  }));
  return all;
}

Result<std::vector<AuditRow>> PostgresAccountStore::audit(const AuditFilter& f) {
  std::string sql =
      "SELECT sequence, time, tenant, actor, action, object, refused, detail, request, peer FROM @.audit "
      "WHERE true";
  Params params;
  auto add = [&](std::string_view condition, const auto& value) {
    params.add(value);
    sql += fmt::format(" AND {}${}", condition, params.values().size());
  };
  if (f.tenant) add("tenant = ", *f.tenant);
  if (f.action) {
    add("starts_with(action, ", *f.action);
    sql += ")";
  }
  if (f.before > 0) add("sequence < ", f.before);
  params.add(static_cast<int64_t>(f.limit));
  sql += fmt::format(" ORDER BY sequence DESC LIMIT ${}", params.values().size());
  std::vector<AuditRow> found;
  TRY_VOID(db_->transact({.tenant = f.tenant ? *f.tenant : "", .one_moment = true},
                         [&](Transaction& t) -> Result<void> {
                           TRY(Rows rows, t.run(sql, params));
                           for (size_t row = 0; row < rows.size(); ++row) {
                             AuditRow& r = found.emplace_back();
                             r.sequence = rows.integer(row, 0);
                             r.unix_ms = rows.integer(row, 1);
                             r.tenant = rows.text(row, 2);
                             r.actor = rows.text(row, 3);
                             r.action = rows.text(row, 4);
                             r.object = rows.text(row, 5);
                             r.refused = rows.boolean(row, 6);
                             r.detail = rows.text(row, 7);
                             r.request = rows.text(row, 8);
                             r.peer = rows.text(row, 9);
                           }
                           return {};
                         }));
  return found;
}

// As SqliteAccountStore does it. Two replicas at once: the later one waits for the earlier one's commit and
// finds its rows gone.
Result<size_t> PostgresAccountStore::expire_audit(int64_t before_unix_ms, size_t most) {
  int64_t removed = 0;
  TRY_VOID(db_->transact({}, [&](Transaction& t) -> Result<void> {
    TRY(Rows rows, t.run("DELETE FROM @.audit WHERE time < $1 AND sequence IN "
                         "(SELECT sequence FROM @.audit ORDER BY sequence LIMIT $2)",
                         Params().add(before_unix_ms).add(static_cast<int64_t>(most))));
    removed = rows.changed();
    return {};
  }));
  return static_cast<size_t>(removed);
}

}  // namespace weir::store::postgres
