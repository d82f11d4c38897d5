// Accounts as JSON objects of the control plane: what an answer shows, what a request may say. Money is a
// text of dollars; times are Unix milliseconds.
#pragma once

#include <span>
#include <string_view>

#include "weir/admin/fields.h"
#include "weir/base/json_write.h"
#include "weir/store/account_store.h"

namespace weir::admin {

/// The fields of its kind only; never a digest.
void write(json::Writer& w, const store::Account& account);
void write(json::Writer& w, const Limits& limits);

/// {"requests_per_minute": 60, "usd_per_minute": "0.50", "budgets": [{"period": "month", "usd": "12.50"}]};
/// null: none. What is not named is not limited.
void read_limits(Fields& fields, Limits& limits);

/// Takes every field that a request may hold, into `account`; those of the object that nobody sets are
/// refused. `creating`: tenant, team, user and id may be given too.
void read(Fields& fields, store::Account& account, bool creating, int64_t now_unix_ms);

}  // namespace weir::admin
