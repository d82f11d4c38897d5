#include "weir/admin/grants.h"

#include <algorithm>

#include "weir/accounts/permission.h"

namespace weir::admin {

using accounts::Permission;
using store::Account;
using store::AccountKind;

namespace {

Unexpected denied(std::string sentence, std::string param = {}) {
  return fail(ErrorCode::kPermissionDenied, std::move(sentence), std::move(param), "permission_denied");
}

accounts::Permissions permissions_of(const Account& a) {
  return accounts::permissions_of(a.roles, a.tenant == accounts::kFirstTenant);
}

// Does the caller manage everybody's accounts of this kind, or its own keys only?
bool manages(const Call& call, AccountKind kind) {
  switch (kind) {
    case AccountKind::kTenant:
      return call.permits(Permission::kTenantsWrite);
    case AccountKind::kKey:
      return call.permits(Permission::kKeysWrite);
    default:
      return call.permits(Permission::kPeopleWrite);
  }
}

bool owns(const Call& call, const Account& key) {
  return call.permits(Permission::kOwnKeys) && key.kind == AccountKind::kKey && !key.user.empty() &&
         key.user == call.caller.identity->user && key.tenant == call.caller.tenant();
}

// Is everything that `pattern` matches matched by one of the granter's?
bool covered(const std::vector<std::string>& granters, const std::string& pattern) {
  return granters.empty() || std::ranges::any_of(granters, [&](const std::string& g) {
           return g == pattern || (g.ends_with('*') && pattern.starts_with(g.substr(0, g.size() - 1)));
         });
}

Result<void> check_models(const Call& call, const Account& key) {
  const std::vector<std::string>& mine = call.caller.identity->models;
  if (mine.empty()) return {};
  if (key.models.empty()) return denied("Your key is limited to models: name the new key's.", "models");
  for (const std::string& pattern : key.models)
    if (!covered(mine, pattern)) return denied("You may not grant the model '" + pattern + "'.", "models");
  return {};
}

// A key with limits could free itself of them by making keys.
Result<void> check_limits(store::AccountTransaction& t, const Call& call, const Account* before,
                          const Account& after) {
  if (call.permits(Permission::kLimitsWrite)) return {};
  if (before) {
    if (before->limits != after.limits) return denied("Your roles do not permit changing limits.", "limits");
    return {};
  }
  const exchange::Identity& me = *call.caller.identity;
  Limits mine;
  if (!me.key.empty()) {
    TRY(auto key, t.find(AccountKind::kKey, me.key));
    if (key) mine = key->limits;
  } else {
    for (const ClientKeySettings& key : call.world.settings->auth.keys)
      if (key.name == me.name) mine = key.limits;
  }
  if (mine.any() && after.kind == AccountKind::kKey)
    return denied("A key with limits of its own makes no others.", "limits");
  return {};
}

Result<void> check_places(store::AccountTransaction& t, const Account& a) {
  auto there = [&](AccountKind kind, const std::string& id) -> Result<void> {
    if (id.empty()) return {};
    TRY(auto found, t.find(kind, id));
    if (!found || found->tenant != a.tenant)
      return fail(ErrorCode::kInvalidRequest,
                  "There is no " + std::string(name(kind)) + " '" + id + "' in this tenant.",
                  std::string(name(kind)), std::string(name(kind)) + "_not_found");
    return {};
  };
  if (a.kind != AccountKind::kTenant) TRY_VOID(there(AccountKind::kTenant, a.tenant));
  TRY_VOID(there(AccountKind::kTeam, a.team));
  return there(AccountKind::kUser, a.user);
}

}  // namespace

Result<Account> visible(store::AccountTransaction& t, const Call& call, AccountKind kind,
                        std::string_view id) {
  TRY(auto found, t.find(kind, id));
  bool seen = found && call.sees(found->tenant);
  if (seen && kind == AccountKind::kKey)
    seen = call.permits(Permission::kKeysRead) || call.permits(Permission::kKeysWrite) ||
           call.permits(Permission::kLimitsWrite) || owns(call, *found);
  if (!seen) return not_found(name(kind), id);
  return *std::move(found);
}

Result<void> may_touch(const Call& call, const Account& account) {
  if (!call.sees(account.tenant)) return denied("This is another tenant's.", "tenant");
  if (!accounts::within(permissions_of(account), call.caller.permissions()))
    return denied("This account may do more than you.", "id");
  if (manages(call, account.kind) || owns(call, account)) return {};
  return denied("Your roles do not permit this.");
}

Result<void> may_make(store::AccountTransaction& t, const Call& call, const Account* before,
                      const Account& after) {
  if (!call.sees(after.tenant)) return denied("You may not act in this tenant.", "tenant");
  bool managed = manages(call, after.kind) || owns(call, before ? *before : after);
  if (before && !managed) {  // who may change limits only, changes nothing else
    Account with_limits = *before;
    with_limits.limits = after.limits;
    if (call.permits(Permission::kLimitsWrite) && with_limits == after) return {};
    return denied("Your roles permit changing limits at most.");
  }
  if (!accounts::within(permissions_of(after), call.caller.permissions()))
    return denied("You may not grant roles that permit more than yours.", "roles");
  if (!managed) return denied("Your roles permit keys of your own user only.", "user");
  if (before) TRY_VOID(may_touch(call, *before));
  if (before && before->suspended && !after.suspended && !manages(call, after.kind))
    return denied("Whoever suspended this key must bring it back.", "state");
  if (after.kind == AccountKind::kKey) TRY_VOID(check_models(call, after));
  TRY_VOID(check_limits(t, call, before, after));
  return check_places(t, after);
}

}  // namespace weir::admin
