#include "weir/store/sqlite/sqlite_ledger.h"

#include <fmt/format.h>

#include <string_view>

#include "weir/store/ledger_sums.h"
#include "weir/store/sqlite/sqlite_event_store.h"

namespace weir::store::sqlite {
namespace {

constexpr int64_t kHourNs = 3'600'000'000'000;

constexpr const char* kCreate = R"(
  CREATE TABLE ledger (
    hour INTEGER NOT NULL, tenant TEXT NOT NULL, team TEXT NOT NULL, key TEXT NOT NULL, user TEXT NOT NULL,
    agent TEXT NOT NULL, tag TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL,
    price_version INTEGER NOT NULL,
    requests INTEGER NOT NULL, failed INTEGER NOT NULL, estimated INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, cached_input_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL,
    nanodollars INTEGER NOT NULL, input_nanodollars INTEGER NOT NULL, cache_read_nanodollars INTEGER NOT NULL,
    cache_write_nanodollars INTEGER NOT NULL,
    PRIMARY KEY (hour, tenant, team, key, user, agent, tag, model, provider, price_version)) WITHOUT ROWID;
)";

std::string sums_sql() {
  std::string sql;
  for (std::string_view column : kLedgerSumNames)
    sql += fmt::format("{}coalesce(sum({}), 0)", sql.empty() ? "" : ", ", column);
  return sql;
}

}  // namespace

Result<void> create_ledger(Database& db) {
  return db.execute(kCreate);
}

Result<void> add_to_ledger(Database& db, const EventBatch& batch) {
  LedgerRows rows;
  add_to_rows(rows, batch.bytes);
  if (rows.empty()) return {};

  std::string sql = "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?";
  for (size_t i = 0; i < kLedgerSums; ++i)
    sql += ", ?";
  sql += ") ON CONFLICT DO UPDATE SET ";
  for (size_t i = 0; i < kLedgerSums; ++i)
    sql += fmt::format("{}{} = {} + excluded.{}", i ? ", " : "", kLedgerSumNames[i], kLedgerSumNames[i],
                       kLedgerSumNames[i]);
  TRY(Statement add, db.prepare(sql));
  for (const auto& [_, row] : rows) {
    int at = 1;
    add.bind(at++, row.hour);
    for (const std::string& text : row.texts)
      add.bind(at++, text);
    add.bind(at++, row.price_version);
    for (int64_t sum : row.sums)
      add.bind(at++, sum);
    TRY_VOID(add.run());
  }
  return {};
}

Result<uint64_t> fold_ledger(Database& db, WallTime before) {
  if (before.unix_ns <= kHourNs) return 0;
  int64_t hour = before.unix_ns / kHourNs * (kHourNs / 1'000'000'000);
  TRY(Statement old, db.prepare("SELECT count(*) FROM ledger WHERE hour > 0 AND hour < ?"));
  TRY(bool row, old.bind(1, hour).step());
  int64_t rows = row ? old.integer(0) : 0;
  old.reset();
  if (rows == 0) return 0;
  TRY(Transaction whole, Transaction::begin(db));
  std::string sums = sums_sql();
  std::string set;
  for (std::string_view column : kLedgerSumNames)
    set += fmt::format("{}{} = {} + excluded.{}", set.empty() ? "" : ", ", column, column, column);
  TRY(Statement fold,
      db.prepare(fmt::format(
          "INSERT INTO ledger SELECT 0, tenant, team, key, user, '', '', '', '', 0, {} FROM ledger "
          "WHERE hour > 0 AND hour < ? GROUP BY tenant, team, key, user "
          "ON CONFLICT DO UPDATE SET {}",
          sums, set)));
  TRY_VOID(fold.bind(1, hour).run());
  TRY(Statement drop, db.prepare("DELETE FROM ledger WHERE hour > 0 AND hour < ?"));
  TRY_VOID(drop.bind(1, hour).run());
  TRY_VOID(whole.commit());
  return static_cast<uint64_t>(rows);
}

// ------------------------------------------------------------------------------------ asking

namespace {

std::string_view column_of(UsageBy by) {
  if (by == UsageBy::kDay) return "hour / 86400 * 86400";
  return name(by);
}

std::string value_of(const Statement& row, int column, UsageBy by) {
  if (by != UsageBy::kHour && by != UsageBy::kDay) return std::string(row.text(column));
  return ledger_hour_text(row.integer(column));
}

}  // namespace

Result<std::vector<UsageSum>> SqliteLedger::usage(const UsageQuery& query) {
  TRY(auto db, open_events_for_reading({.path = options_.path, .vfs = options_.vfs}));
  std::string columns, group, where;
  for (UsageBy by : query.by) {
    columns += fmt::format("{}, ", column_of(by));
    group += fmt::format("{}{}", group.empty() ? " GROUP BY " : ", ", column_of(by));
  }
  for (const auto& [by, value] : query.where)
    where += fmt::format(" AND {} = ?", column_of(by));
  TRY(Statement rows,
      db->prepare(fmt::format("SELECT {}{} FROM ledger WHERE hour >= ? AND hour < ?{}{}{} LIMIT {}", columns,
                              sums_sql(), where, group, query.by.empty() ? "" : " ORDER BY" + group.substr(9),
                              query.rows_max)));
  rows.bind(1, query.from_s).bind(2, query.to_s);
  int at = 3;
  for (const auto& [by, value] : query.where)
    rows.bind(at++, value);
  std::vector<UsageSum> sums;
  for (;;) {
    TRY(bool row, rows.step());
    if (!row) return sums;
    UsageSum& sum = sums.emplace_back();
    int column = 0;
    for (UsageBy by : query.by)
      sum.by.push_back(value_of(rows, column++, by));
    for (auto into : kUsageSums)
      sum.*into = rows.integer(column++);
  }
}

Result<SpentByScope> SqliteLedger::spent(int64_t day_s, int64_t month_s) {
  TRY(auto db, open_events_for_reading({.path = options_.path, .vfs = options_.vfs}));
  SpentByScope found;
  for (std::string_view scope : {"key", "user", "team", "tenant"}) {
    TRY(Statement rows,
        db->prepare(fmt::format(
            "SELECT {0}, sum(iif(hour >= ?1, nanodollars, 0)), "
            "sum(iif(hour >= ?1, input_tokens + output_tokens, 0)), "
            "sum(iif(hour >= ?2, nanodollars, 0)), sum(iif(hour >= ?2, input_tokens + output_tokens, 0)), "
            "sum(nanodollars), sum(input_tokens + output_tokens) FROM ledger WHERE {0} <> '' GROUP BY {0}",
            scope)));
    rows.bind(1, day_s).bind(2, month_s);
    auto& of = found[std::string(scope)];
    for (;;) {
      TRY(bool row, rows.step());
      if (!row) break;
      of[std::string(rows.text(0))] = {{rows.integer(1), rows.integer(2)},
                                       {rows.integer(3), rows.integer(4)},
                                       {rows.integer(5), rows.integer(6)}};
    }
  }
  return found;
}

}  // namespace weir::store::sqlite
