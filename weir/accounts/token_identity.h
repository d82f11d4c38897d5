// The identity of a token's subject. Its issuer's word is who it is and what it may do; the accounts, where
// they know its tenant, team or user, may suspend it and limit it.
#pragma once

#include <memory>

#include "weir/accounts/directory.h"
#include "weir/accounts/jwt.h"
#include "weir/exchange/principal.h"

namespace weir::accounts {

/// `directory`: nullptr: no accounts are kept. Errors: kPermissionDenied (account_suspended).
Result<std::shared_ptr<const exchange::Identity>> identity_of(const TokenSubject& subject,
                                                              const Directory* directory);

}  // namespace weir::accounts
