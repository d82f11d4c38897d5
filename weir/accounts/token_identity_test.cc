// Who a token's subject is among the accounts.
#include "weir/accounts/token_identity.h"

#include <gtest/gtest.h>

#include "weir/accounts/jwt_testing.h"
#include "weir/accounts/permission.h"

namespace weir::accounts {
namespace {

using store::Account;
using store::AccountKind;

Account account(AccountKind kind, std::string id, bool suspended = false) {
  Account made;
  made.kind = kind;
  made.id = std::move(id);
  made.tenant = kind == AccountKind::kTenant ? made.id : "t1";
  made.name = made.id;
  made.suspended = suspended;
  return made;
}

std::shared_ptr<const Directory> directory(std::vector<Account> accounts) {
  return Directory::build({.version = 1, .accounts = std::move(accounts)}, nullptr, {});
}

struct Subject {
  TokenIssuerSettings issuer = testing::secret_issuer();
  TokenSubject subject{.issuer = &issuer, .tenant = "t1", .team = "red", .user = "ada", .roles = {"admin"}};
};

TEST(TokenIdentity, IsItsIssuersWordWhereNothingIsKnown) {
  Subject s;
  s.issuer.models = {"local/*"};
  auto identity = identity_of(s.subject, nullptr);
  ASSERT_TRUE(identity);
  EXPECT_EQ((*identity)->name, "ada");
  EXPECT_EQ((*identity)->tenant, "t1");
  EXPECT_EQ((*identity)->team, "red");
  EXPECT_EQ((*identity)->models, std::vector<std::string>{"local/*"});
  EXPECT_TRUE(permits((*identity)->permissions, Permission::kKeysWrite));
  EXPECT_FALSE(permits((*identity)->permissions, Permission::kAllTenants));
  s.subject.tenant = kFirstTenant;
  EXPECT_TRUE(permits((*identity_of(s.subject, nullptr))->permissions, Permission::kAllTenants));
  s.subject.roles = {};
  EXPECT_EQ((*identity_of(s.subject, nullptr))->permissions, 0u);
}

TEST(TokenIdentity, OfASuspendedAccountIsRefused) {
  Subject s;
  auto reason = [&](std::vector<Account> accounts) {
    auto identity = identity_of(s.subject, directory(std::move(accounts)).get());
    return identity ? "" : identity.error().reason;
  };
  EXPECT_EQ(reason({}), "");
  EXPECT_EQ(reason({account(AccountKind::kTenant, "t1"), account(AccountKind::kUser, "ada")}), "");
  for (auto [kind, id] :
       {std::pair{AccountKind::kTenant, "t1"}, {AccountKind::kTeam, "red"}, {AccountKind::kUser, "ada"}}) {
    EXPECT_EQ(reason({account(AccountKind::kTenant, "t1", kind == AccountKind::kTenant),
                      account(AccountKind::kTeam, "red", kind == AccountKind::kTeam),
                      account(AccountKind::kUser, "ada", kind == AccountKind::kUser)}),
              "account_suspended")
        << id;
  }
  EXPECT_EQ(reason({account(AccountKind::kTenant, "t2", true)}), "");
}

}  // namespace
}  // namespace weir::accounts
