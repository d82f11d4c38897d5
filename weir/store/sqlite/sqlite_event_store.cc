#include "weir/store/sqlite/sqlite_event_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "weir/base/assert.h"
#include "weir/base/mutation.h"
#include "weir/store/segment.h"
#include "weir/store/sqlite/sqlite_ledger.h"

namespace weir::store::sqlite {
namespace {

constexpr int64_t kApplicationId = 0x77656972;  // "weir"
constexpr int64_t kSchema = 2, kFirstSchema = 1;

// The ids of segments are never used again (AUTOINCREMENT): who follows the file asks for ids above the last
// one seen. bytes stands last: whoever reads the columns before it reads no page of the bytes.
constexpr const char* kCreate = R"(
  CREATE TABLE replica (id TEXT NOT NULL, openings INTEGER NOT NULL);
  CREATE TABLE ring_position (ring TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE segment (
    id INTEGER PRIMARY KEY AUTOINCREMENT, ring TEXT NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL,
    events INTEGER NOT NULL, time_min INTEGER NOT NULL, time_max INTEGER NOT NULL, bytes BLOB NOT NULL);
  CREATE INDEX segment_time ON segment (time_max);
)";

// One call of expire() removes and gives back at most this much: about 50 ms of a worker, while rings fill.
constexpr uint64_t kExpireBytesMax = 64 << 20;
constexpr size_t kExpireSegmentsMax = 16384;

int64_t as_integer(uint64_t number) {
  return static_cast<int64_t>(number);
}

// Is this file ours? Absent tables show later, at the statement that wants them.
Result<void> check_schema(Database& db) {
  TRY(int64_t application, db.integer("PRAGMA application_id"));
  if (application != kApplicationId)
    return fail_internal(ErrorCode::kIo,
                         fmt::format("{} is a database of another program: not touched", db.path()));
  TRY(int64_t schema, db.integer("PRAGMA user_version"));
  if (schema < kFirstSchema || schema > kSchema)
    return fail_internal(ErrorCode::kIo, fmt::format("{} was written by another version of weir (schema {}, "
                                                     "this one knows {})",
                                                     db.path(), schema, kSchema));
  return {};
}

}  // namespace

// ----------------------------------------------------------------------------------- opening

Result<std::unique_ptr<SqliteEventStore>> SqliteEventStore::open(Options options) {
  TRY(auto db,
      Database::open({.path = options.path, .vfs = options.vfs, .busy_timeout = options.busy_timeout}));
  std::unique_ptr<SqliteEventStore> store(new SqliteEventStore(std::move(db), options.kept_from));
  TRY_VOID(store->set_up(options.replica));
  return store;
}

Result<void> SqliteEventStore::set_up(const std::string& replica) {
  TRY(int64_t pages, db_->integer("PRAGMA page_count"));
  TRY(int64_t version, db_->integer("PRAGMA schema_version"));
  bool fresh = pages == 0 || version == 0;
  if (!fresh) TRY_VOID(check_schema(*db_));
  // Properties of the file, which must stand before its first page. Pages of 16 KB: a batch of records is a
  // few hundred KB, and each page of it costs four system calls and an entry in a table of pages.
  if (fresh) TRY_VOID(db_->execute("PRAGMA page_size = 16384; PRAGMA auto_vacuum = INCREMENTAL"));
  {
    TRY(Statement mode, db_->prepare("PRAGMA journal_mode = WAL"));
    TRY(bool row, mode.step());
    if (!row || mode.text(0) != "wal")
      return fail_internal(ErrorCode::kIo,
                           fmt::format("cannot use {}: no write-ahead log on its disk", db_->path()));
  }
  TRY_VOID(
      db_->execute("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216; "
                   "PRAGMA wal_autocheckpoint = 256"));
  if (fresh) {
    TRY(Transaction whole, Transaction::begin(*db_));
    TRY(int64_t made, db_->integer("PRAGMA application_id"));  // by another process, meanwhile
    if (made == 0) {
      TRY_VOID(db_->execute(kCreate));
      TRY_VOID(create_ledger(*db_));
      TRY(Statement name, db_->prepare("INSERT INTO replica (id, openings) VALUES (?, 0)"));
      TRY_VOID(name.bind(1, replica).run());
      TRY_VOID(db_->execute(
          fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, kSchema)));
    }
    TRY_VOID(whole.commit());
    TRY_VOID(check_schema(*db_));
  }
  TRY_VOID(bring_up());
  {
    TRY(Statement id, db_->prepare("SELECT id FROM replica"));
    TRY(bool row, id.step());
    if (!row) return fail_internal(ErrorCode::kIo, fmt::format("{} is damaged: it has no name", db_->path()));
    replica_ = id.text(0);
  }
  // A process that was killed between writing the log and syncing it left a transaction that this one reads
  // as committed and a power cut would still take away. Nobody may free a ring's slots on that word: a commit
  // syncs the log, with all that stands before it. It has to change something, or SQLite writes nothing. (The
  // simulated disk found both.)
  return db_->execute("UPDATE replica SET openings = openings + 1");
}

// A file of an earlier schema: what is new is added, nothing else changes. The ledger begins now.
Result<void> SqliteEventStore::bring_up() {
  TRY(int64_t schema, db_->integer("PRAGMA user_version"));
  if (schema == kSchema) return {};
  TRY(Transaction whole, Transaction::begin(*db_));
  TRY_VOID(create_ledger(*db_));
  TRY_VOID(db_->execute(fmt::format("PRAGMA user_version = {}", kSchema)));
  return whole.commit();
}

Result<std::unique_ptr<Database>> open_events_for_reading(Database::Options options) {
  options.read_only = true;
  TRY(auto db, Database::open(std::move(options)));
  TRY_VOID(check_schema(*db));
  return db;
}

// ------------------------------------------------------------------------------------ storing

Result<uint64_t> SqliteEventStore::position(const std::string& ring) {
  TRY(Statement find, db_->prepare("SELECT next FROM ring_position WHERE ring = ?"));
  TRY(bool found, find.bind(1, ring).step());
  return found ? static_cast<uint64_t>(find.integer(0)) : 1;
}

namespace {

// The batch without what lies before `position`.
Result<EventBatch> cut(const EventBatch& batch, uint64_t position) {
  EventBatch rest = batch;
  SegmentReader reader(batch.bytes);
  while (rest.events > 0) {
    std::span<const std::byte> here = reader.rest();
    std::optional<SegmentEvent> event = reader.next();
    if (!event)
      return fail_internal(ErrorCode::kInternal,
                           fmt::format("a batch of ring {} holds fewer events than it says", batch.ring));
    if (event->sequence >= position) {
      rest.bytes = here;
      break;
    }
    --rest.events;
  }
  if (rest.events == 0) rest.bytes = {};
  rest.first = position;
  return rest;
}

}  // namespace

Result<void> SqliteEventStore::insert(const EventBatch& batch) {
  if (batch.events == 0) return {};  // nothing but damaged slots
  TRY(Statement into,
      db_->prepare("INSERT INTO segment (ring, first, next, events, time_min, time_max, bytes) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?)"));
  into.bind(1, batch.ring).bind(2, as_integer(batch.first)).bind(3, as_integer(batch.next));
  into.bind(4, as_integer(batch.events)).bind(5, batch.time_min_unix_ns).bind(6, batch.time_max_unix_ns);
  TRY_VOID(into.bind(7, batch.bytes).run());
  return add_to_ledger(*db_, batch);
}

Result<void> SqliteEventStore::set_position(const EventBatch& batch) {
  TRY(Statement set, db_->prepare("INSERT INTO ring_position (ring, next) VALUES (?, ?) "
                                  "ON CONFLICT (ring) DO UPDATE SET next = excluded.next"));
  return set.bind(1, batch.ring).bind(2, as_integer(batch.next)).run();
}

Result<void> SqliteEventStore::append(std::span<const EventBatch> batches) {
  TRY(Transaction whole, Transaction::begin(*db_));
  for (const EventBatch& batch : batches) {
    WEIR_ASSERT(batch.first <= batch.next);
    TRY(uint64_t at, position(batch.ring));
    if (batch.first > at)
      return fail_internal(ErrorCode::kInternal,
                           fmt::format("ring {} goes on at {} in {}, the batch begins at {}", batch.ring, at,
                                       db_->path(), batch.first));
    if (WEIR_MUTATE(kDrainTwice)) {
      TRY_VOID(insert(batch));
      continue;
    }
    if (batch.next <= at) continue;  // stored before, all of it
    TRY(EventBatch rest, cut(batch, at));
    TRY_VOID(insert(rest));
    TRY_VOID(set_position(rest));
  }
  TRY_VOID(whole.commit());
  if (WEIR_MUTATE(kDrainTwice)) {
    TRY(Transaction apart, Transaction::begin(*db_));
    for (const EventBatch& batch : batches)
      TRY_VOID(set_position(batch));
    TRY_VOID(apart.commit());
  }
  return {};
}

// ----------------------------------------------------------------------------------- expiring

// Removes the segments that `oldest` (id, events, bytes) gives, until `bytes_left` are used up. Events
// removed.
Result<uint64_t> SqliteEventStore::remove(Statement& oldest, uint64_t& bytes_left) {
  uint64_t removed = 0;
  std::vector<int64_t> ids;
  while (bytes_left > 0 && ids.size() < kExpireSegmentsMax) {
    TRY(bool row, oldest.step());
    if (!row) break;
    ids.push_back(oldest.integer(0));
    removed += static_cast<uint64_t>(oldest.integer(1));
    bytes_left -= std::min(bytes_left, static_cast<uint64_t>(oldest.integer(2)));
  }
  oldest.reset();
  if (ids.empty()) return 0;
  TRY(Transaction whole, Transaction::begin(*db_));
  TRY(Statement drop, db_->prepare("DELETE FROM segment WHERE id = ?"));
  for (int64_t id : ids)
    TRY_VOID(drop.bind(1, id).run());
  TRY_VOID(whole.commit());
  return removed;
}

Result<uint64_t> SqliteEventStore::expire(WallTime before, uint64_t bytes_max) {
  uint64_t bytes_left = kExpireBytesMax;
  int64_t end = kept_from_ ? kept_from_->load() : std::numeric_limits<int64_t>::max();
  TRY(Statement aged,
      db_->prepare("SELECT id, events, length(bytes) FROM segment WHERE time_max < ? AND id < ? "
                   "ORDER BY time_max"));
  TRY(uint64_t removed, remove(aged.bind(1, before.unix_ns).bind(2, end), bytes_left));

  TRY(int64_t page_bytes, db_->integer("PRAGMA page_size"));
  TRY(int64_t pages, db_->integer("PRAGMA page_count"));
  TRY(int64_t unused, db_->integer("PRAGMA freelist_count"));
  auto pages_max = static_cast<int64_t>(bytes_max / static_cast<uint64_t>(page_bytes));
  if (int64_t used = pages - unused; used > pages_max) {
    // Pages hold as little as half their size in segments, so the bytes of all pages that are too many may be
    // all that is kept: half of them, and the next call looks again.
    uint64_t wanted = std::min(bytes_left, static_cast<uint64_t>((used - pages_max) * page_bytes / 2));
    TRY(Statement first,
        db_->prepare("SELECT id, events, length(bytes) FROM segment WHERE id < ? ORDER BY id"));
    TRY(uint64_t more, remove(first.bind(1, end), wanted));
    removed += more;
  }
  if (pages > pages_max) {
    int64_t most = static_cast<int64_t>(kExpireBytesMax) / page_bytes;
    TRY_VOID(db_->execute(fmt::format("PRAGMA incremental_vacuum({})", std::min(pages - pages_max, most))));
  }
  return removed;
}

Result<uint64_t> SqliteEventStore::fold_ledger(WallTime before) {
  return sqlite::fold_ledger(*db_, before);
}

}  // namespace weir::store::sqlite
