#include "weir/io/sim/sim_network.h"

#include <gtest/gtest.h>

#include "weir/io/sim/test_universe.h"

namespace weir::io::sim {
namespace {

Network::ListenOptions options(bool shared) {
  Network::ListenOptions o;
  o.shared_port = shared;
  return o;
}

void drop(std::unique_ptr<Stream>) {}

TEST(SimListenerTest, SharesAPortBetweenOurLoopsOnly) {
  TestUniverse world;
  auto first = world.server(0).network().listen(tcp("0.0.0.0", 0), options(true), drop);
  ASSERT_TRUE(first);
  Address at = (*first)->local();
  EXPECT_NE(at.port, 0);
  auto second = world.server(1).network().listen(at, options(true), drop);
  EXPECT_TRUE(second);
  auto taken = world.server(1).network().listen(tcp("127.0.0.1", at.port), options(false), drop);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::kIo);
  EXPECT_EQ(taken.error().message,
            "cannot listen on 127.0.0.1:" + std::to_string(at.port) + ": address already in use");
  EXPECT_TRUE(world.client().network().listen(at, options(false), drop)) << "another machine's port";
  EXPECT_EQ(world->census().listeners, 2u);
  first->reset();
  second->reset();
  EXPECT_TRUE(world.server(1).network().listen(at, options(false), drop));
}

TEST(SimListenerTest, OneHostsPortIsNotAnothers) {
  TestUniverse world;
  auto own = world.server().network().listen(tcp("10.0.0.2", 80), options(false), drop);
  EXPECT_TRUE(own);
  auto loopback = world.server().network().listen(tcp("localhost", 80), options(false), drop);
  EXPECT_TRUE(loopback);
  EXPECT_FALSE(world.server().network().listen(tcp("server", 80), options(false), drop));
  EXPECT_FALSE(world.server().network().listen(tcp("0.0.0.0", 80), options(false), drop));
}

TEST(SimListenerTest, RefusesAddressesItCannotBind) {
  TestUniverse world;
  for (auto host : {"10.0.0.1", "203.0.113.1", "no-such-host.invalid"}) {
    auto listener = world.server().network().listen(tcp(host, 80), {}, drop);
    ASSERT_FALSE(listener) << host;
    EXPECT_EQ(listener.error().code, ErrorCode::kIo);
  }
}

TEST(SimListenerTest, AUnixPathIsOneListenersAndFreeAfterwards) {
  TestUniverse world;
  Address at{Address::Kind::kUnix, "/run/weir.sock", 0};
  auto listener = world.server().network().listen(at, {}, drop);
  ASSERT_TRUE(listener);
  EXPECT_EQ((*listener)->local(), at);
  EXPECT_FALSE(world.server(1).network().listen(at, {}, drop));
  listener->reset();
  EXPECT_TRUE(world.server(1).network().listen(at, {}, drop));
}

Task<void> connect_many(TestUniverse* world, int count, std::vector<std::unique_ptr<Stream>>* kept) {
  Cancel cancel;
  for (int i = 0; i < count; ++i) {
    auto stream = co_await world->client().network().connect(tcp("server", 80), {}, cancel);
    EXPECT_TRUE(stream);
    if (stream) kept->push_back(std::move(*stream));
  }
}

TEST(SimListenerTest, ConnectionsSpreadOverTheLoopsOfOnePort) {
  TestUniverse world;
  std::vector<std::unique_ptr<Stream>> accepted[2], kept;
  std::vector<std::unique_ptr<Listener>> listeners;
  for (size_t i : {0, 1}) {
    auto made = world.server(i).network().listen(
        tcp("0.0.0.0", 80), options(true),
        [&accepted, i](auto stream) { accepted[i].push_back(std::move(stream)); });
    ASSERT_TRUE(made);
    listeners.push_back(std::move(*made));
  }
  world.run(connect_many(&world, 100, &kept));
  EXPECT_EQ(accepted[0].size() + accepted[1].size(), 100u);
  EXPECT_GT(accepted[0].size(), 20u);
  EXPECT_GT(accepted[1].size(), 20u);
  EXPECT_EQ(world->census().streams, 200u);
}

TEST(SimListenerTest, MayBeDestroyedWhileItAccepts) {
  TestUniverse world;
  std::unique_ptr<Listener> listener;
  auto made = world.server().network().listen(tcp("0.0.0.0", 80), {}, [&](auto) { listener.reset(); });
  listener = std::move(*made);
  std::vector<std::unique_ptr<Stream>> kept;
  world.run(connect_many(&world, 1, &kept));
  EXPECT_FALSE(listener);
}

Task<void> connect_to(Loop& loop, Address to, Cancel& cancel, Result<std::unique_ptr<Stream>>* into,
                      ConnectOptions options = {}) {
  *into = co_await loop.network().connect(to, options, cancel);
}

struct Attempt {
  Result<std::unique_ptr<Stream>> result;
  Duration took{};
};
Attempt attempt(TestUniverse& world, Loop& from, const Address& to, const ConnectOptions& how = {}) {
  Cancel cancel;
  MonoTime begin = world->now();
  Attempt a;
  world.run(connect_to(from, to, cancel, &a.result, how));
  a.took = world->now() - begin;
  return a;
}

TEST(SimConnectTest, FindsListenersByNameHostAndLoopback) {
  TestUniverse world;
  auto any = world.server().network().listen(tcp("0.0.0.0", 80), {}, drop);
  auto loopback = world.server().network().listen(tcp("127.0.0.1", 81), {}, drop);
  auto own = world.server().network().listen(tcp("server", 82), {}, drop);
  for (auto host : {"server", "10.0.0.2"}) {
    EXPECT_TRUE(attempt(world, world.client(), tcp(host, 80)).result) << host;
    EXPECT_FALSE(attempt(world, world.client(), tcp(host, 81)).result) << host;
    EXPECT_TRUE(attempt(world, world.client(), tcp(host, 82)).result) << host;
  }
  for (auto host : {"localhost", "127.0.0.1", "::1"}) {
    EXPECT_FALSE(attempt(world, world.client(), tcp(host, 80)).result) << host;
    EXPECT_TRUE(attempt(world, world.server(1), tcp(host, 80)).result) << host;
    EXPECT_TRUE(attempt(world, world.server(1), tcp(host, 81)).result) << host;
    EXPECT_FALSE(attempt(world, world.server(1), tcp(host, 82)).result) << host;
  }
}

TEST(SimConnectTest, SaysWhyNobodyAnswered) {
  TestUniverse world;
  auto refused = attempt(world, world.client(), tcp("10.0.0.2", 80));
  ASSERT_FALSE(refused.result);
  EXPECT_EQ(refused.result.error().code, ErrorCode::kUpstream);
  EXPECT_TRUE(refused.result.error().retryable);
  EXPECT_TRUE(refused.result.error().safe.empty()) << "callers do not see upstream addresses";
  EXPECT_EQ(refused.result.error().message,
            "cannot connect to 10.0.0.2:80 (10.0.0.2:80: Connection refused)");
  EXPECT_GE(refused.took, std::chrono::microseconds(100)) << "there and back";

  auto unknown = attempt(world, world.client(), tcp("nowhere", 80));
  EXPECT_NE(unknown.result.error().message.find("Name or service not known"), std::string::npos);
  auto no_route = attempt(world, world.client(), tcp("203.0.113.1", 80));
  EXPECT_NE(no_route.result.error().message.find("No route to host"), std::string::npos);
  auto missing = attempt(world, world.client(), {Address::Kind::kUnix, "/none", 0});
  EXPECT_NE(missing.result.error().message.find("No such file"), std::string::npos);
}

TEST(SimConnectTest, AMachineThatIsOffAnswersNobody) {
  TestUniverse world;
  world->add_machine("off", "10.0.0.9", 1);
  auto lost = attempt(world, world.client(), tcp("off", 80));
  ASSERT_FALSE(lost.result);
  EXPECT_NE(lost.result.error().message.find("timed out"), std::string::npos);
  EXPECT_GT(lost.took, seconds(120));
}

TEST(SimConnectTest, EndsWhenItsScopeIsCancelled) {
  TestUniverse world;
  world->add_machine("off", "10.0.0.9", 1);
  Cancel scope;
  Result<std::unique_ptr<Stream>> result;
  world.start(connect_to(world.client(), tcp("off", 80), scope, &result));
  world->run_for(seconds(1));
  MonoTime then = world->now();
  world->at(seconds(1), [&] {
    scope.request(CancelReason::kConnectTimeout);
    EXPECT_TRUE(result) << "from the loop, not from inside the call";
  });
  world.finish();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  EXPECT_LT(world->now() - then, seconds(2));
  result = {};
  world.run(connect_to(world.client(), tcp("off", 80), scope, &result));  // cancelled before it begins
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
}

// Cancelled at any moment of the attempt, neither end is left behind.
TEST(SimConnectTest, ACancelledAttemptLeavesNothing) {
  for (int us = 0; us < 1000; us += 10) {
    TestUniverse world(static_cast<uint64_t>(us) + 1);
    size_t frames = world->census().frames;
    std::unique_ptr<Stream> accepted;
    auto listener = world.server().network().listen(tcp("0.0.0.0", 80), {},
                                                    [&](auto stream) { accepted = std::move(stream); });
    Cancel scope;
    Result<std::unique_ptr<Stream>> result;
    world.start(connect_to(world.client(), tcp("server", 80), scope, &result));
    world->at(std::chrono::microseconds(us), [&] { scope.request(CancelReason::kAbandoned); });
    world.finish();
    world->run_for(seconds(1));
    if (accepted && !result) {
      std::array<char, 10> buffer;
      Answer got;
      start_read(*accepted, buffer, got);
      world->run_for(seconds(1));
      EXPECT_EQ(got.result.status, IoStatus::kEof);
    }
    result = {};
    accepted.reset();
    EXPECT_EQ(world->census().streams, 0u);
    EXPECT_EQ(world->census().frames, frames);
  }
}

TEST(SimTlsTest, BothSidesMustAgree) {
  TestUniverse world;
  TlsServerOptions certificate;
  Network::ListenOptions with_tls;
  with_tls.tls = &certificate;
  std::vector<std::unique_ptr<Stream>> accepted;
  auto keep = [&](std::unique_ptr<Stream> stream) { accepted.push_back(std::move(stream)); };
  auto plain = world.server().network().listen(tcp("0.0.0.0", 80), {}, keep);
  auto secure = world.server().network().listen(tcp("0.0.0.0", 443), with_tls, keep);
  ConnectOptions tls;
  tls.tls = true;
  EXPECT_TRUE(attempt(world, world.client(), tcp("server", 80)).result);
  EXPECT_TRUE(attempt(world, world.client(), tcp("server", 443), tls).result);
  ASSERT_EQ(accepted.size(), 2u);

  auto to_plain = attempt(world, world.client(), tcp("server", 80), tls);
  ASSERT_FALSE(to_plain.result);
  EXPECT_EQ(to_plain.result.error().code, ErrorCode::kUpstream);
  EXPECT_FALSE(to_plain.result.error().retryable);
  EXPECT_NE(to_plain.result.error().message.find("TLS with server:80"), std::string::npos);

  accepted.clear();
  auto to_secure = attempt(world, world.client(), tcp("server", 443));
  ASSERT_TRUE(to_secure.result) << "the connection is there, the handshake never ends";
  EXPECT_TRUE(accepted.empty());
  std::array<char, 10> buffer;
  Answer got;
  start_read(**to_secure.result, buffer, got);
  world->run_for(seconds(1));
  EXPECT_EQ(got.result.status, IoStatus::kEof);
}

}  // namespace
}  // namespace weir::io::sim
