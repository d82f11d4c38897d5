// Who is let in: by which header, with which key, and who without any.
#include "weir/accounts/authenticator.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "weir/accounts/key.h"
#include "weir/accounts/permission.h"
#include "weir/io/net/test_loop.h"

namespace weir::accounts {
namespace {

AuthSettings settings_with(std::vector<std::string> keys, Anonymous anonymous = Anonymous::kNever) {
  AuthSettings settings;
  settings.anonymous = anonymous;
  for (const std::string& key : keys)
    settings.keys.push_back({"name of " + key, sha256(key), {"model of " + key}});
  return settings;
}

// The principal's name, or the reason of the refusal.
std::string verdict(const AuthSettings& settings, std::vector<Header> headers, bool local = false) {
  io::net::TestLoop host;
  Authenticator authenticator(host.loop());
  authenticator.set_settings(settings);
  auto who = authenticator.authenticate(headers, local);
  if (who) return std::string(who->name());
  EXPECT_EQ(who.error().code, ErrorCode::kUnauthenticated);
  return who.error().reason;
}

constexpr std::string_view kWrong = "invalid_api_key";

TEST(Auth, KnowsItsKeys) {
  AuthSettings settings = settings_with({"sk-1", "sk-2", "sk-3", "sk-4"});
  for (std::string key : {"sk-1", "sk-2", "sk-3", "sk-4"}) {
    std::string bearer = "Bearer " + key;
    EXPECT_EQ(verdict(settings, {{"Authorization", bearer}}), "name of " + key);
    EXPECT_EQ(verdict(settings, {{"api-key", key}}), "name of " + key);
    io::net::TestLoop host;
    Authenticator authenticator(host.loop());
    authenticator.set_settings(settings);
    std::vector<Header> headers{{"x", "y"}, {"authorization", bearer}};
    auto who = authenticator.authenticate(headers, false);
    ASSERT_TRUE(who);
    EXPECT_TRUE(who->may_use("model of " + key));
    EXPECT_FALSE(who->may_use("another"));
  }
}

TEST(Auth, SpellsBearerAsItLikes) {
  AuthSettings settings = settings_with({"sk-1"});
  for (std::string_view value : {"bearer sk-1", "BEARER sk-1", "Bearer   sk-1"})
    EXPECT_EQ(verdict(settings, {{"AUTHORIZATION", value}}), "name of sk-1") << value;
  EXPECT_EQ(verdict(settings, {{"API-Key", "sk-1"}}), "name of sk-1");
}

TEST(Auth, RefusesEverythingElse) {
  AuthSettings settings = settings_with({"sk-1", "sk-2"});
  std::string long_key(8193, 'k');
  for (std::string_view value :
       {"Bearer sk-3", "Bearer", "Bearer ", "Bearer  ", "sk-1", "Basic sk-1", "Bearersk-1",
        "Bearer sk-1 sk-2", "Bearer SK-1", "Bearer sk-", "Bearer\tsk-1", ""})
    EXPECT_EQ(verdict(settings, {{"authorization", value}}), kWrong) << value;
  EXPECT_EQ(verdict(settings, {{"api-key", ""}}), kWrong);
  EXPECT_EQ(verdict(settings, {{"api-key", long_key}}), kWrong);
  EXPECT_EQ(verdict(settings_with({}), {{"api-key", "sk-1"}}), kWrong);
  EXPECT_EQ(verdict(settings, {}), "missing_api_key");
  EXPECT_EQ(verdict(settings, {{"x-api-key", "sk-3"}}), kWrong);
  EXPECT_EQ(verdict(settings, {{"x-api-key", "sk-1"}}), "name of sk-1");
  EXPECT_EQ(verdict(settings, {{"x-goog-api-key", "sk-1"}}), "missing_api_key");
}

TEST(Auth, TwoCredentialsMustBeOne) {
  AuthSettings settings = settings_with({"sk-1", "sk-2"});
  EXPECT_EQ(verdict(settings, {{"authorization", "Bearer sk-1"}, {"api-key", "sk-1"}}), "name of sk-1");
  EXPECT_EQ(verdict(settings, {{"authorization", "Bearer sk-1"}, {"api-key", "sk-2"}}), kWrong);
  EXPECT_EQ(verdict(settings, {{"api-key", "sk-2"}, {"authorization", "Bearer sk-1"}}), kWrong);
  EXPECT_EQ(verdict(settings, {{"authorization", "Bearer sk-1"}, {"authorization", "Bearer nonsense"}}),
            kWrong);
  EXPECT_EQ(verdict(settings, {{"authorization", "Bearer sk-1"}, {"authorization", "Basic x"}}), kWrong);
}

TEST(Auth, StrangersAreWelcomeWhereSaid) {
  for (auto [anonymous, local, expected] :
       std::vector<std::tuple<Anonymous, bool, std::string>>{{Anonymous::kNever, true, "missing_api_key"},
                                                             {Anonymous::kLoopback, false, "missing_api_key"},
                                                             {Anonymous::kLoopback, true, "anonymous"},
                                                             {Anonymous::kAlways, false, "anonymous"}}) {
    AuthSettings settings = settings_with({"sk-1"}, anonymous);
    EXPECT_EQ(verdict(settings, {}, local), expected);
    // A wrong key is refused even there: its owner should know.
    EXPECT_EQ(verdict(settings, {{"authorization", "Bearer wrong"}}, local), kWrong);
    EXPECT_EQ(verdict(settings, {{"authorization", "Bearer "}}, local), kWrong);
    EXPECT_EQ(verdict(settings, {{"authorization", "Bearer sk-1"}}, local), "name of sk-1");
  }
}

TEST(Auth, AnonymousMayUseEveryModel) {
  AuthSettings settings = settings_with({}, Anonymous::kAlways);
  io::net::TestLoop host;
  Authenticator authenticator(host.loop());
  authenticator.set_settings(settings);
  auto who = authenticator.authenticate({}, false);
  ASSERT_TRUE(who);
  EXPECT_TRUE(who->may_use("anything"));
}

// --------------------------------------------------------------------------------- accounts

using store::Account;
using store::AccountKind;

struct World {
  Account* add(AccountKind kind, std::string id, std::string tenant) {
    Account a;
    a.kind = kind;
    a.id = a.name = std::move(id);
    a.tenant = std::move(tenant);
    return &all.accounts.emplace_back(std::move(a));
  }
  // A key's text; `change` may say more of it.
  std::string add_key(const std::string& tenant, std::function<void(Account&)> change = {}) {
    NewKey made = make_key(host.loop().random());
    Account* key = add(AccountKind::kKey, made.id, tenant);
    key->secrets = {{peppers->digest(made.text.reveal()), peppers->current(), made.last4, 0, 0}};
    if (change) change(*key);
    return std::string(made.text.reveal());
  }
  void take() { authenticator.set_directory(Directory::build(all, peppers, meter_of)); }
  // The principal's tenant and key, or why not.
  std::string verdict(const std::string& key) {
    std::string bearer = "Bearer " + key;
    std::vector<Header> headers{{"authorization", bearer}};
    auto who = authenticator.authenticate(headers, true);
    return who ? std::string(who->tenant()) : who.error().reason;
  }

  io::net::TestLoop host;
  std::shared_ptr<const Peppers> peppers =
      std::make_shared<const Peppers>(std::vector{Secret(std::string_view("pepper of the tests"))});
  store::AccountStore::Everything all;
  MeterOf meter_of;
  Authenticator authenticator{host.loop()};
};

TEST(AuthAccounts, KnowsKeysByTheirWholeText) {
  World w;
  w.add(AccountKind::kTenant, "acme", "acme");
  std::vector<std::string> keys;
  for (int n = 0; n < 500; ++n)
    keys.push_back(w.add_key("acme"));
  w.take();
  EXPECT_EQ(w.authenticator.directory()->keys(), 500u);
  for (const std::string& key : keys)
    EXPECT_EQ(w.verdict(key), "acme");
  for (size_t at = 0; at < keys[0].size(); ++at) {
    std::string other = keys[0];
    other[at] = other[at] == 'x' ? 'y' : 'x';
    EXPECT_EQ(w.verdict(other), kWrong) << at;
  }
  // Well-formed, and nobody's; of a known id with another secret.
  EXPECT_EQ(w.verdict(std::string(make_key(w.host.loop().random()).text.reveal())), kWrong);
  std::string id(read_key(keys[0]).id);
  EXPECT_EQ(w.verdict(std::string(make_key(w.host.loop().random(), "live", id).text.reveal())), kWrong);
  EXPECT_EQ(w.verdict(keys[0] + "x"), kWrong);
}

TEST(AuthAccounts, OfTheSnapshotOfNow) {
  World w;
  w.add(AccountKind::kTenant, "acme", "acme");
  std::string key = w.add_key("acme");
  EXPECT_EQ(w.verdict(key), kWrong);
  w.take();
  std::string bearer = "Bearer " + key;
  std::vector<Header> headers{{"authorization", bearer}};
  auto who = w.authenticator.authenticate(headers, false);
  ASSERT_TRUE(who);
  w.all.accounts.back().revoked_unix_ms = 1;
  w.take();
  EXPECT_EQ(w.verdict(key), kWrong);
  EXPECT_EQ(who->tenant(), "acme") << "a request under way keeps its identity";
  w.authenticator.set_directory(nullptr);
  EXPECT_EQ(w.verdict(key), kWrong);
  EXPECT_EQ(who->name(), read_key(key).id);
}

TEST(AuthAccounts, TwoSecretsWhileAKeyIsRotated) {
  World w;
  int64_t now = w.host.loop().wall_now().unix_ns / 1'000'000;
  w.add(AccountKind::kTenant, "acme", "acme");
  std::string before = w.add_key("acme");
  Account& key = w.all.accounts.back();
  NewKey made = make_key(w.host.loop().random(), "live", key.id);
  std::string after(made.text.reveal());
  key.secrets.push_back({w.peppers->digest(after), w.peppers->current(), made.last4, 0, 0});
  key.secrets[0].expires_unix_ms = now + 3'600'000;
  w.take();
  EXPECT_EQ(w.verdict(before), "acme");
  EXPECT_EQ(w.verdict(after), "acme");
  w.all.accounts.back().secrets[0].expires_unix_ms = now - 1;
  w.take();
  EXPECT_EQ(w.verdict(before), kWrong);
  EXPECT_EQ(w.verdict(after), "acme");
  w.all.accounts.back().expires_unix_ms = now - 1;
  w.take();
  EXPECT_EQ(w.verdict(after), kWrong);
}

TEST(AuthAccounts, WhoIsSuspendedIsTold) {
  World w;
  for (int what = 0; what < 6; ++what) {
    w.all.accounts.clear();
    w.add(AccountKind::kTenant, "acme", "acme")->suspended = what == 1;
    w.add(AccountKind::kTeam, "red", "acme")->suspended = what == 2;
    w.add(AccountKind::kUser, "ann", what == 5 ? "other" : "acme")->suspended = what == 3;
    std::string key = w.add_key("acme", [&](Account& k) {
      k.team = "red";
      k.user = "ann";
      k.suspended = what == 4;
    });
    w.take();
    EXPECT_EQ(w.verdict(key), what == 0 ? "acme" : "account_suspended") << what;
  }
}

TEST(AuthAccounts, APepperThatIsNotKnownLetsNobodyIn) {
  World w;
  w.add(AccountKind::kTenant, "acme", "acme");
  std::string key = w.add_key("acme");
  w.take();
  EXPECT_EQ(w.authenticator.directory()->unverifiable(), 0u);
  auto both = std::make_shared<const Peppers>(
      std::vector{Secret(std::string_view("a new one")), Secret(std::string_view("pepper of the tests"))});
  w.peppers = both;
  w.take();
  EXPECT_EQ(w.verdict(key), "acme") << "the former pepper still verifies";
  w.peppers = std::make_shared<const Peppers>(std::vector{Secret(std::string_view("a new one"))});
  w.take();
  EXPECT_EQ(w.authenticator.directory()->unverifiable(), 1u);
  EXPECT_EQ(w.verdict(key), kWrong);
}

TEST(AuthAccounts, PermissionsOfTheFirstTenantReachEverywhere) {
  World w;
  w.add(AccountKind::kTenant, "acme", "acme");
  w.add(AccountKind::kTenant, "default", "default");
  for (std::string tenant : {"acme", "default"}) {
    std::string bearer = "Bearer " + w.add_key(tenant, [](Account& k) { k.roles = {"viewer"}; });
    w.take();
    std::vector<Header> headers{{"authorization", bearer}};
    auto who = w.authenticator.authenticate(headers, false);
    ASSERT_TRUE(who);
    EXPECT_TRUE(permits(who->permissions(), Permission::kPeopleRead));
    EXPECT_EQ(permits(who->permissions(), Permission::kAllTenants), tenant == "default");
  }
}

TEST(AuthAccounts, TheConfigurationsKeysLiveBesideThem) {
  World w;
  w.authenticator.set_settings(settings_with({"sk-1", "wr_local_0123456789012345678901234567890a"}));
  w.take();
  EXPECT_EQ(w.verdict("sk-1"), "");
  EXPECT_EQ(w.verdict("wr_local_0123456789012345678901234567890a"), "") << "has no checksum";
  EXPECT_EQ(w.verdict("sk-2"), kWrong);
}

}  // namespace
}  // namespace weir::accounts
