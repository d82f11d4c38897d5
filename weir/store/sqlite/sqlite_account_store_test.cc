// The accounts on SQLite: the suite of every store, and what is this file's alone.
#include "weir/store/sqlite/sqlite_account_store.h"

#include "weir/io/net/test_loop.h"
#include "weir/store/account_store_testing.h"

namespace weir::store::sqlite {
namespace {

struct SqliteAccounts {
  SqliteAccounts() { directory = disk.make_temporary_directory("weir-accounts-test").value(); }
  ~SqliteAccounts() { disk.remove(directory); }
  std::string path() const { return directory + "/accounts.db"; }
  std::unique_ptr<AccountStore> open() {
    auto store = SqliteAccountStore::open({.path = path(), .vfs = {}});
    EXPECT_TRUE(store) << store.error().message;
    return std::move(*store);
  }
  io::net::TestLoop host;
  io::Disk& disk = host.loop().disk();
  std::string directory;
};

}  // namespace
}  // namespace weir::store::sqlite

namespace weir::store {
INSTANTIATE_TYPED_TEST_SUITE_P(Sqlite, AccountStoreSuite, sqlite::SqliteAccounts);
}  // namespace weir::store

namespace weir::store::sqlite {
namespace {

std::string refusal(const SqliteAccounts& at) {
  auto store = SqliteAccountStore::open({.path = at.path(), .vfs = {}});
  return store ? "it opened" : store.error().message;
}

std::unique_ptr<Database> raw(const SqliteAccounts& at) {
  return std::move(*Database::open({.path = at.path()}));
}

TEST(SqliteAccountStore, LeavesALaterWeirsFileAlone) {
  SqliteAccounts at;
  at.open();
  ASSERT_TRUE(raw(at)->execute("PRAGMA user_version = 99"));
  EXPECT_THAT(refusal(at), ::testing::HasSubstr("written by a later weir (schema 99"));
  EXPECT_EQ(raw(at)->integer("PRAGMA user_version").value(), 99);
}

TEST(SqliteAccountStore, LeavesAnotherProgramsFileAlone) {
  SqliteAccounts at;
  ASSERT_TRUE(raw(at)->execute("CREATE TABLE theirs (x)"));
  EXPECT_THAT(refusal(at), ::testing::HasSubstr("another program"));
  EXPECT_EQ(raw(at)->integer("SELECT count(*) FROM sqlite_schema").value(), 1);
}

TEST(SqliteAccountStore, ALimitThatItDoesNotKnowIsNoMissingLimit) {
  SqliteAccounts at;
  auto store = at.open();
  ASSERT_TRUE(store->change([](AccountTransaction& t) { return t.put(test_key("k", "acme")); }));
  for (std::string_view limits :
       {R"({"carbon":1})", R"({"streams":"3"})", R"([1])", R"({"budgets":[{"tokens":1}]})",
        R"({"budgets":[{"period":"week","tokens":1}]})", R"({"each_agent":{}})",
        R"({"each_agent":{"budgets":[{"period":"day","tokens":1}]}})"}) {
    auto db = raw(at);
    auto update = db->prepare("UPDATE account SET limits = ?");
    ASSERT_TRUE(update->bind(1, limits).run());
    EXPECT_FALSE(store->read_all()) << limits;
  }
}

TEST(SqliteAccountStore, NoTextOfACallerIsSql) {
  SqliteAccounts at;
  auto store = at.open();
  std::string evil = "x'; DROP TABLE account; --";
  Account key = test_key(evil, evil);
  key.name = evil;
  ASSERT_TRUE(store->change([&](AccountTransaction& t) { return t.put(key); }));
  std::optional<Account> found;
  ASSERT_TRUE(store->change([&](AccountTransaction& t) -> Result<void> {
    TRY(found, t.find(AccountKind::kKey, evil));
    return {};
  }));
  EXPECT_EQ(found, key);
}

}  // namespace
}  // namespace weir::store::sqlite
