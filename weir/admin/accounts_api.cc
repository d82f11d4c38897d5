// Tenants, teams, users and keys: one set of handlers for the four kinds. A change is one transaction: what
// is there now is read in it, judged by grants.h, written with its row of the audit log; then every core of
// this process knows it, and only then the answer goes out.
#include <algorithm>
#include <functional>

#include "weir/accounts/key.h"
#include "weir/admin/account_object.h"
#include "weir/admin/audit.h"
#include "weir/admin/grants.h"

namespace weir::admin {
namespace {

using store::Account;
using store::AccountKind;
using store::AccountTransaction;

using Work = std::function<Result<void>(AccountTransaction&)>;

constexpr std::string_view kIdPrefixes[] = {"tnt_", "team_", "usr_", ""};
constexpr int64_t kOverlapMaxS = 90 * 86'400;

int64_t now_ms(const Call& call) {
  return call.loop.wall_now().unix_ns / 1'000'000;
}

io::Task<Result<void>> read_only(Call& call, Work work) {
  CO_TRY(accounts::Accounts * accounts, call.accounts());
  co_return co_await io::offload(call.loop, [&] { return accounts->store().change(work); });
}

io::Task<Result<void>> change(Call& call, Work work) {
  CO_TRY_VOID(co_await read_only(call, std::move(work)));
  co_await call.world.accounts->refresh(call.loop);  // a store that can not be read now is polled again
  co_return Result<void>{};
}

Answer shown(const Account& account, int status = 200) {
  Answer answer{.status = status};
  json::Writer w(answer.body);
  write(w, account);
  return answer;
}

Answer with_secret(const Account& key, std::string_view secret, int status) {
  Answer answer{.status = status};
  json::Writer w(answer.body);
  w.begin_object().key("key");
  write(w, key);
  w.member("secret", secret).end_object();
  return answer;
}

io::Task<Result<Answer>> list(Call& call, AccountKind kind) {
  CO_TRY(Page page, call.page());
  AccountTransaction::Filter filter{.kind = kind, .tenant = call.tenant(), .after = page.after};
  if (kind != AccountKind::kTenant && kind != AccountKind::kTeam) filter.team = call.query("team");
  if (kind == AccountKind::kKey) {
    filter.user = call.query("user");
    using enum accounts::Permission;
    if (!call.permits(kKeysRead) && !call.permits(kKeysWrite)) {  // its own keys only
      filter.tenant = call.caller.tenant();
      filter.user = call.caller.identity->user;
      if (filter.user->empty()) filter.limit = 0;
    }
  }
  filter.limit = std::min(filter.limit, page.limit + 1);
  std::vector<Account> found;
  CO_TRY_VOID(co_await read_only(call, [&](AccountTransaction& t) -> Result<void> {
    TRY(found, t.list(filter));
    return {};
  }));
  bool more = found.size() > page.limit;
  if (more) found.resize(page.limit);
  Answer answer;
  json::Writer w(answer.body);
  w.begin_object().key("data").begin_array();
  for (const Account& account : found)
    write(w, account);
  w.end_array().key("next");
  more ? w.value(found.back().id) : w.null();
  w.end_object();
  co_return answer;
}

io::Task<Result<Answer>> show(Call& call, AccountKind kind) {
  Account found;
  CO_TRY_VOID(co_await read_only(call, [&](AccountTransaction& t) -> Result<void> {
    TRY(found, visible(t, call, kind, call.object));
    return {};
  }));
  co_return shown(found);
}

store::AuditRow row_of(const Call& call, const Account& account, std::string detail) {
  store::AuditRow row = audit_row(call);
  row.tenant = account.tenant;
  row.object = account.id;
  row.detail = std::move(detail);
  return row;
}

io::Task<Result<Answer>> create(Call& call, AccountKind kind) {
  CO_TRY(accounts::Accounts * accounts, call.accounts());
  CO_TRY(json::Document body, co_await call.read_body());
  const exchange::Identity& me = *call.caller.identity;
  Account made;
  made.kind = kind;
  made.tenant = me.tenant.empty() ? std::string(accounts::kFirstTenant) : me.tenant;
  made.created_unix_ms = now_ms(call);
  bool key = kind == AccountKind::kKey;
  if (key && !call.permits(accounts::Permission::kKeysWrite)) {  // of whoever asks, unless it says otherwise
    made.user = me.user;
    made.team = me.team;
  }
  Fields fields(body);
  read(fields, made, true, made.created_unix_ms);
  CO_TRY_VOID(fields.end());
  accounts::NewKey secret;
  if (key) {
    secret = accounts::make_key(call.loop.random(), accounts->options().env);
    made.id = secret.id;
    made.secrets = {{accounts->peppers().digest(secret.text.reveal()), accounts->peppers().current(),
                     secret.last4, made.created_unix_ms, 0}};
  } else if (made.id.empty()) {
    made.id = accounts::new_account_id(call.loop.random(), kIdPrefixes[static_cast<size_t>(kind)]);
  }
  if (kind == AccountKind::kTenant) made.tenant = made.id;
  CO_TRY_VOID(co_await change(call, [&](AccountTransaction& t) -> Result<void> {
    TRY_VOID(may_make(t, call, nullptr, made));
    TRY(auto there, t.find(kind, made.id));
    if (there)
      return fail(ErrorCode::kInvalidRequest, "There is one with this id already.", "id", "already_exists");
    TRY_VOID(t.put(made));
    return t.add_audit(row_of(call, made, changes(Account{}, made)));
  }));
  if (key) co_return with_secret(made, secret.text.reveal(), 201);
  co_return shown(made, 201);
}

io::Task<Result<Answer>> update(Call& call, AccountKind kind) {
  CO_TRY(json::Document body, co_await call.read_body());
  Account after;
  CO_TRY_VOID(co_await change(call, [&](AccountTransaction& t) -> Result<void> {
    TRY(Account before, visible(t, call, kind, call.object));
    after = before;
    Fields fields(body);
    read(fields, after, false, now_ms(call));
    TRY_VOID(fields.end());
    TRY_VOID(may_make(t, call, &before, after));
    TRY_VOID(t.put(after));
    return t.add_audit(row_of(call, after, changes(before, after)));
  }));
  co_return shown(after);
}

// Nothing may be left that belongs to it, except a user's keys: they go with it.
Result<void> remove_within(AccountTransaction& t, const Call& call, const Account& account) {
  for (AccountKind inside : {AccountKind::kTeam, AccountKind::kUser, AccountKind::kKey}) {
    AccountTransaction::Filter filter{.kind = inside, .tenant = account.tenant};
    if (account.kind == AccountKind::kTeam) filter.team = account.id;
    if (account.kind == AccountKind::kUser) filter.user = account.id;
    if (account.kind == AccountKind::kKey ||
        (inside == AccountKind::kTeam && account.kind != AccountKind::kTenant))
      continue;
    if (account.kind == AccountKind::kUser && inside != AccountKind::kKey) continue;
    for (;;) {
      TRY(auto found, t.list(filter));
      if (found.empty()) break;
      if (account.kind != AccountKind::kUser)
        return fail(ErrorCode::kInvalidRequest,
                    "It still has a " + std::string(name(inside)) + ": '" + found.front().id + "'.", "id",
                    "in_use");
      for (const Account& key : found) {
        TRY_VOID(may_touch(call, key));
        TRY_VOID(t.remove(AccountKind::kKey, key.id));
        TRY_VOID(t.add_audit(row_of(call, key, R"({"with_user":true})")));
      }
    }
  }
  return {};
}

io::Task<Result<Answer>> remove(Call& call, AccountKind kind) {
  CO_TRY_VOID(co_await change(call, [&](AccountTransaction& t) -> Result<void> {
    TRY(Account account, visible(t, call, kind, call.object));
    TRY_VOID(may_touch(call, account));
    if (kind == AccountKind::kTenant && account.id == accounts::kFirstTenant)
      return fail(ErrorCode::kPermissionDenied, "The first tenant stays.", "id", "permission_denied");
    TRY_VOID(remove_within(t, call, account));
    TRY_VOID(t.remove(kind, account.id));
    return t.add_audit(row_of(call, account, changes(Account{}, account)));
  }));
  Answer answer;
  json::Writer w(answer.body);
  w.begin_object().member("id", call.object).member("deleted", true).end_object();
  co_return answer;
}

}  // namespace

// A key gets a second secret; the former one stays valid for the overlap, and of two former ones the older
// ends now.
template <>
io::Task<Result<Answer>> serve<Route::kKeysRotate>(Call& call) {
  CO_TRY(accounts::Accounts * accounts, call.accounts());
  CO_TRY(json::Document body, co_await call.read_body());
  int64_t overlap_s = 0;
  Fields fields(body);
  fields.read("overlap_s", overlap_s, 0, kOverlapMaxS);
  CO_TRY_VOID(fields.end());
  if (call.object.size() != accounts::kKeyIdBytes) co_return not_found("key", call.object);
  accounts::NewKey secret = accounts::make_key(call.loop.random(), accounts->options().env, call.object);
  int64_t now = now_ms(call);
  Account key;
  CO_TRY_VOID(co_await change(call, [&](AccountTransaction& t) -> Result<void> {
    TRY(key, visible(t, call, AccountKind::kKey, call.object));
    TRY_VOID(may_touch(call, key));
    if (key.revoked_unix_ms != 0)
      return fail(ErrorCode::kInvalidRequest, "This key is revoked.", "id", "key_revoked");
    std::optional<store::KeySecret> former;
    if (overlap_s > 0 && !key.secrets.empty()) former = key.secrets.back();
    key.secrets.clear();
    if (former) {
      former->expires_unix_ms = now + overlap_s * 1000;
      key.secrets.push_back(*former);
    }
    key.secrets.push_back({accounts->peppers().digest(secret.text.reveal()), accounts->peppers().current(),
                           secret.last4, now, 0});
    TRY_VOID(t.put(key));
    return t.add_audit(row_of(call, key, "{\"overlap_s\":" + std::to_string(overlap_s) + "}"));
  }));
  co_return with_secret(key, secret.text.reveal(), 200);
}

template <>
io::Task<Result<Answer>> serve<Route::kKeysRevoke>(Call& call) {
  Account key;
  CO_TRY_VOID(co_await change(call, [&](AccountTransaction& t) -> Result<void> {
    TRY(key, visible(t, call, AccountKind::kKey, call.object));
    TRY_VOID(may_touch(call, key));
    if (key.revoked_unix_ms != 0) return {};
    key.revoked_unix_ms = now_ms(call);
    TRY_VOID(t.put(key));
    return t.add_audit(row_of(call, key, "{}"));
  }));
  co_return shown(key);
}

#define WEIR_ACCOUNT_ROUTES(plural, kind)                                 \
  template <>                                                             \
  io::Task<Result<Answer>> serve<Route::k##plural##List>(Call & call) {   \
    return list(call, AccountKind::kind);                                 \
  }                                                                       \
  template <>                                                             \
  io::Task<Result<Answer>> serve<Route::k##plural##Create>(Call & call) { \
    return create(call, AccountKind::kind);                               \
  }                                                                       \
  template <>                                                             \
  io::Task<Result<Answer>> serve<Route::k##plural##Show>(Call & call) {   \
    return show(call, AccountKind::kind);                                 \
  }                                                                       \
  template <>                                                             \
  io::Task<Result<Answer>> serve<Route::k##plural##Update>(Call & call) { \
    return update(call, AccountKind::kind);                               \
  }                                                                       \
  template <>                                                             \
  io::Task<Result<Answer>> serve<Route::k##plural##Delete>(Call & call) { \
    return remove(call, AccountKind::kind);                               \
  }
WEIR_ACCOUNT_ROUTES(Tenants, kTenant)
WEIR_ACCOUNT_ROUTES(Teams, kTeam)
WEIR_ACCOUNT_ROUTES(Users, kUser)
WEIR_ACCOUNT_ROUTES(Keys, kKey)
#undef WEIR_ACCOUNT_ROUTES

}  // namespace weir::admin
