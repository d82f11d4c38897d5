// weir tenants|teams|users|keys: the accounts of a running weir, over its control plane (docs/accounts.md).
//   weir keys list --tenant acme
//   weir keys create --name ci --tenant acme --role viewer --budget month=12.50
//   weir keys rotate 4fGh2kLm --overlap 86400
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "weir/app/admin_client.h"

namespace weir::app {

struct AccountsCommand {
  AdminAccess access;
  std::string kind;  // "tenants", "teams", "users", "keys"
  std::string verb;  // "list", "show", "create", "update", "rotate", "revoke", "delete"
  std::string object;
  bool json = false;  // the answer as it came
  // list: of these only; create: in these
  std::string tenant, team, user;
  // create, update: what is not given stays as it is
  std::string id, name, state, expires;
  std::vector<std::string> roles, models;  // one empty text: none
  std::vector<std::string> limits;         // "requests_per_minute=60", "usd_per_minute=0.50"
  std::vector<std::string> budgets;        // "month=12.50", "day=100000tokens"
  int64_t overlap_s = 0;                   // rotate
};

/// Blocks; the process's exit code: 0, or 1 and a sentence on standard error.
int run_accounts(const AccountsCommand& command);

}  // namespace weir::app
