#include "weir/store/sqlite/sqlite_traffic_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "weir/store/segment.h"
#include "weir/store/sqlite/sqlite_event_store.h"

namespace weir::store::sqlite {
namespace {

using telemetry::Event;
using telemetry::EventText;

constexpr int64_t kApplicationId = 0x77697274;  // "wirt"
constexpr int64_t kSchema = 1;
constexpr std::string_view kOverflow = "__overflow__";

constexpr const char* kCreate = R"(
  CREATE TABLE taken (replica TEXT NOT NULL, segment INTEGER NOT NULL);
  CREATE TABLE traffic (
    level INTEGER NOT NULL, at INTEGER NOT NULL, tenant TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL,
    endpoint TEXT NOT NULL, sums BLOB NOT NULL,
    PRIMARY KEY (level, at, tenant, model, provider, endpoint)) WITHOUT ROWID;
)";

int64_t begin_of(int64_t second, Grain grain) {
  return second - second % seconds_of(grain);
}

std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}
std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool matches(const RequestFilter& f, const Event& e) {
  auto is = [&](const std::string& wanted, EventText which) {
    return wanted.empty() || e.text(which) == wanted;
  };
  return e.received_unix_ns >= f.from_unix_ns && e.received_unix_ns < f.to_unix_ns &&
         (!f.tenant || tenant_of(e) == *f.tenant) &&
         (is(f.model, EventText::kModel) || is(f.model, EventText::kModelAsked)) &&
         is(f.provider, EventText::kProvider) && is(f.key, EventText::kPrincipal) &&
         is(f.endpoint, EventText::kEndpoint) && is(f.reason, EventText::kReason) &&
         e.text(EventText::kRequestId).starts_with(f.id) && (!f.ending || ending_of(e) == *f.ending) &&
         (f.status == 0 || e.status == f.status) &&
         (f.slower_than_us == 0 || e.ended_us >= f.slower_than_us) &&
         (f.cost_min_nanodollars == 0 || e.cost_nanodollars >= f.cost_min_nanodollars) &&
         (!f.retried || e.attempts > 1) &&
         (!f.failed || (ending_of(e) != Ending::kOk && ending_of(e) != Ending::kLeft));
}

}  // namespace

// ----------------------------------------------------------------------------------- opening

Result<std::unique_ptr<Database>> SqliteTrafficStore::connect() const {
  TRY(auto db, Database::open({.path = options_.path, .vfs = options_.vfs}));
  TRY_VOID(db->execute("PRAGMA synchronous = NORMAL"));
  return db;
}

Result<std::unique_ptr<Database>> SqliteTrafficStore::events() const {
  return open_events_for_reading({.path = options_.events_path, .vfs = options_.vfs});
}

Result<std::unique_ptr<SqliteTrafficStore>> SqliteTrafficStore::open(Options options) {
  std::unique_ptr<SqliteTrafficStore> store(new SqliteTrafficStore(std::move(options)));
  TRY(auto db, store->connect());
  TRY(int64_t version, db->integer("PRAGMA schema_version"));
  if (version == 0) {
    {
      TRY(Statement mode, db->prepare("PRAGMA journal_mode = WAL"));
      TRY_VOID(mode.run());
    }
    TRY(Transaction whole, Transaction::begin(*db));
    TRY_VOID(db->execute(kCreate));
    TRY_VOID(db->execute(
        fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, kSchema)));
    TRY_VOID(whole.commit());
  }
  TRY(int64_t application, db->integer("PRAGMA application_id"));
  TRY(int64_t schema, db->integer("PRAGMA user_version"));
  if (application != kApplicationId || schema != kSchema)
    return fail_internal(ErrorCode::kIo,
                         fmt::format("{} is of another program or another version of weir: not touched",
                                     store->options_.path));
  store->held_ = std::move(db);
  return store;
}

// ------------------------------------------------------------------------------------ follow

Result<bool> SqliteTrafficStore::follow() {
  TRY(auto db, connect());
  TRY(auto from, events());
  std::string replica;
  {
    TRY(Statement id, from->prepare("SELECT id FROM replica"));
    TRY(bool row, id.step());
    if (row) replica = id.text(0);
  }
  int64_t taken = 0;
  {
    TRY(Statement last, db->prepare("SELECT segment FROM taken WHERE replica = ?"));
    TRY(bool row, last.bind(1, replica).step());
    if (row) taken = last.integer(0);
  }
  // events.db may have been removed and begun anew: its segments are counted from one again.
  TRY(int64_t newest, from->integer("SELECT coalesce(max(id), 0) FROM segment"));
  TRY(int64_t ever,
      from->integer("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'segment'"));
  if (ever < taken) taken = 0;
  if (newest <= taken) return false;

  Rows fine;
  int64_t last = taken;
  size_t read = 0;
  TRY(Statement segments, from->prepare("SELECT id, bytes FROM segment WHERE id > ? ORDER BY id LIMIT ?"));
  segments.bind(1, taken).bind(2, static_cast<int64_t>(options_.segments_max));
  for (;; ++read) {
    TRY(bool row, segments.step());
    if (!row) break;
    last = segments.integer(0);
    SegmentReader reader(segments.blob(1));
    while (auto stored = reader.next()) {
      auto event = telemetry::decode(stored->bytes);
      if (!event) continue;  // damaged; the table `events` says so, a chart goes on without it
      TrafficKey key{std::string(tenant_of(*event)), std::string(event->text(EventText::kModel)),
                     std::string(event->text(EventText::kProvider)),
                     std::string(event->text(EventText::kEndpoint))};
      int64_t begin = begin_of(event->received_unix_ns / 1'000'000'000, Grain::kTenSeconds);
      auto at = fine.find({begin, key});
      if (at == fine.end()) {
        if (++keys_[begin] > options_.keys_max) key = {key.tenant, std::string(kOverflow), "", ""};
        at = fine.try_emplace({begin, std::move(key)}).first;
      }
      at->second.add(*event);
    }
  }
  while (keys_.size() > 720)
    keys_.erase(keys_.begin());
  TRY(Transaction whole, Transaction::begin(*db));
  for (Grain grain : {Grain::kTenSeconds, Grain::kMinute, Grain::kHour}) {
    Rows coarse;
    for (const auto& [row, sums] : fine)
      coarse[{begin_of(row.first, grain), row.second}].add(sums);
    TRY_VOID(merge(*db, coarse, grain));
  }
  TRY_VOID(db->execute("DELETE FROM taken"));
  TRY(Statement note, db->prepare("INSERT INTO taken (replica, segment) VALUES (?, ?)"));
  TRY_VOID(note.bind(1, replica).bind(2, last).run());
  TRY_VOID(whole.commit());
  return read == options_.segments_max;
}

Result<void> SqliteTrafficStore::merge(Database& db, const Rows& rows, Grain grain) {
  int64_t level = seconds_of(grain);
  TRY(Statement find, db.prepare("SELECT sums FROM traffic WHERE level = ? AND at = ? AND tenant = ? AND "
                                 "model = ? AND provider = ? AND endpoint = ?"));
  TRY(Statement put, db.prepare("INSERT OR REPLACE INTO traffic (level, at, tenant, model, provider, "
                                "endpoint, sums) VALUES (?, ?, ?, ?, ?, ?, ?)"));
  for (const auto& [row, added] : rows) {
    const auto& [at, key] = row;
    Sums sums = added;
    find.bind(1, level).bind(2, at).bind(3, key.tenant).bind(4, key.model).bind(5, key.provider);
    TRY(bool there, find.bind(6, key.endpoint).step());
    if (there) {
      auto before = Sums::from(as_text(find.blob(0)));
      if (!before) return fail_internal(ErrorCode::kIo, fmt::format("{} is damaged", db.path()));
      sums.add(*before);
      find.reset();
    }
    std::string bytes = sums.bytes();
    put.bind(1, level).bind(2, at).bind(3, key.tenant).bind(4, key.model).bind(5, key.provider);
    TRY_VOID(put.bind(6, key.endpoint).bind(7, as_bytes(bytes)).run());
  }
  return {};
}

Result<void> SqliteTrafficStore::expire(Grain grain, int64_t before_s) {
  TRY(auto db, connect());
  TRY(Statement drop, db->prepare("DELETE FROM traffic WHERE level = ? AND at < ?"));
  return drop.bind(1, seconds_of(grain)).bind(2, before_s).run();
}

// ----------------------------------------------------------------------------------- queries

namespace {

// Conditions that do not matter are left out: SQLite plans for what is there.
Result<Statement> select(Database& db, const TrafficQuery& q, std::string_view columns,
                         std::string_view end) {
  std::string sql = fmt::format("SELECT {} FROM traffic WHERE level = ? AND at >= ? AND at < ?", columns);
  if (q.tenant) sql += " AND tenant = ?";
  if (!q.model.empty()) sql += " AND model = ?";
  if (!q.provider.empty()) sql += " AND provider = ?";
  if (!q.endpoint.empty()) sql += " AND endpoint = ?";
  TRY(Statement rows, db.prepare(sql.append(end)));
  int at = 0;
  rows.bind(++at, seconds_of(q.grain)).bind(++at, q.from_s).bind(++at, q.to_s);
  if (q.tenant) rows.bind(++at, *q.tenant);
  for (const std::string* text : {&q.model, &q.provider, &q.endpoint})
    if (!text->empty()) rows.bind(++at, *text);
  return rows;
}

}  // namespace

Result<uint64_t> SqliteTrafficStore::rows(const TrafficQuery& q, uint64_t max) {
  TRY(auto db, connect());
  TRY(Statement rows, select(*db, q, "1", fmt::format(" LIMIT {}", max)));
  for (uint64_t count = 0;; ++count) {
    TRY(bool row, rows.step());
    if (!row) return count;
  }
}

Result<void> SqliteTrafficStore::sums(const TrafficQuery& q, const VisitSums& visit) {
  TRY(auto db, connect());
  TRY(Statement rows, select(*db, q, "at, tenant, model, provider, endpoint, sums", " ORDER BY at"));
  for (;;) {
    TRY(bool row, rows.step());
    if (!row) return {};
    auto sums = Sums::from(as_text(rows.blob(5)));
    if (!sums) return fail_internal(ErrorCode::kIo, fmt::format("{} is damaged", db->path()));
    visit(rows.integer(0),
          {std::string(rows.text(1)), std::string(rows.text(2)), std::string(rows.text(3)),
           std::string(rows.text(4))},
          *sums);
  }
}

Result<RequestPage> SqliteTrafficStore::requests(const RequestFilter& filter, const VisitRequest& visit) {
  TRY(auto db, events());
  RequestPage page;
  size_t found = 0;
  int64_t top = filter.below ? filter.below->segment : std::numeric_limits<int64_t>::max();
  TRY(Statement segments,
      db->prepare("SELECT id, bytes FROM segment WHERE id <= ? AND time_max >= ? AND time_min < ? "
                  "ORDER BY id DESC"));
  segments.bind(1, top).bind(2, filter.from_unix_ns).bind(3, filter.to_unix_ns);
  std::vector<std::span<const std::byte>> events;
  for (;;) {
    TRY(bool row, segments.step());
    if (!row) return page;
    int64_t segment = segments.integer(0);
    SegmentReader reader(segments.blob(1));
    events.clear();
    while (auto stored = reader.next())
      events.push_back(stored->bytes);
    page.scanned += events.size();
    auto index = static_cast<int64_t>(events.size());
    if (filter.below && filter.below->segment == segment) index = std::min(index, filter.below->index);
    while (index-- > 0) {
      auto event = telemetry::decode(events[static_cast<size_t>(index)]);
      if (!event || !matches(filter, *event)) continue;
      visit({segment, index}, *event);
      if (++found < filter.limit) continue;
      page.next = {segment, index};
      return page;
    }
    if (page.scanned >= filter.scan_max) {
      page.next = {segment, 0};
      page.stopped = true;
      return page;
    }
  }
}

Result<bool> SqliteTrafficStore::request(RequestPlace place, const VisitRequest& visit) {
  TRY(auto db, events());
  TRY(Statement find, db->prepare("SELECT bytes FROM segment WHERE id = ?"));
  TRY(bool row, find.bind(1, place.segment).step());
  if (!row) return false;
  SegmentReader reader(find.blob(0));
  for (int64_t index = 0; auto stored = reader.next(); ++index) {
    if (index != place.index) continue;
    auto event = telemetry::decode(stored->bytes);
    if (!event) return false;
    visit(place, *event);
    return true;
  }
  return false;
}

}  // namespace weir::store::sqlite
