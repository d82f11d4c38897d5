// What each role may do, as a table of its own: a change of permission.h shows here.
#include "weir/accounts/permission.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

namespace weir::accounts {
namespace {

std::set<std::string> held(const std::string& role, bool first_tenant) {
  std::set<std::string> names;
  Permissions all = permissions_of(std::vector<std::string>{role}, first_tenant);
  for (unsigned n = 0; n < static_cast<unsigned>(Permission::kCount); ++n)
    if (permits(all, static_cast<Permission>(n))) names.emplace(name(static_cast<Permission>(n)));
  return names;
}

TEST(Permission, OfEveryRole) {
  std::set<std::string> seeing{"tenants.read", "people.read", "usage.read", "overview.read", "requests.read"};
  auto with = [&](std::set<std::string> more) {
    more.insert(seeing.begin(), seeing.end());
    return more;
  };
  std::set<std::string> admin = with({"tenants.write", "people.write", "keys.read", "keys.write", "keys.own",
                                      "limits.write", "audit.read", "config.read", "config.check"});
  std::set<std::string> owner = admin;
  owner.insert("ownership");
  std::map<std::string, std::set<std::string>> expected{
      {"owner", owner},
      {"admin", admin},
      {"operator", with({"keys.read", "config.read", "config.check"})},
      {"developer", {"keys.own", "usage.read", "overview.read", "requests.read"}},
      {"service", {}},
      {"viewer", seeing},
      {"auditor", with({"keys.read", "audit.read", "config.read"})},
      {"billing", {"tenants.read", "people.read", "usage.read", "limits.write"}},
      {"root", {}},  // no role
      {"Owner", {}},
      {"", {}},
  };
  EXPECT_EQ(kRoles.size(), 8u);
  for (auto& [role, names] : expected) {
    EXPECT_EQ(held(role, false), names) << role;
    if (role == "developer" || role == "service" || !accounts::role(role)) {
      EXPECT_EQ(held(role, true), names) << role;
    } else {
      names.insert("tenants.all");
      EXPECT_EQ(held(role, true), names) << role << " of the first tenant";
    }
  }
}

TEST(Permission, GrantsStayWithin) {
  auto of = [](std::vector<std::string> roles, bool first) { return permissions_of(roles, first); };
  EXPECT_TRUE(within(of({"admin"}, false), of({"owner"}, false)));
  EXPECT_FALSE(within(of({"owner"}, false), of({"admin"}, true))) << "an admin makes no owner";
  EXPECT_FALSE(within(of({"admin"}, true), of({"admin"}, false))) << "nor one that acts everywhere";
  EXPECT_FALSE(within(of({"developer"}, false), of({"viewer"}, true)));
  EXPECT_TRUE(within(of({"service"}, false), 0));
  EXPECT_EQ(of({"viewer", "billing"}, false), of({"viewer"}, false) | of({"billing"}, false));
}

}  // namespace
}  // namespace weir::accounts
