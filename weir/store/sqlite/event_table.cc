#include "weir/store/sqlite/event_table.h"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "weir/base/time_text.h"
#include "weir/store/segment.h"
#include "weir/telemetry/event.h"

namespace weir::store::sqlite {
namespace {

using telemetry::Event;
using telemetry::EventText;

// ----------------------------------------------------------------------------------- columns

struct Row {
  std::string_view replica;
  std::string_view ring;
  int64_t segment = 0;
  uint64_t sequence = 0;
  Event event;
};

void put(sqlite3_context* to, std::string_view text) {
  sqlite3_result_text64(to, text.data() ? text.data() : "", text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}
void put(sqlite3_context* to, int64_t number) {
  sqlite3_result_int64(to, number);
}
// Without a value there is no row in an average.
void put_known(sqlite3_context* to, int64_t number) {
  if (number >= 0) put(to, number);
}
template <EventText Which>
void put_text(sqlite3_context* to, const Row& row) {
  std::string_view text = row.event.text(Which);
  if (!text.empty()) put(to, text);
}
template <auto Member>
void put_number(sqlite3_context* to, const Row& row) {
  put(to, static_cast<int64_t>(row.event.*Member));
}
template <auto Member>
void put_known_number(sqlite3_context* to, const Row& row) {
  put_known(to, row.event.*Member);
}

// A part of a cost that is known.
template <auto Member>
void put_priced(sqlite3_context* to, const Row& row) {
  if (row.event.cost_nanodollars >= 0 && row.event.price_version != 0)
    put(to, static_cast<int64_t>(row.event.*Member));
}

struct Column {
  EventColumn shown;
  void (*put)(sqlite3_context*, const Row&);  // leaves it alone: NULL
};

constexpr auto kColumns = std::to_array<Column>({
    {{"time", "TEXT"},
     [](sqlite3_context* to, const Row& r) { put(to, rfc3339(WallTime{r.event.received_unix_ns})); }},
    {{"request_id", "TEXT"}, put_text<EventText::kRequestId>},
    {{"principal", "TEXT"}, put_text<EventText::kPrincipal>},
    {{"operation", "TEXT"}, put_text<EventText::kOperation>},
    {{"model_asked", "TEXT"}, put_text<EventText::kModelAsked>},
    {{"model", "TEXT"}, put_text<EventText::kModel>},
    {{"provider", "TEXT"}, put_text<EventText::kProvider>},
    {{"provider_model", "TEXT"}, put_text<EventText::kProviderModel>},
    {{"endpoint", "TEXT"}, put_text<EventText::kEndpoint>},
    {{"status", "INTEGER"}, put_number<&Event::status>},
    {{"outcome", "TEXT"}, put_text<EventText::kOutcome>},
    {{"reason", "TEXT"}, put_text<EventText::kReason>},
    {{"input_tokens", "INTEGER"}, put_known_number<&Event::input_tokens>},
    {{"output_tokens", "INTEGER"}, put_known_number<&Event::output_tokens>},
    {{"cached_input_tokens", "INTEGER"}, put_known_number<&Event::cached_input_tokens>},
    {{"reasoning_tokens", "INTEGER"}, put_known_number<&Event::reasoning_tokens>},
    {{"cost_nanodollars", "INTEGER"}, put_known_number<&Event::cost_nanodollars>},
    {{"parsed_us", "INTEGER"}, put_known_number<&Event::parsed_us>},
    {{"connected_us", "INTEGER"}, put_known_number<&Event::connected_us>},
    {{"first_byte_us", "INTEGER"}, put_known_number<&Event::first_byte_us>},
    {{"first_token_us", "INTEGER"}, put_known_number<&Event::first_token_us>},
    {{"ended_us", "INTEGER"}, put_known_number<&Event::ended_us>},
    {{"request_bytes", "INTEGER"}, put_number<&Event::request_bytes>},
    {{"answer_bytes", "INTEGER"}, put_number<&Event::answer_bytes>},
    {{"stream_events", "INTEGER"}, put_number<&Event::stream_events>},
    {{"streamed", "INTEGER"}, put_number<&Event::streamed>},
    {{"attempts", "INTEGER"}, put_number<&Event::attempts>},
    {{"class", "TEXT"},
     [](sqlite3_context* to, const Row& r) {
       put(to,
           std::string_view(r.event.event_class == telemetry::EventClass::kUsage ? "usage" : "telemetry"));
     }},
    {{"peer", "TEXT"}, put_text<EventText::kPeer>},
    {{"texts_cut", "INTEGER"}, put_number<&Event::texts_cut>},
    {{"received_unix_ns", "INTEGER"}, put_number<&Event::received_unix_ns>},
    {{"replica", "TEXT"}, [](sqlite3_context* to, const Row& r) { put(to, r.replica); }},
    {{"ring", "TEXT"}, [](sqlite3_context* to, const Row& r) { put(to, r.ring); }},
    {{"sequence", "INTEGER"},
     [](sqlite3_context* to, const Row& r) { put(to, static_cast<int64_t>(r.sequence)); }},
    // Since the third version of an event; the table only grows.
    {{"tenant", "TEXT"}, put_text<EventText::kTenant>},
    {{"team", "TEXT"}, put_text<EventText::kTeam>},
    {{"user", "TEXT"}, put_text<EventText::kUser>},
    {{"key", "TEXT"}, put_text<EventText::kKey>},
    {{"agent", "TEXT"}, put_text<EventText::kAgent>},
    {{"run", "TEXT"}, put_text<EventText::kRun>},
    {{"tag", "TEXT"}, put_text<EventText::kTag>},
    {{"cache_write_tokens", "INTEGER"}, put_known_number<&Event::cache_write_tokens>},
    {{"cache_write_1h_tokens", "INTEGER"}, put_known_number<&Event::cache_write_1h_tokens>},
    {{"input_nanodollars", "INTEGER"}, put_priced<&Event::input_nanodollars>},
    {{"cache_read_nanodollars", "INTEGER"}, put_priced<&Event::cache_read_nanodollars>},
    {{"cache_write_nanodollars", "INTEGER"}, put_priced<&Event::cache_write_nanodollars>},
    {{"price_version", "INTEGER"}, put_priced<&Event::price_version>},
    {{"usage_estimated", "INTEGER"}, put_number<&Event::usage_estimated>},
    {{"begun_by", "TEXT"}, put_text<EventText::kBegunBy>},
    // Hidden, the last one: which segment it lies in; they are numbered in the order of storing.
    {{"segment", "INTEGER HIDDEN"}, [](sqlite3_context* to, const Row& r) { put(to, r.segment); }},
});

constexpr int column_of(std::string_view name) {
  for (size_t i = 0; i < kColumns.size(); ++i)
    if (kColumns[i].shown.name == name) return static_cast<int>(i);
  return -1;
}
constexpr int kTime = column_of("time");
constexpr int kReceived = column_of("received_unix_ns");
constexpr int kSegment = column_of("segment");

constexpr auto kShown = [] {
  std::array<EventColumn, kColumns.size() - 1> shown;
  for (size_t i = 0; i < shown.size(); ++i)
    shown[i] = kColumns[i].shown;
  return shown;
}();

// ------------------------------------------------------------------------------------ bounds

// What a WHERE says about a segment: closed ranges.
struct Bounds {
  static constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  int64_t time_min = kMin, time_max = kMax;
  int64_t segment_min = kMin, segment_max = kMax;
};

bool is_lower(int op) {
  return op == SQLITE_INDEX_CONSTRAINT_GT || op == SQLITE_INDEX_CONSTRAINT_GE ||
         op == SQLITE_INDEX_CONSTRAINT_EQ;
}
bool is_upper(int op) {
  return op == SQLITE_INDEX_CONSTRAINT_LT || op == SQLITE_INDEX_CONSTRAINT_LE ||
         op == SQLITE_INDEX_CONSTRAINT_EQ;
}

// Narrows by `column op value`; may leave it wider than the condition, SQLite looks at every row again.
void narrow(Bounds& bounds, int column, int op, sqlite3_value* value) {
  int64_t low, high;
  if (column == kTime) {
    if (sqlite3_value_type(value) != SQLITE_TEXT) return;
    auto at = parse_time({reinterpret_cast<const char*>(sqlite3_value_text(value)),
                          static_cast<size_t>(sqlite3_value_bytes(value))});
    if (!at) return;
    low = at->unix_ns;
    high = low + 999'999;  // the column shows whole milliseconds
  } else {
    if (sqlite3_value_type(value) != SQLITE_INTEGER) return;
    low = high = sqlite3_value_int64(value);
    if (op == SQLITE_INDEX_CONSTRAINT_GT && low < Bounds::kMax) ++low;
    if (op == SQLITE_INDEX_CONSTRAINT_LT && high > Bounds::kMin) --high;
  }
  int64_t& min = column == kSegment ? bounds.segment_min : bounds.time_min;
  int64_t& max = column == kSegment ? bounds.segment_max : bounds.time_max;
  if (is_lower(op)) min = std::max(min, low);
  if (is_upper(op)) max = std::min(max, high);
}

// ------------------------------------------------------------------------- the virtual table

struct Table : sqlite3_vtab {
  Database* db = nullptr;
  std::string replica;

  int fail(const Error& error) {
    sqlite3_free(zErrMsg);
    zErrMsg = sqlite3_mprintf("%s", error.message.c_str());
    return SQLITE_ERROR;
  }
};

struct Cursor : sqlite3_vtab_cursor {
  std::optional<Statement> segments;
  bool end = true;
  SegmentReader reader{{}};
  int64_t index = 0;  // in the segment
  Row row;

  Table& table() { return *static_cast<Table*>(pVtab); }
  int filter(const Bounds& bounds);
  int next();
};

int Cursor::filter(const Bounds& b) {
  // By time where the past is left out, else as they lie in the file: a sort would copy every segment.
  std::string sql = fmt::format(
      "SELECT id, ring, bytes FROM segment {} WHERE time_max >= ? AND time_min <= ? AND id BETWEEN ? AND ?",
      b.time_min == Bounds::kMin ? "NOT INDEXED" : "INDEXED BY segment_time");
  auto made = table().db->prepare(sql);
  if (!made) return table().fail(made.error());
  segments.emplace(std::move(*made));
  segments->bind(1, b.time_min).bind(2, b.time_max).bind(3, b.segment_min).bind(4, b.segment_max);
  end = false;
  reader = SegmentReader({});
  row.replica = table().replica;
  return next();
}

int Cursor::next() {
  for (;;) {
    if (auto stored = reader.next()) {
      auto event = telemetry::decode(stored->bytes);
      if (!event)
        return table().fail(make_error(
            ErrorCode::kIo, fmt::format("event {} of ring {} is damaged", stored->sequence, row.ring)));
      row.sequence = stored->sequence;
      row.event = *event;
      ++index;
      return SQLITE_OK;
    }
    if (reader.broken())
      return table().fail(make_error(ErrorCode::kIo, fmt::format("segment {} is damaged", row.segment)));
    auto more = segments->step();
    if (!more) return table().fail(more.error());
    if (!*more) {
      end = true;
      return SQLITE_OK;
    }
    row.segment = segments->integer(0);
    row.ring = segments->text(1);
    reader = SegmentReader(segments->blob(2));
    index = 0;
  }
}

int table_connect(sqlite3* handle, void* db, int, const char* const*, sqlite3_vtab** out, char** error) {
  std::string shape = "CREATE TABLE events (";
  for (const Column& column : kColumns)
    shape += fmt::format("{}{} {}", shape.ends_with('(') ? "" : ", ", column.shown.name, column.shown.type);
  if (int code = sqlite3_declare_vtab(handle, (shape + ")").c_str()); code != SQLITE_OK) return code;
  sqlite3_vtab_config(handle, SQLITE_VTAB_DIRECTONLY);
  auto table = std::make_unique<Table>();
  table->db = static_cast<Database*>(db);
  auto read_replica = [&]() -> Result<void> {
    TRY(Statement id, table->db->prepare("SELECT id FROM replica"));
    TRY(bool row, id.step());
    if (row) table->replica = id.text(0);
    return {};
  };
  if (auto read = read_replica(); !read) {
    *error = sqlite3_mprintf("%s", read.error().message.c_str());
    return SQLITE_ERROR;
  }
  *out = table.release();
  return SQLITE_OK;
}

int table_disconnect(sqlite3_vtab* table) {
  delete static_cast<Table*>(table);
  return SQLITE_OK;
}

// The conditions that narrow() understands are handed to filter in this order: idxStr has two characters for
// each, its column and its operator.
int table_best_index(sqlite3_vtab*, sqlite3_index_info* info) {
  std::string plan;
  int taken = 0;
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& c = info->aConstraint[i];
    if (!c.usable || (c.iColumn != kTime && c.iColumn != kReceived && c.iColumn != kSegment)) continue;
    if (!is_lower(c.op) && !is_upper(c.op)) continue;
    info->aConstraintUsage[i].argvIndex = ++taken;
    plan += static_cast<char>(c.iColumn + 1);
    plan += static_cast<char>(c.op);
  }
  info->idxStr = sqlite3_mprintf("%s", plan.c_str());
  if (!info->idxStr) return SQLITE_NOMEM;
  info->needToFreeIdxStr = 1;
  info->estimatedCost = 1e9 / (1 + 9 * taken);
  return SQLITE_OK;
}

int cursor_open(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
  *out = new Cursor;
  return SQLITE_OK;
}

int cursor_close(sqlite3_vtab_cursor* cursor) {
  delete static_cast<Cursor*>(cursor);
  return SQLITE_OK;
}

int cursor_filter(sqlite3_vtab_cursor* cursor, int, const char* plan, int count, sqlite3_value** values) {
  Bounds bounds;
  for (int i = 0; i < count; ++i)
    narrow(bounds, plan[2 * i] - 1, static_cast<unsigned char>(plan[2 * i + 1]), values[i]);
  return static_cast<Cursor*>(cursor)->filter(bounds);
}

int cursor_next(sqlite3_vtab_cursor* cursor) {
  return static_cast<Cursor*>(cursor)->next();
}

int cursor_eof(sqlite3_vtab_cursor* cursor) {
  return static_cast<Cursor*>(cursor)->end;
}

int cursor_column(sqlite3_vtab_cursor* cursor, sqlite3_context* to, int column) {
  kColumns[static_cast<size_t>(column)].put(to, static_cast<Cursor*>(cursor)->row);
  return SQLITE_OK;
}

int cursor_rowid(sqlite3_vtab_cursor* cursor, sqlite3_int64* rowid) {
  auto* c = static_cast<Cursor*>(cursor);
  *rowid = (c->row.segment << 20) + c->index;
  return SQLITE_OK;
}

constexpr sqlite3_module kModule = {
    .iVersion = 0,
    .xCreate = nullptr,  // eponymous only: it exists without CREATE VIRTUAL TABLE
    .xConnect = table_connect,
    .xBestIndex = table_best_index,
    .xDisconnect = table_disconnect,
    .xDestroy = nullptr,
    .xOpen = cursor_open,
    .xClose = cursor_close,
    .xFilter = cursor_filter,
    .xNext = cursor_next,
    .xEof = cursor_eof,
    .xColumn = cursor_column,
    .xRowid = cursor_rowid,
};

int allow_reading(void*, int action, const char*, const char* name, const char*, const char*) {
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_FUNCTION:
      return std::string_view(name ? name : "") == "load_extension" ? SQLITE_DENY : SQLITE_OK;
    default:
      return SQLITE_DENY;  // also ATTACH and PRAGMA, which can make files
  }
}

}  // namespace

Result<void> add_event_table(Database& db) {
  int code = sqlite3_create_module_v2(db.handle(), "events", &kModule, &db, nullptr);
  if (code != SQLITE_OK) return Unexpected(db.error(code, "read"));
  // Its first use declares the table, which the authorizer would take for a CREATE TABLE.
  TRY_VOID(db.execute("SELECT 1 FROM events LIMIT 0"));
  code = sqlite3_set_authorizer(db.handle(), allow_reading, nullptr);
  if (code != SQLITE_OK) return Unexpected(db.error(code, "read"));
  return {};
}

std::span<const EventColumn> event_columns() {
  return kShown;
}

}  // namespace weir::store::sqlite
