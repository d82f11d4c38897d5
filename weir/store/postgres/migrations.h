// The schema of weir in PostgreSQL, as numbered steps that only go forward. A step is never changed once it
// was released; what comes later is a step of its own. Applied at the start, all that are missing in one
// transaction, by one starter at a time (a lock that ends with the transaction). A step names the oldest weir
// that may go on beside it: a replica of an older version that finds a later schema runs when that one allows
// it, and says that it does; else it refuses to start and touches nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "weir/base/result.h"
#include "weir/store/postgres/database.h"

namespace weir::store::postgres {

struct Migration {
  /// A weir that knows this many steps may work with the schema once this one is applied. A step that only
  /// adds (tables, columns with a default, indexes) names the step before the first thing that it builds on.
  int64_t works_from;
  /// Statements, "@." for the schema.
  const char* sql;
};

/// Those of this weir.
std::span<const Migration> migrations();

struct Migrated {
  int64_t schema = 0;   // steps that are applied now
  int64_t applied = 0;  // of them: now
  bool later = false;   // a later weir's: this one goes on beside it
};

/// Brings the schema to what `steps` make. Also looks whether row-level security holds for this role: a
/// superuser or one with BYPASSRLS passes over it and is refused. Errors: kConfig (such a role, a schema of a
/// later weir), and the database's.
Result<Migrated> migrate(Database& db, std::span<const Migration> steps = migrations());

}  // namespace weir::store::postgres
