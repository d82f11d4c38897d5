// What people and programs may do besides calling models. A role is a name for a set of permissions, fixed
// here: no role can be made to mean more. What is not permitted is denied; whoever grants a role holds every
// permission of it. Written in accounts, in auth.keys[].roles and in what token issuers say. Values; all of
// it is worked out by the compiler.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::accounts {

enum class Permission : uint8_t {
  kTenantsRead,
  kTenantsWrite,  // make, rename, suspend and delete tenants
  kPeopleRead,    // teams, users
  kPeopleWrite,
  kKeysRead,
  kKeysWrite,    // everybody's keys of the tenant
  kOwnKeys,      // keys of one's own user, which can do no more than one's own key
  kLimitsWrite,  // rates and budgets of keys, users, teams, tenants
  kAuditRead,
  kUsageRead,     // money and tokens: budgets, the ledger
  kOverviewRead,  // charts, models and their health, live figures
  kRequestsRead,  // single requests, without their content
  kConfigRead,    // the configuration, secrets masked
  kConfigCheck,
  kAllTenants,  // what the other permissions allow, in every tenant
  kOwnership,   // give and take the role owner
  kCount,
};

using Permissions = uint64_t;  // bit n: the permission of number n

constexpr Permissions mask(Permission permission) {
  return Permissions{1} << static_cast<unsigned>(permission);
}
template <class... More>
constexpr Permissions mask(Permission first, More... more) {
  return mask(first) | mask(more...);
}
constexpr bool permits(Permissions held, Permission wanted) {
  return (held & mask(wanted)) != 0;
}
/// Nothing in `granted` that `granter` does not hold.
constexpr bool within(Permissions granted, Permissions granter) {
  return (granted & ~granter) == 0;
}

inline constexpr auto kPermissionNames = std::to_array<std::string_view>(
    {"tenants.read", "tenants.write", "people.read", "people.write", "keys.read", "keys.write", "keys.own",
     "limits.write", "audit.read", "usage.read", "overview.read", "requests.read", "config.read",
     "config.check", "tenants.all", "ownership"});
static_assert(kPermissionNames.size() == static_cast<size_t>(Permission::kCount));
constexpr std::string_view name(Permission permission) {
  return kPermissionNames[static_cast<size_t>(permission)];
}

struct Role {
  std::string_view name;
  Permissions permissions;
  /// Of the installation's first tenant: acts in every tenant.
  bool everywhere;
};

namespace detail {
using enum Permission;
inline constexpr Permissions kSeeing =
    mask(kTenantsRead, kPeopleRead, kUsageRead, kOverviewRead, kRequestsRead);
inline constexpr Permissions kAdministering =
    kSeeing | mask(kPeopleWrite, kKeysRead, kKeysWrite, kOwnKeys, kLimitsWrite, kAuditRead, kConfigRead,
                   kConfigCheck, kTenantsWrite);
}  // namespace detail

/// owner: everything. admin: everything but owners. operator: keeps it running, changes no account.
/// developer: sees its tenant, makes its own keys. service: calls models, nothing else. viewer: sees.
/// auditor: sees, and the audit log; changes nothing. billing: sees money, sets budgets.
inline constexpr auto kRoles = std::to_array<Role>({
    {"owner", detail::kAdministering | mask(Permission::kOwnership), true},
    {"admin", detail::kAdministering, true},
    {"operator",
     detail::kSeeing | mask(Permission::kKeysRead, Permission::kConfigRead, Permission::kConfigCheck), true},
    {"developer",
     mask(Permission::kOwnKeys, Permission::kUsageRead, Permission::kOverviewRead, Permission::kRequestsRead),
     false},
    {"service", 0, false},
    {"viewer", detail::kSeeing, true},
    {"auditor",
     detail::kSeeing | mask(Permission::kKeysRead, Permission::kAuditRead, Permission::kConfigRead), true},
    {"billing",
     mask(Permission::kTenantsRead, Permission::kPeopleRead, Permission::kUsageRead,
          Permission::kLimitsWrite),
     true},
});

/// nullptr: there is no such role.
constexpr const Role* role(std::string_view name) {
  for (const Role& r : kRoles)
    if (r.name == name) return &r;
  return nullptr;
}

/// What the roles permit together; names that are no roles permit nothing. `first_tenant`: of the tenant that
/// the installation began with, or of none (the configuration's keys).
constexpr Permissions permissions_of(std::span<const std::string> roles, bool first_tenant) {
  Permissions held = 0;
  for (const std::string& r : roles)
    if (const Role* known = role(r)) {
      held |= known->permissions;
      if (known->everywhere && first_tenant) held |= mask(Permission::kAllTenants);
    }
  return held;
}

/// The tenant that the installation began with: its people with roles that act everywhere do so.
inline constexpr std::string_view kFirstTenant = "default";

}  // namespace weir::accounts
