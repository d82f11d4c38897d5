// The accounts on PostgreSQL, directly and through pgbouncer: the suite of every store, row-level security,
// and what replicas do at the same time.
#include "weir/store/postgres/postgres_account_store.h"

#include <thread>

#include "weir/store/account_store_testing.h"
#include "weir/store/postgres/postgres_testing.h"

namespace weir::store::postgres {
namespace {

using Way = TestServer::Way;

template <Way kWay>
struct PostgresAccounts : TestSchema<kWay> {
  std::unique_ptr<AccountStore> open() {
    return std::make_unique<PostgresAccountStore>(TestSchema<kWay>::open());
  }
};
using Direct = PostgresAccounts<Way::kDirect>;
using Pooled = PostgresAccounts<Way::kPooled>;

}  // namespace
}  // namespace weir::store::postgres

namespace weir::store {
INSTANTIATE_TYPED_TEST_SUITE_P(PostgresDirect, AccountStoreSuite, postgres::Direct);
INSTANTIATE_TYPED_TEST_SUITE_P(PostgresThroughPgbouncer, AccountStoreSuite, postgres::Pooled);
}  // namespace weir::store

namespace weir::store::postgres {
namespace {

// Two tenants with a key and an audit row each, and a connection as the role that owns the tables.
class RowSecurity : public ::testing::Test {
 protected:
  void SetUp() override {
    for (std::string tenant : {"acme", "rival"}) {
      ASSERT_TRUE(store_.change([&](AccountTransaction& t) -> Result<void> {
        TRY_VOID(t.put(test_key("key-" + tenant, tenant)));
        return t.add_audit({.tenant = tenant, .actor = "a", .action = "x"});
      }));
      LedgerRowOf(tenant);
    }
  }
  void LedgerRowOf(const std::string& tenant) {
    auto done = db_->transact({.tenant = tenant}, [&](Transaction& t) -> Result<void> {
      TRY_VOID(
          t.run("INSERT INTO @.ledger SELECT 3600, $1, '', '', '', '', '', '', '', 1, 1, 0, 0, 0, 0, 0, 0, "
                "0, 0, 0, "
                "0, 0",
                Params().add(tenant)));
      return {};
    });
    ASSERT_TRUE(done) << done.error().message;
  }
  // Tenants whose rows a transaction under that setting sees, in every table that has tenants.
  std::string seen(std::string_view tenant) {
    std::string all;
    auto done = db_->transact({.tenant = tenant}, [&](Transaction& t) -> Result<void> {
      TRY(Rows tables, t.run("SELECT table_name FROM information_schema.columns WHERE table_schema = $1 AND "
                             "column_name = 'tenant' ORDER BY 1",
                             Params().add(db_->schema())));
      for (size_t i = 0; i < tables.size(); ++i) {
        TRY(Rows rows, t.run("SELECT coalesce(string_agg(DISTINCT tenant, '+'), '-') FROM @.\"" +
                             std::string(tables.text(i, 0)) + "\""));
        all += std::string(tables.text(i, 0)) + "=" + std::string(rows.text(0, 0)) + " ";
      }
      return {};
    });
    return done ? all : done.error().message;
  }
  TestSchema<Way::kDirect> schema_;
  std::shared_ptr<Database> db_ = schema_.open();
  PostgresAccountStore store_{db_};
};

TEST_F(RowSecurity, EveryTableWithTenantsForcesIt) {
  auto rows = db_->read(
      "SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FILTER (WHERE c.relrowsecurity AND "
      "c.relforcerowsecurity), "
      "string_agg(c.relname, ' ' ORDER BY c.relname), bool_and(pg_get_userbyid(c.relowner) = current_user) "
      "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attname = 'tenant' AND c.relkind = "
      "'r' AND "
      "c.relnamespace = $1::regnamespace",
      Params().add(db_->schema()));
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(rows->text(0, 1), "account audit ledger secret");
  EXPECT_EQ(rows->text(0, 0), rows->text(0, 1));
  EXPECT_TRUE(rows->boolean(0, 2)) << "the role is their owner: without FORCE it would see all";
}

TEST_F(RowSecurity, ShowsATenantsRowsOnly) {
  EXPECT_EQ(seen("acme"), "account=acme audit=acme ledger=acme secret=acme ");
  EXPECT_EQ(seen("rival"), "account=rival audit=rival ledger=rival secret=rival ");
  EXPECT_EQ(seen("nobody"), "account=- audit=- ledger=- secret=- ");
  EXPECT_EQ(seen(kEveryTenant), "account=acme+rival audit=acme+rival ledger=acme+rival secret=acme+rival ");
}

TEST_F(RowSecurity, ShowsNothingToWhoSaysNothing) {
  for (std::string_view table : {"account", "audit", "secret", "ledger"})
    for (int i = 0; i < 2; ++i) {  // on a connection that said nothing yet, and after one that did
      auto rows = db_->read("SELECT count(*) FROM @." + std::string(table));
      ASSERT_TRUE(rows) << rows.error().message;
      EXPECT_EQ(rows->integer(0, 0), 0) << table;
      seen("acme");
    }
}

TEST_F(RowSecurity, WritesNothingIntoAnothersName) {
  auto as_acme = [&](std::string_view sql) {
    int64_t changed = -1;
    auto done = db_->transact({.tenant = "acme"}, [&](Transaction& t) -> Result<void> {
      TRY(Rows rows, t.run(sql));
      changed = rows.changed();
      return {};
    });
    return done ? std::to_string(changed) : done.error().message;
  };
  EXPECT_EQ(as_acme("UPDATE @.account SET suspended = true WHERE tenant = 'rival'"), "0");
  EXPECT_EQ(as_acme("DELETE FROM @.account WHERE id = 'key-rival'"), "0");
  EXPECT_EQ(as_acme("DELETE FROM @.audit"), "1");
  using ::testing::HasSubstr;
  EXPECT_THAT(
      as_acme(
          "INSERT INTO @.audit (time, tenant, actor, action, object, refused, detail, request, peer) VALUES "
          "(1, 'rival', '', '', '', false, '', '', '')"),
      HasSubstr("row-level security"));
  EXPECT_THAT(as_acme("UPDATE @.account SET tenant = 'rival'"), HasSubstr("row-level security"));
}

TEST_F(RowSecurity, APutCannotTakeOverAnothersKey) {
  auto done = store_.change([](AccountTransaction& t) { return t.put(test_key("key-rival", "acme")); });
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, ::testing::HasSubstr("row-level security"));
  EXPECT_EQ(store_.read_all()->accounts.back(), test_key("key-rival", "rival"));
}

TEST(PostgresAccountStore, NoChangeOfManyAtOnceIsLostOrHidden) {
  TestSchema<Way::kPooled> schema;
  PostgresAccountStore reader(schema.open());
  constexpr int kWriters = 4, kEach = 25;
  uint64_t began = reader.version().value();
  std::atomic<int> writing = kWriters;
  std::vector<std::jthread> writers;
  for (int w = 0; w < kWriters; ++w)
    writers.emplace_back([&, w] {
      PostgresAccountStore store(w % 2 ? TestServer::get().open(Way::kDirect, schema.schema) : schema.open());
      for (int i = 0; i < kEach; ++i) {
        auto done = store.change([&](AccountTransaction& t) {
          return t.put(test_account(AccountKind::kTeam, std::to_string(w) + "-" + std::to_string(i), "acme"));
        });
        EXPECT_TRUE(done) << done.error().message;
      }
      --writing;
    });
  // Each change is one account and one number: who has seen a number has seen as many accounts.
  uint64_t seen = 0;
  for (bool last = false; !last;) {
    last = writing == 0;
    auto all = reader.read_all();
    ASSERT_TRUE(all) << all.error().message;
    EXPECT_EQ(all->accounts.size(), all->version - began);
    EXPECT_GE(all->version, seen) << "it never goes back";
    seen = all->version;
  }
  EXPECT_EQ(seen, began + kWriters * kEach);
}

TEST(PostgresAccountStore, ALimitThatItDoesNotKnowIsNoMissingLimit) {
  TestSchema<Way::kDirect> schema;
  auto db = schema.open();
  PostgresAccountStore store(db);
  ASSERT_TRUE(store.change([](AccountTransaction& t) { return t.put(test_key("k", "acme")); }));
  for (std::string_view limits : {R"({"carbon":1})", R"({"streams":"3"})", R"([1])"}) {
    ASSERT_TRUE(db->transact({}, [&](Transaction& t) -> Result<void> {
      TRY_VOID(t.run("UPDATE @.account SET limits = $1", Params().add(limits)));
      return {};
    }));
    EXPECT_FALSE(store.read_all()) << limits;
  }
}

TEST(PostgresAccountStore, NoTextOfACallerIsSql) {
  TestSchema<Way::kPooled> schema;
  PostgresAccountStore store(schema.open());
  std::string evil = "x'; DROP TABLE account; -- @.account $1 {\"}";
  Account key = test_key(evil, evil);
  key.name = evil;
  ASSERT_TRUE(store.change([&](AccountTransaction& t) { return t.put(key); }));
  EXPECT_EQ(store.read_all()->accounts.front(), key);
  Account star = test_key("s", "*");
  EXPECT_FALSE(store.change([&](AccountTransaction& t) { return t.put(star); })) << "nobody is every tenant";
}

}  // namespace
}  // namespace weir::store::postgres
