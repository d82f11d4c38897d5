#include "weir/store/sqlite/sqlite_ledger_source.h"

#include <fmt/format.h>

#include "weir/store/sqlite/sqlite_event_store.h"

namespace weir::store::sqlite {

Result<std::unique_ptr<SqliteLedgerSource>> SqliteLedgerSource::open(Options options) {
  std::unique_ptr<SqliteLedgerSource> source(new SqliteLedgerSource(std::move(options)));
  const Options& o = source->options_;
  TRY(auto db, Database::open({.path = o.path, .vfs = o.vfs, .create = false}));
  TRY(Transaction whole, Transaction::begin(*db));
  TRY_VOID(
      db->execute("CREATE TABLE IF NOT EXISTS shared_ledger (file TEXT NOT NULL);"
                  "INSERT INTO shared_ledger SELECT lower(hex(randomblob(16))) "
                  "WHERE NOT EXISTS (SELECT 1 FROM shared_ledger)"));
  {
    TRY(Statement name, db->prepare("SELECT file FROM shared_ledger"));
    TRY(bool row, name.step());
    if (!row) return fail_internal(ErrorCode::kIo, fmt::format("{} has no name", o.path));
    source->file_ = name.text(0);
  }
  TRY_VOID(whole.commit());
  return source;
}

Result<LedgerPart> SqliteLedgerSource::read(std::optional<int64_t> after) {
  TRY(auto db, open_events_for_reading({.path = options_.path, .vfs = options_.vfs}));
  TRY_VOID(db->execute("BEGIN"));  // reads as of one moment
  LedgerPart part;
  part.after = after;
  // The highest number ever given: its segment may be gone.
  TRY(int64_t last, db->integer("SELECT seq FROM sqlite_sequence WHERE name = 'segment'"));
  if (!after) {
    part.segment = last;
    TRY_VOID(read_all(*db, part));
    return part;
  }
  if (*after > last)
    return fail_internal(
        ErrorCode::kIo,
        fmt::format("{} ends at segment {}, but {} are in the shared ledger: an older copy was put "
                    "in its place (docs/postgres.md)",
                    options_.path, last, *after));
  part.segment = *after;
  TRY_VOID(read_segments(*db, part));
  part.more = part.segment < last;
  return part;
}

Result<void> SqliteLedgerSource::read_all(Database& db, LedgerPart& part) const {
  std::string columns = fmt::format("hour, {}, price_version, {}", fmt::join(kLedgerTextNames, ", "),
                                    fmt::join(kLedgerSumNames, ", "));
  TRY(Statement rows, db.prepare(fmt::format("SELECT {} FROM ledger", columns)));
  for (size_t n = 0;; ++n) {
    TRY(bool there, rows.step());
    if (!there) return {};
    LedgerRow& row = part.rows[std::to_string(n)];
    int column = 0;
    row.hour = rows.integer(column++);
    for (std::string& text : row.texts)
      text = rows.text(column++);
    row.price_version = rows.integer(column++);
    for (int64_t& sum : row.sums)
      sum = rows.integer(column++);
  }
}

Result<void> SqliteLedgerSource::read_segments(Database& db, LedgerPart& part) const {
  TRY(Statement segments, db.prepare("SELECT id, events, bytes FROM segment WHERE id > ? ORDER BY id"));
  segments.bind(1, part.segment);
  for (int64_t events = 0; events < options_.events_max;) {
    TRY(bool there, segments.step());
    if (!there) return {};
    part.missing += segments.integer(0) - part.segment - 1;
    part.segment = segments.integer(0);
    events += segments.integer(1);
    add_to_rows(part.rows, segments.blob(2));
  }
  return {};
}

}  // namespace weir::store::sqlite
