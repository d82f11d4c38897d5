// The stage: whom it lets on, what it notes. Who is who: accounts/authenticator_test.cc.
#include "weir/pipeline/auth/auth_stage.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weir/pipeline/testing.h"

namespace weir::pipeline {
namespace {

TEST(Auth, NotesThePrincipalAndTheTime) {
  testing::run([](io::Loop& loop) -> io::Task<void> {
    AuthSettings settings;
    settings.keys.push_back({"name of sk-1", sha256("sk-1"), {"a model"}});
    accounts::Authenticator authenticator(loop);
    authenticator.set_settings(settings);
    AuthStage stage(authenticator);
    testing::Asked asked(loop);
    std::vector<Header> headers{{"authorization", "Bearer sk-1"}};
    asked.exchange.headers = headers;
    auto flow = co_await stage.before(asked.exchange);
    EXPECT_TRUE(flow && *flow == exchange::Stage::Flow::kOn);
    EXPECT_EQ(asked.exchange.principal.name(), "name of sk-1");
    EXPECT_GT(asked.exchange.timeline.authenticated.ns, 0);
    testing::Asked stranger(loop);
    auto refused = co_await stage.before(stranger.exchange);
    EXPECT_TRUE(!refused && refused.error().code == ErrorCode::kUnauthenticated);
  });
}

}  // namespace
}  // namespace weir::pipeline
