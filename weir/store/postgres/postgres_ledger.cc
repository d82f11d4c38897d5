#include "weir/store/postgres/postgres_ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "weir/base/utf8.h"

namespace weir::store::postgres {
namespace {

constexpr int64_t kHourS = 3600;
constexpr size_t kRowsAtOnce = 2000;

// "user" is a word of SQL.
std::string quoted(std::string_view column) {
  return fmt::format("\"{}\"", column);
}

std::string texts_sql() {
  std::string sql;
  for (std::string_view column : kLedgerTextNames)
    sql += (sql.empty() ? "" : ", ") + quoted(column);
  return sql;
}

// "a = l.a + excluded.a, ..."
std::string add_up_sql() {
  std::string sql;
  for (std::string_view column : kLedgerSumNames)
    sql += fmt::format("{}{} = l.{} + excluded.{}", sql.empty() ? "" : ", ", column, column, column);
  return sql;
}

std::string sums_sql() {
  std::string sql;
  for (std::string_view column : kLedgerSumNames)
    sql += fmt::format("{}coalesce(sum({}), 0)::bigint", sql.empty() ? "" : ", ", column);
  return sql;
}

// What a caller said may be anything; PostgreSQL keeps UTF-8 without zeros. A row must never be what stops
// the others.
std::string storable(std::string text) {
  if (text == kEveryTenant) return "?";
  bool good = is_utf8(text);
  for (char& c : text)
    if (c == '\0' || (!good && static_cast<unsigned char>(c) >= 0x80)) c = '?';
  return text;
}

bool before(const LedgerRow& a, const LedgerRow& b) {
  return std::tie(a.hour, a.texts, a.price_version) < std::tie(b.hour, b.texts, b.price_version);
}

// In the order of their keys, each key once.
std::vector<LedgerRow> in_order(const LedgerRows& rows) {
  std::vector<LedgerRow> sorted;
  sorted.reserve(rows.size());
  for (const auto& [_, row] : rows) {
    LedgerRow& one = sorted.emplace_back(row);
    for (std::string& text : one.texts)
      text = storable(std::move(text));
  }
  std::ranges::sort(sorted, before);
  std::vector<LedgerRow> merged;
  for (LedgerRow& row : sorted) {
    if (merged.empty() || before(merged.back(), row)) {
      merged.push_back(std::move(row));
      continue;
    }
    for (size_t i = 0; i < kLedgerSums; ++i)
      merged.back().sums[i] += row.sums[i];
  }
  return merged;
}

Result<void> add_rows(Transaction& t, std::span<const LedgerRow> rows) {
  std::string sql =
      fmt::format("INSERT INTO @.ledger AS l (hour, {}, price_version, {}) SELECT * FROM unnest($1::bigint[]",
                  texts_sql(), fmt::join(kLedgerSumNames, ", "));
  Params params;
  std::vector<int64_t> numbers;
  std::vector<std::string_view> texts;
  auto add_numbers = [&](auto of) {
    numbers.clear();
    for (const LedgerRow& row : rows)
      numbers.push_back(of(row));
    params.add(std::span<const int64_t>(numbers));
    if (params.values().size() > 1) sql += fmt::format(", ${}::bigint[]", params.values().size());
  };
  add_numbers([](const LedgerRow& row) { return row.hour; });
  for (size_t i = 0; i < kLedgerTexts; ++i) {
    texts.clear();
    for (const LedgerRow& row : rows)
      texts.push_back(row.texts[i]);
    params.add(std::span<const std::string_view>(texts));
    sql += fmt::format(", ${}::text[]", params.values().size());
  }
  add_numbers([](const LedgerRow& row) { return row.price_version; });
  for (size_t i = 0; i < kLedgerSums; ++i)
    add_numbers([i](const LedgerRow& row) { return row.sums[i]; });
  sql += fmt::format(") ON CONFLICT (hour, {}, price_version) DO UPDATE SET {}", texts_sql(), add_up_sql());
  TRY_VOID(t.run(sql, params));
  return {};
}

std::string column_of(UsageBy by) {
  if (by == UsageBy::kDay) return "(hour / 86400 * 86400)";
  return quoted(name(by));
}

bool is_number(UsageBy by) {
  return by == UsageBy::kHour || by == UsageBy::kDay || by == UsageBy::kPriceVersion;
}

}  // namespace

// ----------------------------------------------------------------------------------------- taking

Result<std::optional<int64_t>> PostgresLedger::taken(const std::string& file) {
  TRY(Rows rows, db_->read("SELECT segment FROM @.ledger_source WHERE file = $1", Params().add(file)));
  if (rows.empty()) return std::nullopt;
  return rows.integer(0, 0);
}

Result<bool> PostgresLedger::take(const std::string& file, const std::string& replica,
                                  const LedgerPart& part) {
  std::vector<LedgerRow> rows = in_order(part.rows);
  bool took = false;
  TRY_VOID(db_->transact({}, [&](Transaction& t) -> Result<void> {
    took = false;
    // Whoever comes second with the same part waits here, and then finds the file elsewhere.
    TRY(Rows moved, part.after
                        ? t.run("UPDATE @.ledger_source SET segment = $2, replica = $3, taken = "
                                "clock_timestamp() WHERE file = $1 AND segment = $4",
                                Params().add(file).add(part.segment).add(replica).add(*part.after))
                        : t.run("INSERT INTO @.ledger_source (file, segment, replica) VALUES ($1, $2, $3) "
                                "ON CONFLICT DO NOTHING",
                                Params().add(file).add(part.segment).add(replica)));
    if (moved.changed() != 1) return {};
    for (size_t at = 0; at < rows.size(); at += kRowsAtOnce)
      TRY_VOID(add_rows(t, std::span(rows).subspan(at, std::min(kRowsAtOnce, rows.size() - at))));
    took = true;
    return {};
  }));
  return took;
}

Result<uint64_t> PostgresLedger::fold(WallTime before) {
  int64_t hour = before.unix_ns / 1'000'000'000 / kHourS * kHourS;
  if (hour <= 0) return 0;
  uint64_t rows = 0;
  TRY_VOID(db_->transact({.statement = std::chrono::minutes(1)}, [&](Transaction& t) -> Result<void> {
    TRY(Rows folded,
        t.run(fmt::format(
                  "WITH gone AS (DELETE FROM @.ledger WHERE hour > 0 AND hour < $1 RETURNING *), kept AS ("
                  "INSERT INTO @.ledger AS l (hour, {0}, price_version, {1}) "
                  "SELECT 0, tenant, team, key, \"user\", '', '', '', '', 0, {2} FROM gone "
                  "GROUP BY tenant, team, key, \"user\" ORDER BY tenant, team, key, \"user\" "
                  "ON CONFLICT (hour, {0}, price_version) DO UPDATE SET {3}) SELECT count(*) FROM gone",
                  texts_sql(), fmt::join(kLedgerSumNames, ", "), sums_sql(), add_up_sql()),
              Params().add(hour)));
    rows = static_cast<uint64_t>(folded.integer(0, 0));
    return {};
  }));
  return rows;
}

// ----------------------------------------------------------------------------------------- asking

Result<std::vector<UsageSum>> PostgresLedger::usage(const UsageQuery& query) {
  std::string columns, where, places;
  Params params;
  params.add(query.from_s).add(query.to_s);
  std::string_view tenant;
  for (size_t i = 0; i < query.by.size(); ++i) {
    columns += column_of(query.by[i]) + ", ";
    places += fmt::format("{}{}", i ? ", " : "", i + 1);
  }
  for (const auto& [by, value] : query.where) {
    params.add(std::string_view(value));
    where +=
        fmt::format(" AND {}{} = ${}", column_of(by), is_number(by) ? "::text" : "", params.values().size());
    if (by == UsageBy::kTenant) tenant = value;
  }
  std::string sql =
      fmt::format("SELECT {}{} FROM @.ledger WHERE hour >= $1 AND hour < $2{}", columns, sums_sql(), where);
  if (!places.empty()) sql += fmt::format(" GROUP BY {0} ORDER BY {0}", places);
  sql += fmt::format(" LIMIT {}", query.rows_max);
  std::vector<UsageSum> sums;
  TRY_VOID(db_->transact({.tenant = tenant, .one_moment = true}, [&](Transaction& t) -> Result<void> {
    TRY(Rows rows, t.run(sql, params));
    for (size_t row = 0; row < rows.size(); ++row) {
      UsageSum& sum = sums.emplace_back();
      int column = 0;
      for (UsageBy by : query.by) {
        bool hours = by == UsageBy::kHour || by == UsageBy::kDay;
        sum.by.push_back(hours ? ledger_hour_text(rows.integer(row, column))
                               : std::string(rows.text(row, column)));
        ++column;
      }
      for (auto into : kUsageSums)
        sum.*into = rows.integer(row, column++);
    }
    return {};
  }));
  return sums;
}

Result<SpentByScope> PostgresLedger::spent(int64_t day_s, int64_t month_s) {
  SpentByScope found;
  TRY_VOID(db_->transact(
      {.one_moment = true, .statement = std::chrono::minutes(1)}, [&](Transaction& t) -> Result<void> {
        for (std::string_view scope : {"key", "user", "team", "tenant"}) {
          auto sum = [](std::string_view what, std::string_view from) {
            return fmt::format("coalesce(sum({}) FILTER (WHERE hour >= {}), 0)::bigint", what, from);
          };
          constexpr std::string_view kMoney = "nanodollars", kTokens = "input_tokens + output_tokens";
          TRY(Rows rows,
              t.run(fmt::format("SELECT {0}, {1}, {2}, {3}, {4}, {5}, {6} FROM @.ledger WHERE {0} <> '' "
                                "GROUP BY 1",
                                quoted(scope), sum(kMoney, "$1"), sum(kTokens, "$1"), sum(kMoney, "$2"),
                                sum(kTokens, "$2"), sum(kMoney, "0"), sum(kTokens, "0")),
                    Params().add(day_s).add(month_s)));
          auto& of = found[std::string(scope)];
          for (size_t row = 0; row < rows.size(); ++row)
            of[std::string(rows.text(row, 0))] = {{rows.integer(row, 1), rows.integer(row, 2)},
                                                  {rows.integer(row, 3), rows.integer(row, 4)},
                                                  {rows.integer(row, 5), rows.integer(row, 6)}};
        }
        return {};
      }));
  return found;
}

}  // namespace weir::store::postgres
