// The ledger on SQLite: the suite of every ledger, and what is this file's alone.
#include "weir/store/sqlite/sqlite_ledger.h"

#include "weir/io/net/test_loop.h"
#include "weir/store/ledger_testing.h"
#include "weir/store/sqlite/sqlite_event_store.h"

namespace weir::store::sqlite {
namespace {

using testing::ElementsAre;

struct SqliteLedgers {
  SqliteLedgers() { open(); }
  ~SqliteLedgers() { disk.remove(directory); }
  std::string path() const { return directory + "/events.db"; }
  void open() {
    auto opened = SqliteEventStore::open({.path = path(), .replica = "one"});
    ASSERT_TRUE(opened) << opened.error().message;
    store = *std::move(opened);
  }
  Result<void> append(std::span<const EventBatch> batches) { return store->append(batches); }
  Result<uint64_t> fold(WallTime before) { return store->fold_ledger(before); }
  std::unique_ptr<Ledger> ledger() const {
    return std::make_unique<SqliteLedger>(SqliteLedger::Options{.path = path()});
  }
  io::net::TestLoop host;
  io::Disk& disk = host.loop().disk();
  std::string directory = disk.make_temporary_directory("weir-ledger-test").value();
  std::unique_ptr<SqliteEventStore> store;
};

}  // namespace
}  // namespace weir::store::sqlite

namespace weir::store {
INSTANTIATE_TYPED_TEST_SUITE_P(Sqlite, LedgerSuite, sqlite::SqliteLedgers);
}  // namespace weir::store

namespace weir::store::sqlite {
namespace {

TEST(SqliteLedger, AFileWithoutALedgerGetsOne) {
  SqliteLedgers at;
  LedgerBatch first({ledger_event(1, "a", "k1", "river", 10)}, 1),
      second({ledger_event(1, "a", "k1", "river", 20)}, 2);
  ASSERT_TRUE(at.append({&first.batch, 1}));
  at.store.reset();
  {
    auto raw = Database::open({.path = at.path()}).value();
    ASSERT_TRUE(raw->execute("DROP TABLE ledger; PRAGMA user_version = 1"));
  }
  at.open();
  EXPECT_EQ(at.store->position("0").value(), 2u);
  ASSERT_TRUE(at.append({&second.batch, 1}));
  EXPECT_THAT(usage_lines(*at.ledger(), {0, kLedgerTestDay + 86'400, {UsageBy::kKey}, {}}),
              ElementsAre("k1: 1 110 20"));
}

TEST(UsageBy, IsReadAndRefused) {
  EXPECT_THAT(parse_usage_by("tenant,hour").value(), ElementsAre(UsageBy::kTenant, UsageBy::kHour));
  EXPECT_TRUE(parse_usage_by("").value().empty());
  EXPECT_FALSE(parse_usage_by("tenant,tenant"));
  EXPECT_FALSE(parse_usage_by("run"));
  EXPECT_FALSE(parse_usage_by("tenant,,hour"));
}

}  // namespace
}  // namespace weir::store::sqlite
