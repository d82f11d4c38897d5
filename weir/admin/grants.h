// Grants: what one caller may hand on to an account, and whose accounts it may touch. Nobody gives what it
// does not hold: roles, models, other tenants, freedom from its own limits; nobody touches an account that
// may do more than itself (who could rotate an owner's key would be one). Pure.
#pragma once

#include "weir/admin/call.h"
#include "weir/store/account_store.h"

namespace weir::admin {

/// The account, where the caller may see it. Errors: kNotFound.
Result<store::Account> visible(store::AccountTransaction& t, const Call& call, store::AccountKind kind,
                               std::string_view id);

/// May the caller change this account as it is? Errors: kPermissionDenied.
Result<void> may_touch(const Call& call, const store::Account& account);

/// May the caller make `after` of `before` (nullptr: make it anew)? Looks up what both name. Errors:
/// kPermissionDenied; kInvalidRequest: a tenant, team or user that is not there.
Result<void> may_make(store::AccountTransaction& t, const Call& call, const store::Account* before,
                      const store::Account& after);

}  // namespace weir::admin
