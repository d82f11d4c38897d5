#include "weir/store/postgres/migrations.h"

#include <gmock/gmock.h>

#include <thread>

#include "weir/store/postgres/postgres_account_store.h"
#include "weir/store/postgres/postgres_testing.h"

namespace weir::store::postgres {
namespace {

using ::testing::HasSubstr;
using Way = TestServer::Way;

std::vector<Migration> with(std::initializer_list<Migration> more) {
  std::vector<Migration> steps(migrations().begin(), migrations().end());
  steps.insert(steps.end(), more);
  return steps;
}

const auto kNow = static_cast<int64_t>(migrations().size());

TEST(PostgresMigrations, OneOfManyStartersAppliesEachStep) {
  std::string schema = TestServer::new_schema();
  constexpr int kStarters = 8;
  std::vector<Result<Migrated>> done(kStarters);
  {
    std::vector<std::jthread> starters;
    for (int i = 0; i < kStarters; ++i)
      starters.emplace_back([&, i] {
        auto db = TestServer::get().open(i % 2 ? Way::kPooled : Way::kDirect, schema);
        done[static_cast<size_t>(i)] = migrate(*db);
      });
  }
  int64_t applied = 0;
  for (auto& one : done) {
    ASSERT_TRUE(one) << one.error().message;
    EXPECT_EQ(one->schema, kNow);
    applied += one->applied;
  }
  EXPECT_EQ(applied, kNow);
}

TEST(PostgresMigrations, AStepThatFailsLeavesNothingBehind) {
  auto db = TestServer::get().open(Way::kDirect, TestServer::new_schema());
  auto steps = with({{1, "CREATE TABLE @.half (n int); SELECT no_such_function();"}});
  EXPECT_FALSE(migrate(*db, steps));
  EXPECT_EQ(db->read("SELECT count(*) FROM pg_namespace WHERE nspname = $1", Params().add(db->schema()))
                ->integer(0, 0),
            0);
  EXPECT_EQ(migrate(*db)->applied, kNow) << "and the next start goes on";
}

TEST(PostgresMigrations, GoesForwardFromWhereItIs) {
  auto db = TestServer::get().open(Way::kPooled, TestServer::new_schema());
  ASSERT_TRUE(migrate(*db));
  auto steps = with({{kNow, "ALTER TABLE @.account ADD COLUMN colour text NOT NULL DEFAULT 'red';"}});
  EXPECT_EQ(migrate(*db, steps)->applied, 1);
  EXPECT_EQ(migrate(*db, steps)->applied, 0);
}

// A rolling upgrade: the new binary has migrated, the old one still runs and even starts again.
TEST(PostgresMigrations, AnOlderWeirGoesOnBesideALaterOneThatAllowsIt) {
  std::string schema = TestServer::new_schema();
  auto db = TestServer::get().open(Way::kDirect, schema);
  ASSERT_TRUE(migrate(*db));
  PostgresAccountStore running(db);
  auto steps = with({{kNow, "ALTER TABLE @.account ADD COLUMN colour text NOT NULL DEFAULT 'red';"}});
  ASSERT_TRUE(migrate(*db, steps));
  Account tenant;
  tenant.kind = AccountKind::kTenant;
  tenant.id = tenant.tenant = "acme";
  EXPECT_TRUE(running.change([&](AccountTransaction& t) { return t.put(tenant); }));
  auto again = TestServer::get().open(Way::kDirect, schema);
  auto done = migrate(*again);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(done->later);
  EXPECT_EQ(done->schema, kNow + 1);
  EXPECT_EQ(done->applied, 0);
  EXPECT_EQ(PostgresAccountStore(again).read_all()->accounts.size(), 1u);
}

TEST(PostgresMigrations, ALaterSchemaThatDoesNotIsRefusedAndLeftAlone) {
  std::string schema = TestServer::new_schema();
  auto db = TestServer::get().open(Way::kDirect, schema);
  auto steps = with({{kNow + 1, "DROP TABLE @.audit;"}, {kNow, "CREATE TABLE @.more (n int);"}});
  ASSERT_TRUE(migrate(*db, steps));
  auto done = migrate(*TestServer::get().open(Way::kDirect, schema));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kConfig);
  EXPECT_THAT(done.error().message, HasSubstr("is of a later weir"));
  EXPECT_EQ(db->read("SELECT max(number) FROM @.migration")->integer(0, 0), kNow + 2);
}

TEST(PostgresMigrations, ARoleThatRowSecurityDoesNotHoldForIsRefused) {
  auto db = TestServer::get().open(Way::kSuperuser, TestServer::new_schema());
  auto done = migrate(*db);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("passes over row-level security"));
}

}  // namespace
}  // namespace weir::store::postgres
