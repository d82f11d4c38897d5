#include "weir/app/events_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <tuple>
#include <vector>

#include "weir/app/config_file.h"
#include "weir/app/point_in_time.h"
#include "weir/app/row_writer.h"
#include "weir/base/time_text.h"
#include "weir/io/net/runtime.h"
#include "weir/io/net/terminal.h"
#include "weir/store/sqlite/event_table.h"
#include "weir/store/sqlite/sqlite_event_store.h"

namespace weir::app {
namespace {

using store::sqlite::Database;
using store::sqlite::Statement;

Result<std::string> data_directory(const EventsCommand& command, io::Loop& loop) {
  if (!command.data.empty()) return command.data;
  TRY(auto settings, load_settings(command.config, loop.disk(), loop.processes()));
  return settings->data.directory;
}

Result<std::unique_ptr<Database>> open_events(const EventsCommand& command, io::Loop& loop) {
  TRY(std::string directory, data_directory(command, loop));
  std::string path = directory + "/events.db";
  if (!loop.disk().stat(path))
    return fail(ErrorCode::kIo,
                fmt::format("there is no {}: no weir has kept records in this data directory", path));
  TRY(auto db, store::sqlite::open_events_for_reading({.path = path, .vfs = loop.disk().sqlite_vfs()}));
  TRY_VOID(store::sqlite::add_event_table(*db));
  return db;
}

// -------------------------------------------------------------------------------------- tail

constexpr const char* kTailSql =
    "SELECT segment, received_unix_ns + coalesce(ended_us, 0) * 1000, time, status, ended_us, "
    "first_token_us, "
    "coalesce(model, model_asked), provider, input_tokens, output_tokens, principal, request_id, reason "
    "FROM events WHERE segment >= ?";
constexpr const char* kTailJsonSql =
    "SELECT segment AS segment_, received_unix_ns + coalesce(ended_us, 0) * 1000 AS ended_, * "
    "FROM events WHERE segment >= ?";
constexpr std::string_view kTailHead =
    "time                      st         ms   first ms  model                     provider        in     "
    "out  "
    "key           request";

std::string_view colour_of(int64_t status) {
  if (status >= 500) return "\x1b[31m";  // red
  if (status >= 400) return "\x1b[33m";  // yellow
  return "\x1b[32m";                     // green
}

std::string milliseconds_text(const Statement& row, int column) {
  if (sqlite3_column_type(row.handle(), column) == SQLITE_NULL) return "-";
  return fmt::format("{:.1f}", static_cast<double>(row.integer(column)) / 1000);
}

std::string_view known(const Statement& row, int column) {
  std::string_view text = row.text(column);
  return text.empty() ? "-" : text;
}

std::string tail_line(const Statement& row, bool colour) {
  int64_t status = row.integer(3);
  std::string line =
      fmt::format("{}  {}{:>3}{}  {:>9}  {:>9}  {:<24}  {:<12}  {:>6}  {:>6}  {:<12}  {}", row.text(2),
                  colour ? colour_of(status) : "", status, colour ? "\x1b[0m" : "", milliseconds_text(row, 4),
                  milliseconds_text(row, 5), known(row, 6), known(row, 7), known(row, 8), known(row, 9),
                  known(row, 10), known(row, 11));
  if (std::string_view reason = row.text(12); !reason.empty()) line += fmt::format("  {}", reason);
  // Texts of callers and of model servers: nothing in them may steer a terminal. The colour's own escapes
  // are the only ones that stay.
  size_t clean_from = colour ? line.find("\x1b[0m") + 4 : 0;
  std::replace_if(
      line.begin() + static_cast<ptrdiff_t>(clean_from), line.end(),
      [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, ' ');
  return line + "\n";
}

class Tail {
 public:
  Tail(Database& db, const EventsCommand& command, TextOutput& out)
      : db_(db), json_(command.json), colour_(io::net::is_terminal(stdout)), out_(out) {}

  /// The last `lines` that were stored. False: nobody reads any more.
  Result<bool> last(int64_t lines) {
    if (!json_ && !out_.write(fmt::format("{}\n", kTailHead))) return false;
    TRY(Statement newest, db_.prepare("SELECT id, events FROM segment ORDER BY id DESC"));
    int64_t from = 1, events = 0;
    for (bool first = true; events < lines || first; first = false) {
      TRY(bool row, newest.step());
      if (!row) break;
      from = newest.integer(0);
      if (first) seen_ = from;
      events += newest.integer(1);
    }
    newest.reset();
    return lines > 0 ? print(from, static_cast<size_t>(lines)) : true;
  }
  /// What was stored since.
  Result<bool> more() { return print(seen_ + 1, std::numeric_limits<size_t>::max()); }

 private:
  // Rings are drained one after the other; within what was read at once the lines stand in the order in which
  // the requests ended.
  Result<bool> print(int64_t from, size_t lines_max) {
    std::vector<std::tuple<int64_t, size_t, std::string>> lines;  // when it ended, place, text
    TRY(Statement rows, db_.prepare(json_ ? kTailJsonSql : kTailSql));
    rows.bind(1, from);
    for (;;) {
      TRY(bool row, rows.step());
      if (!row) break;
      seen_ = std::max(seen_, rows.integer(0));
      lines.emplace_back(rows.integer(1), lines.size(), json_ ? json_line(rows) : tail_line(rows, colour_));
    }
    std::ranges::sort(lines);
    size_t skip = lines.size() > lines_max ? lines.size() - lines_max : 0;
    for (size_t i = skip; i < lines.size(); ++i)
      if (!out_.write(std::get<2>(lines[i]))) return false;
    return out_.flush();
  }
  static std::string json_line(const Statement& row) {
    std::string line;
    append_json_row(line, row, 2);
    return line;
  }

  Database& db_;
  const bool json_;
  const bool colour_;
  TextOutput& out_;
  int64_t seen_ = 0;  // the newest segment that was read
};

io::Task<void> follow(io::Loop& loop, Tail& tail, io::Cancel& cancel, std::optional<Error>& error) {
  while (co_await io::sleep(loop, milliseconds(50), cancel)) {
    auto more = tail.more();
    if (!more) error = more.error();
    if (!more || !*more) break;
  }
  loop.stop();
}

Result<void> run_tail(const EventsCommand& command, io::net::Runtime& runtime, Database& db) {
  TextOutput out(stdout);
  Tail tail(db, command, out);
  TRY(bool read, tail.last(command.lines));
  if (!read || !out.flush() || !command.follow) return {};
  io::Cancel cancel;
  io::TaskGroup tasks;
  std::optional<Error> error;
  runtime.on_signals([&](int) { cancel.request(io::CancelReason::kShutdown); });
  tasks.start(follow(runtime.loop(0), tail, cancel, error));
  runtime.run();
  if (error) return Unexpected(*error);
  return {};
}

// ---------------------------------------------------------------------------- query and export

Result<void> run_query(const EventsCommand& command, Database& db) {
  TRY(Statement rows, db.prepare(command.sql));
  TextOutput out(stdout);
  RowWriter writer(out, command.json ? RowFormat::kJson : command.csv ? RowFormat::kCsv : RowFormat::kTable);
  for (;;) {
    TRY(bool row, rows.step());
    if (!row) break;
    if (!writer.row(rows)) return {};
  }
  writer.end(rows);
  return {};
}

Result<void> run_export(const EventsCommand& command, io::Loop& loop, Database& db) {
  int64_t since = std::numeric_limits<int64_t>::min(), until = std::numeric_limits<int64_t>::max();
  if (!command.since.empty()) {
    TRY(since, point_in_time(command.since, loop.wall_now()));
  }
  if (!command.until.empty()) {
    TRY(until, point_in_time(command.until, loop.wall_now()));
  }
  TRY(Statement rows,
      db.prepare("SELECT * FROM events WHERE received_unix_ns >= ? AND received_unix_ns < ?"));
  rows.bind(1, since).bind(2, until);
  TextOutput out(stdout);
  RowWriter writer(out, command.format == "csv" ? RowFormat::kCsv : RowFormat::kJson);
  bool progress = io::net::is_terminal(stderr);
  uint64_t count = 0;
  for (;;) {
    TRY(bool row, rows.step());
    if (!row) break;
    if (!writer.row(rows)) return {};
    if (++count % 100'000 == 0 && progress) fmt::print(stderr, "\r{} events", count);
  }
  if (!writer.end(rows)) return {};
  fmt::print(stderr, "{}{} events\n", progress ? "\r" : "", count);
  return {};
}

Result<void> run(const EventsCommand& command) {
  TRY(auto runtime, io::net::Runtime::create({.cores = 1}));
  TRY(auto db, open_events(command, runtime->loop(0)));
  switch (command.verb) {
    case EventsCommand::Verb::kTail:
      return run_tail(command, *runtime, *db);
    case EventsCommand::Verb::kQuery:
      return run_query(command, *db);
    case EventsCommand::Verb::kExport:
      return run_export(command, runtime->loop(0), *db);
  }
  return {};
}

}  // namespace

int run_events(const EventsCommand& command) {
  auto done = run(command);
  if (!done) fmt::print(stderr, "weir: {}\n", done.error().message);
  return done ? 0 : 1;
}

}  // namespace weir::app
