// Who is let in: by which header, with which key, and who without any.
#include "weir/pipeline/auth/auth_stage.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weir/pipeline/testing.h"

namespace weir::pipeline {
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
  AuthStage stage(settings);
  auto who = stage.authenticate(headers, local);
  if (who) return std::string(who->name);
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
    AuthStage stage(settings);
    std::vector<Header> headers{{"x", "y"}, {"authorization", bearer}};
    auto who = stage.authenticate(headers, false);
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
  std::string long_key(513, 'k');
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
  auto who = AuthStage(settings).authenticate({}, false);
  ASSERT_TRUE(who);
  EXPECT_TRUE(who->may_use("anything"));
}

TEST(Auth, NotesThePrincipalAndTheTime) {
  testing::run([](io::Loop& loop) -> io::Task<void> {
    AuthSettings settings = settings_with({"sk-1"});
    AuthStage stage(settings);
    testing::Asked asked(loop);
    std::vector<Header> headers{{"authorization", "Bearer sk-1"}};
    asked.exchange.headers = headers;
    auto flow = co_await stage.before(asked.exchange);
    EXPECT_TRUE(flow && *flow == exchange::Stage::Flow::kOn);
    EXPECT_EQ(asked.exchange.principal.name, "name of sk-1");
    EXPECT_GT(asked.exchange.timeline.authenticated.ns, 0);
  });
}

}  // namespace
}  // namespace weir::pipeline
