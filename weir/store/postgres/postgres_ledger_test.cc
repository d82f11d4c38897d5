// The ledger that replicas share on PostgreSQL, directly and through pgbouncer: the suite of every ledger,
// behind a replica's real file of events; and what must not happen when something breaks in between.
#include "weir/store/postgres/postgres_ledger.h"

#include <thread>

#include "weir/io/net/test_loop.h"
#include "weir/store/ledger_follower.h"
#include "weir/store/ledger_testing.h"
#include "weir/store/postgres/postgres_testing.h"
#include "weir/store/sqlite/sqlite_event_store.h"
#include "weir/store/sqlite/sqlite_ledger_source.h"

namespace weir::store::postgres {
namespace {

using ::testing::ElementsAre;
using Way = TestServer::Way;
using sqlite::SqliteEventStore;
using sqlite::SqliteLedgerSource;

// A replica: its file of events, and what carries it into the ledger.
struct TestReplica {
  explicit TestReplica(std::shared_ptr<Database> database) : db(std::move(database)) { open(); }
  ~TestReplica() { disk.remove(directory); }
  std::string path() const { return directory + "/events.db"; }
  // As at a start: a process before may have died anywhere.
  void open() {
    follower.reset();
    store.reset();
    auto opened = SqliteEventStore::open({.path = path(), .replica = "one", .kept_from = kept_from});
    ASSERT_TRUE(opened) << opened.error().message;
    store = *std::move(opened);
    auto source = SqliteLedgerSource::open({.path = path()});
    ASSERT_TRUE(source) << source.error().message;
    follower = std::make_unique<LedgerFollower>(
        host.loop(), *std::move(source), std::make_shared<PostgresLedger>(db), kept_from, registry, metrics,
        [](bool, std::string_view) {}, LedgerFollower::Options{.replica = "one"});
  }
  Result<void> store_events(const std::vector<telemetry::Event>& events, uint64_t first) {
    LedgerBatch one(events, first);
    return store->append({&one.batch, 1});
  }
  std::shared_ptr<Database> db;
  io::net::TestLoop host;
  io::Disk& disk = host.loop().disk();
  std::string directory = disk.make_temporary_directory("weir-ledger-test").value();
  telemetry::Registry registry;
  LedgerFollowerMetrics metrics = register_ledger_follower_metrics(registry);
  std::shared_ptr<std::atomic<int64_t>> kept_from = std::make_shared<std::atomic<int64_t>>(0);
  std::unique_ptr<SqliteEventStore> store;
  std::unique_ptr<LedgerFollower> follower;
};

template <Way kWay>
struct PostgresLedgers {
  Result<void> append(std::span<const EventBatch> batches) {
    TRY_VOID(replica.store->append(batches));
    return replica.follower->catch_up();
  }
  Result<uint64_t> fold(WallTime before) { return PostgresLedger(replica.db).fold(before); }
  std::unique_ptr<Ledger> ledger() const { return std::make_unique<PostgresLedger>(replica.db); }
  TestSchema<kWay> schema;
  TestReplica replica{schema.open()};
};
using DirectLedgers = PostgresLedgers<Way::kDirect>;
using PooledLedgers = PostgresLedgers<Way::kPooled>;

}  // namespace
}  // namespace weir::store::postgres

namespace weir::store {
INSTANTIATE_TYPED_TEST_SUITE_P(PostgresDirect, LedgerSuite, postgres::DirectLedgers);
INSTANTIATE_TYPED_TEST_SUITE_P(PostgresThroughPgbouncer, LedgerSuite, postgres::PooledLedgers);
}  // namespace weir::store

namespace weir::store::postgres {
namespace {

class SharedLedgerTest : public ::testing::Test {
 protected:
  static telemetry::Event event(std::string_view key, int64_t nanodollars) {
    return ledger_event(1, "a", key, "river", nanodollars);
  }
  std::vector<std::string> by_key() {
    return usage_lines(ledger_, {0, kLedgerTestDay + 86'400, {UsageBy::kKey}, {}});
  }
  TestSchema<Way::kPooled> schema_;
  std::shared_ptr<Database> db_ = schema_.open();
  PostgresLedger ledger_{db_};
  TestReplica one_{db_};
};

TEST_F(SharedLedgerTest, WhatWasCommittedUnheardIsNotCountedTwice) {
  ASSERT_TRUE(one_.follower->catch_up());
  ASSERT_TRUE(one_.store_events({event("k", 1), event("k", 2)}, 1));
  // The process dies after the commit, before it knows.
  auto source = SqliteLedgerSource::open({.path = one_.path()}).value();
  auto part = source->read(ledger_.taken(source->file()).value()).value();
  EXPECT_TRUE(ledger_.take(source->file(), "one", part).value());
  EXPECT_FALSE(ledger_.take(source->file(), "one", part).value()) << "a part is taken once";
  ASSERT_TRUE(one_.follower->catch_up()) << "and one who does not know finds out";
  EXPECT_THAT(by_key(), ElementsAre("k: 2 220 3"));
  one_.open();
  ASSERT_TRUE(one_.store_events({event("k", 10)}, 3));
  ASSERT_TRUE(one_.follower->catch_up());
  EXPECT_THAT(by_key(), ElementsAre("k: 3 330 13"));
}

TEST_F(SharedLedgerTest, WhatWasNotCommittedIsNotLost) {
  ASSERT_TRUE(one_.follower->catch_up());
  ASSERT_TRUE(one_.store_events({event("k", 1)}, 1));
  auto as = [&](std::string_view sql) {
    return db_->transact({}, [&](Transaction& t) -> Result<void> {
      TRY_VOID(t.run(sql));
      return {};
    });
  };
  // The transaction breaks between the mark and the sums.
  ASSERT_TRUE(as("ALTER TABLE @.ledger RENAME TO elsewhere"));
  EXPECT_FALSE(one_.follower->catch_up());
  ASSERT_TRUE(as("ALTER TABLE @.elsewhere RENAME TO ledger"));
  one_.open();
  ASSERT_TRUE(one_.follower->catch_up());
  EXPECT_THAT(by_key(), ElementsAre("k: 1 110 1"));
}

TEST_F(SharedLedgerTest, ADatabaseThatWasAwayIsCaughtUpWithAndRecordsStayUntilThen) {
  ASSERT_TRUE(one_.store_events({event("k", 1)}, 1));
  ASSERT_TRUE(one_.follower->catch_up());
  TestServer::get().tell("stop");
  ASSERT_TRUE(one_.store_events({event("k", 20)}, 2));
  EXPECT_FALSE(one_.follower->catch_up());
  WallTime later{(kLedgerTestDay + 365 * 86'400) * 1'000'000'000};
  EXPECT_EQ(one_.store->expire(later, 0).value(), 1u) << "the first one; the second is still wanted";
  TestServer::get().tell("start");
  Result<void> back;
  for (int i = 0; i < 20 && !(back = one_.follower->catch_up()); ++i) {
  }
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_THAT(by_key(), ElementsAre("k: 2 220 21"));
  EXPECT_EQ(one_.store->expire(later, 0).value(), 1u);
}

TEST_F(SharedLedgerTest, AFirstSharingTakesAllThatTheFileEverHeld) {
  ASSERT_TRUE(one_.store_events({event("k", 1), ledger_event(-500, "a", "old", "river", 300)}, 1));
  EXPECT_EQ(one_.store->fold_ledger(WallTime{kLedgerTestDay * 1'000'000'000}).value(), 1u);
  one_.kept_from->store(std::numeric_limits<int64_t>::max());  // a time before it was shared
  WallTime later{(kLedgerTestDay + 365 * 86'400) * 1'000'000'000};
  EXPECT_GT(one_.store->expire(later, 0).value(), 0u);
  ASSERT_TRUE(one_.store_events({event("k", 20)}, 3));
  one_.open();
  ASSERT_TRUE(one_.follower->catch_up());
  EXPECT_THAT(by_key(), ElementsAre("k: 2 220 21", "old: 1 110 300"));
}

TEST_F(SharedLedgerTest, AFileMadeAnewCountsOnAndAnOlderCopyIsRefused) {
  ASSERT_TRUE(one_.store_events({event("k", 1)}, 1));
  ASSERT_TRUE(one_.follower->catch_up());
  std::string copy = one_.disk.read_file(one_.path(), 64 << 20).value();
  std::string log = one_.disk.read_file(one_.path() + "-wal", 64 << 20).value_or("");
  ASSERT_TRUE(one_.store_events({event("k", 2)}, 2));
  ASSERT_TRUE(one_.follower->catch_up());
  auto gone = [&] {
    one_.follower.reset();
    one_.store.reset();
    for (std::string_view end : {"", "-wal", "-shm"})
      one_.disk.remove(one_.path() + std::string(end));
  };
  gone();
  one_.open();
  ASSERT_TRUE(one_.store_events({event("k", 4)}, 1));
  ASSERT_TRUE(one_.follower->catch_up());
  EXPECT_THAT(by_key(), ElementsAre("k: 3 330 7"));
  gone();
  ASSERT_TRUE(one_.disk.write_file(one_.path(), copy, 0600));
  if (!log.empty()) ASSERT_TRUE(one_.disk.write_file(one_.path() + "-wal", log, 0600));
  one_.open();
  auto refused = one_.follower->catch_up();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("older copy"));
  EXPECT_THAT(by_key(), ElementsAre("k: 3 330 7"));
}

TEST_F(SharedLedgerTest, ReplicasAddUpAtTheSameTime) {
  constexpr int kReplicas = 4, kBatches = 12;
  std::vector<std::unique_ptr<TestReplica>> replicas;
  for (int r = 0; r < kReplicas; ++r)
    replicas.push_back(std::make_unique<TestReplica>(
        r % 2 ? TestServer::get().open(Way::kDirect, schema_.schema) : schema_.open()));
  std::vector<std::jthread> threads;
  for (auto& replica : replicas)
    threads.emplace_back([&] {
      for (int b = 0; b < kBatches; ++b) {
        // The same keys in turning order: who wrote them as they come would wait in a circle.
        std::vector<telemetry::Event> events;
        std::array<std::string, 5> keys;
        for (int k = 0; k < 5; ++k) {
          keys[static_cast<size_t>(k)] = "k" + std::to_string((k + b) % 5);
          events.push_back(event(keys[static_cast<size_t>(k)], 1));
        }
        EXPECT_TRUE(replica->store_events(events, static_cast<uint64_t>(b * 5 + 1)));
        auto done = replica->follower->catch_up();
        EXPECT_TRUE(done) << done.error().message;
      }
    });
  threads.clear();
  EXPECT_THAT(by_key(), ElementsAre("k0: 48 5280 48", "k1: 48 5280 48", "k2: 48 5280 48", "k3: 48 5280 48",
                                    "k4: 48 5280 48"));
}

TEST_F(SharedLedgerTest, ATextThatPostgresCannotKeepStopsNothing) {
  telemetry::Event broken = event("\xff\xfe", 1), everybody = event("k", 20), also = event("\xfd\xff", 300);
  everybody.text(telemetry::EventText::kTenant) = "*";
  ASSERT_TRUE(one_.follower->catch_up());
  ASSERT_TRUE(one_.store_events({broken, everybody, also}, 1));
  auto done = one_.follower->catch_up();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_THAT(by_key(), ElementsAre("??: 2 220 301", "k: 1 110 20"));
}

}  // namespace
}  // namespace weir::store::postgres
