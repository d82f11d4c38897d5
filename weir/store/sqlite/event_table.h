// The SQL table `events`: every stored event as a row, read from the segments as they lie in the file
// (nothing is kept twice). A virtual table of SQLite, eponymous and read-only. Bounds on received_unix_ns,
// time and segment skip the segments that cannot hold such a row; everything else is decoded and looked at,
// about a million rows a second.
//   SELECT model, count(*), sum(output_tokens) FROM events WHERE time >= '2026-11-21' GROUP BY model
#pragma once

#include <span>
#include <string_view>

#include "weir/store/sqlite/database.h"

namespace weir::store::sqlite {

/// Adds the table to a connection that open_events_for_reading() made, and takes from it everything that is
/// not reading: whatever SQL is given to it from now on, the file and the rest of the disk stay as they are.
Result<void> add_event_table(Database& db);

struct EventColumn {
  std::string_view name;
  std::string_view type;  // TEXT or INTEGER
};
/// The table's columns in their order, the hidden ones left out.
std::span<const EventColumn> event_columns();

}  // namespace weir::store::sqlite
