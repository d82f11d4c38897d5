// `weir budgets`: every budget of a running weir and what is spent of it, from its admin API.
#pragma once

#include "weir/app/admin_client.h"

namespace weir::app {

struct BudgetsCommand {
  AdminAccess access;
  std::string tenant;  // empty: the key's own, or all
  bool json = false;
};
/// Blocks; the process's exit code.
int run_budgets(const BudgetsCommand& command);

}  // namespace weir::app
