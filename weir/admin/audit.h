// The audit log as the control plane writes it: who did what to which object, in the transaction that does
// it; what was refused, on its own.
#pragma once

#include <string>
#include <string_view>

#include "weir/admin/call.h"
#include "weir/store/account_store.h"

namespace weir::admin {

/// "keys.rotate" of the row KeysRotate.
std::string action_of(const Row& row);

/// The call's row of the audit log; the caller fills in object, tenant and detail.
store::AuditRow audit_row(const Call& call);

/// {"changed":["name","limits"]}: which fields differ.
std::string changes(const store::Account& before, const store::Account& after);

}  // namespace weir::admin
