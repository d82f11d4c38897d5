// For tests: what every AccountStore must do, run against each adapter. An adapter's test gives a way to open
// the same store again:
//   struct SqliteAccounts { std::unique_ptr<AccountStore> open(); };
//   INSTANTIATE_TYPED_TEST_SUITE_P(Sqlite, AccountStoreSuite, SqliteAccounts);
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "weir/store/account_store.h"

namespace weir::store {

inline Account test_account(AccountKind kind, std::string id, std::string tenant) {
  Account a;
  a.kind = kind;
  a.id = std::move(id);
  a.tenant = std::move(tenant);
  a.name = "name of " + a.id;
  a.created_unix_ms = 1'700'000'000'123;
  return a;
}

inline Account test_key(std::string id, std::string tenant) {
  Account a = test_account(AccountKind::kKey, std::move(id), std::move(tenant));
  a.team = "team";
  a.user = "user";
  a.roles = {"viewer", "billing"};
  a.models = {"gpt-*", "a \"quoted\" name"};
  a.limits.requests_per_minute = 60;
  a.limits.nanodollars_per_minute = 1;
  a.limits.budgets = {{BudgetPeriod::kMonth, 12'500'000'000, std::nullopt},
                      {BudgetPeriod::kTotal, std::nullopt, 1'000'000}};
  Limits agents;
  agents.streams = 2;
  agents.output_tokens_per_minute = 1000;
  a.limits.each_agent = {agents};
  a.expires_unix_ms = 1'800'000'000'000;
  a.secrets = {{sha256("one"), 7, "abcd", 1, 0}, {sha256("two"), 0xffffffff, "efgh", 2, 3}};
  return a;
}

template <class Adapter>
class AccountStoreSuite : public ::testing::Test {
 protected:
  using Work = std::function<Result<void>(AccountTransaction&)>;
  void change(const Work& work) {
    auto done = store_->change(work);
    EXPECT_TRUE(done) << done.error().message;
  }
  void put(const Account& account) {
    change([&](AccountTransaction& t) { return t.put(account); });
  }
  std::optional<Account> find(AccountKind kind, std::string_view id) {
    std::optional<Account> found;
    change([&](AccountTransaction& t) -> Result<void> {
      TRY(found, t.find(kind, id));
      return {};
    });
    return found;
  }
  std::vector<std::string> ids(const AccountTransaction::Filter& filter) {
    std::vector<std::string> found;
    change([&](AccountTransaction& t) -> Result<void> {
      TRY(auto accounts, t.list(filter));
      for (const Account& a : accounts)
        found.push_back(a.id);
      return {};
    });
    return found;
  }

  Adapter adapter_;
  std::unique_ptr<AccountStore> store_ = adapter_.open();
};
TYPED_TEST_SUITE_P(AccountStoreSuite);

TYPED_TEST_P(AccountStoreSuite, GivesBackWhatItWasGiven) {
  Account key = test_key("k1", "acme"), tenant = test_account(AccountKind::kTenant, "acme", "acme");
  tenant.suspended = true;
  tenant.limits.streams = 3;
  this->put(key);
  this->put(tenant);
  EXPECT_EQ(this->find(AccountKind::kKey, "k1"), key);
  EXPECT_EQ(this->find(AccountKind::kTenant, "acme"), tenant);
  EXPECT_EQ(this->find(AccountKind::kTenant, "k1"), std::nullopt) << "another kind, another name";
  EXPECT_EQ(this->find(AccountKind::kKey, "K1"), std::nullopt);
  this->store_ = this->adapter_.open();
  EXPECT_EQ(this->find(AccountKind::kKey, "k1"), key) << "after the next start";
}

TYPED_TEST_P(AccountStoreSuite, ReplacesWhole) {
  Account key = test_key("k1", "acme");
  this->put(key);
  key.secrets = {{sha256("three"), 1, "ijkl", 5, 0}};
  key.limits = {};
  key.roles.clear();
  key.revoked_unix_ms = 9;
  this->put(key);
  EXPECT_EQ(this->find(AccountKind::kKey, "k1"), key);
  this->change([](AccountTransaction& t) { return t.remove(AccountKind::kKey, "k1"); });
  EXPECT_EQ(this->find(AccountKind::kKey, "k1"), std::nullopt);
  this->change([](AccountTransaction& t) { return t.remove(AccountKind::kKey, "k1"); });  // twice is once
}

TYPED_TEST_P(AccountStoreSuite, AllOrNothing) {
  this->put(test_key("k1", "acme"));
  uint64_t before = this->store_->version().value();
  auto done = this->store_->change([](AccountTransaction& t) -> Result<void> {
    TRY_VOID(t.put(test_key("k2", "acme")));
    TRY_VOID(t.remove(AccountKind::kKey, "k1"));
    TRY_VOID(t.add_audit({.actor = "a", .action = "keys.create"}));
    TRY(auto own, t.find(AccountKind::kKey, "k2"));
    EXPECT_TRUE(own) << "it sees what it wrote";
    return fail(ErrorCode::kPermissionDenied, "no", "p", "r");
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kPermissionDenied);
  EXPECT_EQ(done.error().reason, "r");
  EXPECT_TRUE(this->find(AccountKind::kKey, "k1"));
  EXPECT_FALSE(this->find(AccountKind::kKey, "k2"));
  EXPECT_TRUE(this->store_->audit({})->empty());
  EXPECT_EQ(this->store_->version().value(), before);
}

TYPED_TEST_P(AccountStoreSuite, ListsByPlaceAndInPages) {
  for (std::string tenant : {"a", "b"})
    for (std::string id : {"3", "1", "2"}) {
      Account user = test_account(AccountKind::kUser, tenant + id, tenant);
      user.team = id == "1" ? "red" : "blue";
      this->put(user);
    }
  Account key = test_key("k", "a");
  key.user = "a1";
  this->put(key);
  using ::testing::ElementsAre;
  EXPECT_THAT(this->ids({.kind = AccountKind::kUser}), ElementsAre("a1", "a2", "a3", "b1", "b2", "b3"));
  EXPECT_THAT(this->ids({.kind = AccountKind::kUser, .tenant = "a"}), ElementsAre("a1", "a2", "a3"));
  EXPECT_THAT(this->ids({.kind = AccountKind::kUser, .tenant = "a", .team = "blue"}),
              ElementsAre("a2", "a3"));
  EXPECT_THAT(this->ids({.kind = AccountKind::kUser, .after = "a2", .limit = 2}), ElementsAre("a3", "b1"));
  EXPECT_THAT(this->ids({.kind = AccountKind::kKey, .user = "a1"}), ElementsAre("k"));
  EXPECT_THAT(this->ids({.kind = AccountKind::kKey, .user = "a2"}), ElementsAre());
  EXPECT_THAT(this->ids({.kind = AccountKind::kUser, .tenant = "' OR 1=1 --"}), ElementsAre());
}

TYPED_TEST_P(AccountStoreSuite, TheVersionGrowsWithEveryChange) {
  uint64_t version = this->store_->version().value();
  auto grew = [&] {
    uint64_t now = this->store_->version().value();
    return now > std::exchange(version, now);
  };
  EXPECT_FALSE(grew());
  this->put(test_key("k1", "acme"));
  EXPECT_TRUE(grew());
  this->find(AccountKind::kKey, "k1");
  this->store_->audit({});
  this->change([](AccountTransaction& t) { return t.add_audit({.actor = "a", .action = "x"}); });
  EXPECT_FALSE(grew()) << "nothing that a snapshot shows has changed";
  this->change([](AccountTransaction& t) { return t.remove(AccountKind::kKey, "k1"); });
  EXPECT_TRUE(grew());
  auto second = this->adapter_.open();
  second->change([](AccountTransaction& t) { return t.put(test_key("k2", "acme")); }).value();
  EXPECT_TRUE(grew()) << "others' changes too";
}

TYPED_TEST_P(AccountStoreSuite, ReadsEverythingOfOneMoment) {
  this->put(test_account(AccountKind::kTeam, "red", "acme"));
  this->put(test_key("k2", "acme"));
  this->put(test_key("k1", "acme"));
  this->put(test_account(AccountKind::kTenant, "acme", "acme"));
  Account bare = test_account(AccountKind::kKey, "k3", "acme");
  this->put(bare);
  auto all = this->store_->read_all();
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->version, this->store_->version().value());
  EXPECT_THAT(all->accounts, ::testing::ElementsAre(test_account(AccountKind::kTenant, "acme", "acme"),
                                                    test_account(AccountKind::kTeam, "red", "acme"),
                                                    test_key("k1", "acme"), test_key("k2", "acme"), bare));
}

TYPED_TEST_P(AccountStoreSuite, KeepsTheAuditLogInOrder) {
  for (int n = 1; n <= 5; ++n)
    this->change([&](AccountTransaction& t) {
      return t.add_audit({.unix_ms = n,
                          .tenant = n % 2 ? "a" : "b",
                          .actor = "key k",
                          .action = n < 4 ? "keys.create" : "users.delete",
                          .object = "o",
                          .refused = n == 5,
                          .detail = "{\"n\":1}",
                          .request = "req_1",
                          .peer = "::1"});
    });
  auto times = [&](const AccountStore::AuditFilter& filter) {
    std::vector<int64_t> found;
    for (const AuditRow& row : this->store_->audit(filter).value())
      found.push_back(row.unix_ms);
    return found;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(times({}), ElementsAre(5, 4, 3, 2, 1));
  EXPECT_THAT(times({.tenant = "a"}), ElementsAre(5, 3, 1));
  EXPECT_THAT(times({.action = "keys."}), ElementsAre(3, 2, 1));
  EXPECT_THAT(times({.limit = 2}), ElementsAre(5, 4));
  auto newest = this->store_->audit({.limit = 1}).value().at(0);
  EXPECT_EQ(newest, (AuditRow{newest.sequence, 5, "a", "key k", "users.delete", "o", true, "{\"n\":1}",
                              "req_1", "::1"}));
  EXPECT_THAT(times({.before = newest.sequence - 1}), ElementsAre(3, 2, 1));
}

TYPED_TEST_P(AccountStoreSuite, OldRowsOfTheAuditLogGoSomeAtATime) {
  for (int n = 1; n <= 7; ++n)
    this->change([&](AccountTransaction& t) {
      return t.add_audit({.unix_ms = n == 2 ? 100 : n, .tenant = n % 2 ? "a" : "", .action = "x"});
    });
  uint64_t version = this->store_->version().value();
  auto times = [&] {
    std::vector<int64_t> found;
    for (const AuditRow& row : this->store_->audit({}).value())
      found.push_back(row.unix_ms);
    return found;
  };
  using ::testing::ElementsAre;
  EXPECT_EQ(this->store_->expire_audit(1, 10).value(), 0u);
  EXPECT_EQ(this->store_->expire_audit(6, 3).value(), 2u) << "of the first three one is younger";
  EXPECT_THAT(times(), ElementsAre(7, 6, 5, 4, 100));
  EXPECT_EQ(this->store_->expire_audit(6, 3).value(), 2u);
  EXPECT_EQ(this->store_->expire_audit(6, 3).value(), 0u);
  EXPECT_THAT(times(), ElementsAre(7, 6, 100));
  EXPECT_EQ(this->store_->version().value(), version) << "nothing that a snapshot shows has changed";
  int64_t newest = this->store_->audit({.limit = 1}).value().at(0).sequence;
  EXPECT_EQ(this->store_->expire_audit(1000, 10).value(), 3u);
  EXPECT_THAT(times(), ElementsAre());
  this->change([](AccountTransaction& t) { return t.add_audit({.unix_ms = 8, .action = "y"}); });
  EXPECT_GT(this->store_->audit({}).value().at(0).sequence, newest) << "no number twice";
}

REGISTER_TYPED_TEST_SUITE_P(AccountStoreSuite, GivesBackWhatItWasGiven, ReplacesWhole, AllOrNothing,
                            ListsByPlaceAndInPages, TheVersionGrowsWithEveryChange,
                            ReadsEverythingOfOneMoment, KeepsTheAuditLogInOrder,
                            OldRowsOfTheAuditLogGoSomeAtATime);

}  // namespace weir::store
