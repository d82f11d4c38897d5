#include "weir/app/usage_command.h"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <vector>

#include "weir/app/config_file.h"
#include "weir/app/point_in_time.h"
#include "weir/app/row_writer.h"
#include "weir/base/json_write.h"
#include "weir/base/money.h"
#include "weir/io/net/runtime.h"
#include "weir/store/sqlite/sqlite_ledger.h"

namespace weir::app {
namespace {

constexpr std::array<std::string_view, 9> kTableHead = {
    "requests", "failed", "input", "cached", "written", "output", "reasoning", "estimated", "usd"};

std::vector<std::string> cells(const store::UsageSum& s) {
  std::vector<std::string> row = s.by;
  for (int64_t n : {s.requests, s.failed, s.input_tokens, s.cached_input_tokens, s.cache_write_tokens,
                    s.output_tokens, s.reasoning_tokens, s.estimated})
    row.push_back(std::to_string(n));
  row.push_back(dollars_text(s.nanodollars));
  return row;
}

void write_table(TextOutput& out, const std::vector<std::vector<std::string>>& rows, size_t texts) {
  std::vector<size_t> widths(rows.front().size());
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i)
      line += i < texts ? fmt::format("{:<{}}  ", row[i], widths[i])
                        : fmt::format("{:>{}}{}", row[i], widths[i], i + 1 < row.size() ? "  " : "");
    if (!out.write(line + "\n")) return;
  }
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

struct Field {
  std::string_view name;
  int64_t value;
};
std::array<Field, 13> fields(const store::UsageSum& s) {
  return {{{"requests", s.requests},
           {"failed", s.failed},
           {"estimated", s.estimated},
           {"input_tokens", s.input_tokens},
           {"cached_input_tokens", s.cached_input_tokens},
           {"cache_write_tokens", s.cache_write_tokens},
           {"output_tokens", s.output_tokens},
           {"reasoning_tokens", s.reasoning_tokens},
           {"nanodollars", s.nanodollars},
           {"input_nanodollars", s.input_nanodollars},
           {"cache_read_nanodollars", s.cache_read_nanodollars},
           {"cache_write_nanodollars", s.cache_write_nanodollars},
           {"output_nanodollars", s.output_nanodollars()}}};
}

Result<void> run(const UsageCommand& command) {
  TRY(auto runtime, io::net::Runtime::create({.cores = 1}));
  io::Loop& loop = runtime->loop(0);
  std::string directory = command.data;
  if (directory.empty()) {
    TRY(auto settings, load_settings(command.config, loop.disk(), loop.processes()));
    directory = settings->data.directory;
  }
  std::string path = directory + "/events.db";
  if (!loop.disk().stat(path))
    return fail(ErrorCode::kIo,
                fmt::format("there is no {}: no weir has kept records in this data directory", path));
  store::UsageQuery query;
  query.to_s = std::numeric_limits<int64_t>::max();
  query.rows_max = std::numeric_limits<int32_t>::max();
  TRY(query.by, store::parse_usage_by(command.by));
  auto seconds = [&](const std::string& text, int64_t& into) -> Result<void> {
    if (text.empty()) return {};
    TRY(int64_t ns, point_in_time(text, loop.wall_now()));
    into = ns / 1'000'000'000;
    return {};
  };
  TRY_VOID(seconds(command.from, query.from_s));
  TRY_VOID(seconds(command.to, query.to_s));
  store::sqlite::SqliteLedger ledger({.path = path, .vfs = loop.disk().sqlite_vfs()});
  TRY(auto sums, ledger.usage(query));

  TextOutput out(stdout);
  if (command.json) {
    for (const store::UsageSum& sum : sums) {
      std::string line;
      json::Writer w(line);
      w.begin_object();
      for (size_t i = 0; i < query.by.size(); ++i)
        w.member(name(query.by[i]), std::string_view(sum.by[i]));
      for (const Field& field : fields(sum))
        w.member(field.name, field.value);
      w.member("usd", std::string_view(dollars_text(sum.nanodollars))).end_object();
      if (!out.write(line + "\n")) return {};
    }
  } else if (command.csv) {
    std::string head;
    for (store::UsageBy by : query.by)
      head += fmt::format("{},", name(by));
    for (const Field& field : fields({}))
      head += fmt::format("{},", field.name);
    out.write(head + "usd\n");
    for (const store::UsageSum& sum : sums) {
      std::string line;
      for (const std::string& value : sum.by)
        line += csv_cell(value) + ",";
      for (const Field& field : fields(sum))
        line += fmt::format("{},", field.value);
      if (!out.write(line + dollars_text(sum.nanodollars) + "\n")) return {};
    }
  } else {
    std::vector<std::vector<std::string>> rows(1);
    for (store::UsageBy by : query.by)
      rows[0].emplace_back(name(by));
    for (std::string_view word : kTableHead)
      rows[0].emplace_back(word);
    for (const store::UsageSum& sum : sums) {
      rows.push_back(cells(sum));
      for (std::string& value : rows.back())
        if (value.empty()) value = "-";
    }
    write_table(out, rows, query.by.size());
  }
  out.flush();
  return {};
}

}  // namespace

int run_usage(const UsageCommand& command) {
  auto done = run(command);
  if (!done) fmt::print(stderr, "weir: {}\n", done.error().message);
  return done ? 0 : 1;
}

}  // namespace weir::app
