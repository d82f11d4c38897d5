// Budgets and sums as the control plane shows them: to whom, and in which shape.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "weir/accounts/key.h"
#include "weir/admin/handler.h"
#include "weir/http/testing.h"

namespace weir::admin {
namespace {

using http::testing::get;
using http::testing::Guard;
using http::testing::RawClient;
using http::testing::Reply;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A key for each "tenant-role", whose name that is.
struct People {
  explicit People(io::Loop& loop) : authenticator(loop) {
    auto peppers = std::make_shared<const accounts::Peppers>(std::vector{Secret(std::string_view("p"))});
    store::AccountStore::Everything all;
    auto add = [&](std::string tenant, std::string role) {
      store::Account owner;
      owner.kind = store::AccountKind::kTenant;
      owner.id = owner.tenant = tenant;
      if (role.empty()) return all.accounts.push_back(owner);
      accounts::NewKey made = accounts::make_key(loop.random());
      store::Account key = owner;
      key.kind = store::AccountKind::kKey;
      key.id = made.id;
      key.name = tenant + "-" + role;
      key.roles = {role};
      key.secrets = {{peppers->digest(made.text.reveal()), peppers->current(), made.last4, 0, 0}};
      all.accounts.push_back(key);
      keys.emplace(key.name, made.text.reveal());
    };
    for (std::string tenant : {std::string("acme"), std::string(accounts::kFirstTenant)})
      for (std::string role : {"", "billing", "viewer", "service", "owner"})
        add(tenant, role);
    authenticator.set_directory(accounts::Directory::build(all, peppers, {}));
  }
  accounts::Authenticator authenticator;
  std::map<std::string, std::string> keys;
};

struct TestLedger final : store::Ledger {
  Result<std::vector<store::UsageSum>> usage(const store::UsageQuery& query) override {
    asked = query;
    store::UsageSum sum;
    for (store::UsageBy by : query.by)
      sum.by.emplace_back(by == store::UsageBy::kModel ? "river" : "x");
    sum.requests = 3;
    sum.nanodollars = 1'500'000'000;
    sum.input_nanodollars = 500'000'000;
    return std::vector{sum};
  }
  Result<store::SpentByScope> spent(int64_t, int64_t) override { return store::SpentByScope{}; }
  store::UsageQuery asked;
};

class AdminUsageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Limits limits;
    limits.budgets.push_back({BudgetPeriod::kTotal, 2'000'000'000, {}});
    for (const char* tenant : {"acme", "other"}) {
      auto meter = meters_.meter_of("tenant", tenant, limits);
      meter->settle({}, {1, 2, 500'000'000}, {});
    }
    limits.budgets[0].tokens = 10;
    auto held = meters_.meter_of("key", "k1", limits, "acme");
    EXPECT_FALSE(held->reserve({3, 2, 0}, {}));
  }
  Reply reply(std::string path, std::string who) {
    Reply out;
    auto play = [](io::Loop& loop, AdminUsageTest& t, std::string at, std::string name,
                   Reply& into) -> io::Task<void> {
      Guard guard(loop);
      People people(loop);
      std::string text = get(at, "Authorization: Bearer " + people.keys.at(name) + "\r\n");
      Handler handler(loop);
      handler.set_world(std::make_shared<const World>(
          World{std::make_shared<const Settings>(), &people.authenticator, nullptr, &t.meters_, t.ledger_}));
      http::testing::TestServer server(loop, [&](http::Request& request, http::ResponseWriter& response) {
        return handler.serve(request, response);
      });
      RawClient client(loop, guard.scope());
      EXPECT_TRUE(co_await client.connect(server.address()));
      into = co_await client.ask(std::move(text));
      co_await server.close();
    };
    io::net::TestLoop host;
    host.run(play(host.loop(), *this, path, who, out));
    return out;
  }
  quota::MeterTable meters_;
  std::shared_ptr<TestLedger> ledger_ = std::make_shared<TestLedger>();
};

TEST_F(AdminUsageTest, ShowsTheBudgetsOfOnesTenant) {
  Reply mine = reply("/admin/v1/budgets", "acme-billing");
  EXPECT_EQ(mine.status, 200);
  EXPECT_THAT(mine.body, AllOf(HasSubstr(R"("scope":"key","id":"k1","tenant":"acme","period":"total")"),
                               HasSubstr(R"("reserved_tokens":5,"share":0)"),
                               HasSubstr(R"("usd":"2.000000000","tokens":null,"spent_usd":"0.500000000",)"
                                         R"("spent_nanodollars":500000000,"spent_tokens":3)"),
                               HasSubstr(R"("share":0.25,"resets_at":null)"), Not(HasSubstr("other"))));
  EXPECT_EQ(reply("/admin/v1/budgets?tenant=other", "acme-billing").status, 403);
  EXPECT_THAT(reply("/admin/v1/budgets", "default-owner").body, AllOf(HasSubstr("acme"), HasSubstr("other")));
  EXPECT_EQ(reply("/admin/v1/budgets", "acme-service").status, 403);
}

TEST_F(AdminUsageTest, AsksTheLedgerForOnesTenant) {
  Reply sums = reply("/admin/v1/usage?from=2026-11-21T08:00&to=1795300000&by=model,day", "acme-viewer");
  EXPECT_EQ(sums.status, 200);
  EXPECT_THAT(sums.body, AllOf(HasSubstr(R"("data":[{"model":"river","day":"x","requests":3)"),
                               HasSubstr(R"("usd":"1.500000000","nanodollars":1500000000)"),
                               HasSubstr(R"("output_nanodollars":1000000000)")));
  EXPECT_EQ(ledger_->asked.from_s, 1'795'248'000);
  EXPECT_EQ(ledger_->asked.to_s, 1'795'300'000);
  ASSERT_EQ(ledger_->asked.where.size(), 1u);
  EXPECT_EQ(ledger_->asked.where[0].second, "acme");
  reply("/admin/v1/usage", "default-owner");
  EXPECT_TRUE(ledger_->asked.where.empty()) << "every tenant's";
  EXPECT_EQ(reply("/admin/v1/usage?by=run", "acme-viewer").status, 400);
  EXPECT_EQ(reply("/admin/v1/usage?from=yesterday", "acme-viewer").status, 400);
}

}  // namespace
}  // namespace weir::admin
