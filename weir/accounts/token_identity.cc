#include "weir/accounts/token_identity.h"

#include "weir/accounts/permission.h"

namespace weir::accounts {

Result<std::shared_ptr<const exchange::Identity>> identity_of(const TokenSubject& subject,
                                                              const Directory* directory) {
  auto identity = std::make_shared<exchange::Identity>();
  identity->name = subject.user;
  identity->tenant = subject.tenant;
  identity->team = subject.team;
  identity->user = subject.user;
  identity->roles = subject.roles;
  // As the configuration's keys: who is of no tenant stands above them, as its roles say.
  identity->permissions =
      permissions_of(subject.roles, subject.tenant.empty() || subject.tenant == kFirstTenant);
  identity->models = subject.issuer->models;
  if (!directory || subject.tenant.empty()) return identity;
  bool suspended = false;
  for (auto [kind, id] : {std::pair{store::AccountKind::kUser, &subject.user},
                          {store::AccountKind::kTeam, &subject.team},
                          {store::AccountKind::kTenant, &subject.tenant}})
    if (!id->empty()) {
      Directory::Scope scope = directory->scope(kind, subject.tenant, *id);
      suspended = suspended || scope.suspended;
      if (scope.meter) identity->meters.push_back(std::move(scope.meter));
    }
  if (suspended)
    return fail(ErrorCode::kPermissionDenied, "The account of this token is suspended.", {},
                "account_suspended");
  return identity;
}

}  // namespace weir::accounts
