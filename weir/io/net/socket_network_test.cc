#include "weir/io/net/socket_network.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "weir/io/net/net_loop.h"
#include "weir/io/net/resolver.h"
#include "weir/io/net/socket_stream.h"
#include "weir/io/net/test_loop.h"
#include "weir/io/net/test_network.h"

namespace weir::io::net {
namespace {

const Address kAnyPort{Address::Kind::kTcp, "127.0.0.1", 0};

Network::ListenOptions options(bool shared) {
  Network::ListenOptions o;
  o.shared_port = shared;
  return o;
}

void drop(std::unique_ptr<Stream>) {}

TEST(ListenerTest, SharesAPortBetweenOurLoopsOnly) {
  TestLoop ours(2), other(2);
  auto first = ours.loop(0).network().listen(kAnyPort, options(true), drop);
  ASSERT_TRUE(first);
  Address at = (*first)->local();
  EXPECT_NE(at.port, 0);
  EXPECT_TRUE(ours.loop(1).network().listen(at, options(true), drop));
  for (bool shared : {true, false}) {
    auto taken = other.loop(0).network().listen(at, options(shared), drop);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, ErrorCode::kIo);
    EXPECT_NE(taken.error().message.find("address already in use"), std::string::npos);
    EXPECT_NE(taken.error().message.find(at.to_string()), std::string::npos);
  }
  first->reset();
  EXPECT_TRUE(other.loop(0).network().listen(at, options(true), drop));
}

TEST(ListenerTest, RefusesAddressesItCannotBind) {
  TestLoop host;
  for (std::string text : {"203.0.113.1:0", "unix:/nonexistent/weir.sock", "no-such-host.invalid:0"}) {
    auto listener = host.network().listen(*Address::parse(text), {}, drop);
    ASSERT_FALSE(listener) << text;
    EXPECT_EQ(listener.error().code, ErrorCode::kIo);
  }
}

class UnixListenerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = host_.loop().disk().make_temporary_directory("weir-net-test").value();
    at_ = {Address::Kind::kUnix, directory_ + "/socket", 0};
  }
  void TearDown() override { host_.loop().disk().remove(directory_); }
  TestLoop host_;
  std::string directory_;
  Address at_;
};

TEST_F(UnixListenerTest, IsPrivateAndGoneAfterwards) {
  auto listener = host_.network().listen(at_, {}, drop);
  ASSERT_TRUE(listener);
  EXPECT_EQ((*listener)->local(), at_);
  struct stat info;
  ASSERT_EQ(stat(at_.host.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  auto second = host_.network().listen(at_, {}, drop);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("address already in use"), std::string::npos);
  listener->reset();
  EXPECT_FALSE(std::filesystem::exists(at_.host));
}

TEST_F(UnixListenerTest, TakesOverAFileNobodyAnswersOn) {
  {
    auto listener = host_.network().listen(at_, {}, drop);
    ASSERT_TRUE(listener);
    std::filesystem::rename(at_.host, at_.host + ".kept");  // what a killed process leaves behind
  }
  std::filesystem::rename(at_.host + ".kept", at_.host);
  auto listener = host_.network().listen(at_, {}, drop);
  EXPECT_TRUE(listener);
}

TEST_F(UnixListenerTest, LeavesOtherFilesAlone) {
  ASSERT_TRUE(host_.loop().disk().write_file(at_.host, "not a socket", 0600));
  EXPECT_FALSE(host_.network().listen(at_, {}, drop));
  EXPECT_EQ(host_.loop().disk().read_file(at_.host, 100).value(), "not a socket");
  std::filesystem::remove(at_.host);

  auto mine = host_.network().listen(at_, {}, drop);
  ASSERT_TRUE(mine);
  std::filesystem::remove(at_.host);
  auto theirs = host_.network().listen(at_, {}, drop);
  ASSERT_TRUE(theirs);
  mine->reset();
  EXPECT_TRUE(std::filesystem::exists(at_.host));
}

Task<void> accepts_many(Loop& loop, Address at) {
  Cancel cancel;
  Accepting accepting(loop, at);
  std::vector<std::unique_ptr<Stream>> kept;
  for (int i = 0; i < 200; ++i) {
    auto client = co_await loop.network().connect(accepting.local(), {}, cancel);
    EXPECT_TRUE(client);
    kept.push_back(std::move(*client));
  }
  for (int i = 0; i < 200; ++i)
    kept.push_back(co_await accepting.next(cancel));
  std::string_view text = "ping";
  co_await write_text(*kept[199], text, cancel);
  EXPECT_EQ(co_await read_all(*kept[399], 4, cancel), text);
}

TEST(ListenerTest, AcceptsEveryConnectionOverIpv4AndIpv6) {
  for (auto at : {"127.0.0.1:0", "[::1]:0", "localhost:0"}) {
    TestLoop host;
    host.run(accepts_many(host.loop(), *Address::parse(at)));
  }
}

Task<void> dual(Loop& loop) {
  Cancel cancel;
  Accepting accepting(loop, {Address::Kind::kTcp, "::", 0});
  uint16_t port = accepting.local().port;
  for (std::string host : {"127.0.0.1", "::1"}) {
    auto client = co_await loop.network().connect({Address::Kind::kTcp, host, port}, {}, cancel);
    EXPECT_TRUE(client) << host;
    auto server = co_await accepting.next(cancel);
    EXPECT_EQ(server->peer(), host);
  }
}

TEST(ListenerTest, TheIpv6WildcardTakesBothFamilies) {
  TestLoop host;
  host.run(dual(host.loop()));
}

struct LiftLimit final : Timer {
  void on_timer() override { setrlimit(RLIMIT_NOFILE, &limit); }
  rlimit limit{};
};

Task<void> out_of_descriptors(Loop& loop) {
  Cancel cancel;
  Accepting accepting(loop, kAnyPort);
  // The client has its descriptor already; accepting needs one that the limit does not grant.
  LiftLimit lift;
  getrlimit(RLIMIT_NOFILE, &lift.limit);
  auto client = SocketStream::open(static_cast<NetLoop&>(loop).poller(), AF_INET, "");
  EXPECT_TRUE(client);
  rlimit low = lift.limit;
  low.rlim_cur = 3;
  setrlimit(RLIMIT_NOFILE, &low);
  struct Done final : Completion {
    void on_done(IoResult r) override { result = r; }
    IoResult result{IoStatus::kFailed, 0};
  } done;
  SocketAddress to = *SocketAddress::literal(accepting.local());
  (*client)->start_connect(to.get(), to.length, done);
  loop.arm(lift, milliseconds(150));
  auto accepted = co_await accepting.next(cancel);
  EXPECT_TRUE(accepted);
  EXPECT_TRUE(done.result.ok());
  EXPECT_FALSE(lift.armed()) << "accepted although there was no descriptor";
}

TEST(ListenerTest, SurvivesRunningOutOfDescriptors) {
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "the sanitizer needs descriptors of its own to check virtual calls";
#endif
#endif
  TestLoop host;
  host.run(out_of_descriptors(host.loop()));
}

// The kernel spreads connections over the loops that share a port; every one is answered by the loop it came
// to.
TEST(ListenerTest, SeveralLoopsServeOnePort) {
  constexpr int kLoops = 3, kConnections = 60;
  TestLoop host(kLoops);
  std::vector<std::unique_ptr<Listener>> listeners;
  std::vector<std::vector<std::unique_ptr<Stream>>> streams(kLoops);
  std::atomic<int> accepted = 0;
  Address at = kAnyPort;
  for (int i = 0; i < kLoops; ++i) {
    auto listener = host.loop(i).network().listen(at, options(true), [&, i](std::unique_ptr<Stream> stream) {
      streams[i].push_back(std::move(stream));
      if (++accepted == kConnections) host.runtime().stop_all();
    });
    ASSERT_TRUE(listener);
    at = (*listener)->local();
    listeners.push_back(std::move(*listener));
  }
  TestLoop clients;
  std::vector<std::unique_ptr<Stream>> kept;
  static auto connect_all = [](Loop& loop, Address to,
                               std::vector<std::unique_ptr<Stream>>* into) -> Task<void> {
    Cancel cancel;
    for (int i = 0; i < kConnections; ++i) {
      auto stream = co_await loop.network().connect(to, {}, cancel);
      EXPECT_TRUE(stream);
      into->push_back(std::move(*stream));
    }
  };
  std::thread thread([&] { clients.run(connect_all(clients.loop(), at, &kept)); });
  host.runtime().run();
  thread.join();
  EXPECT_EQ(accepted, kConnections);
}

Task<void> refused(Loop& loop) {
  Cancel cancel;
  Address at;
  {
    Accepting gone(loop, kAnyPort);
    at = gone.local();
  }
  auto stream = co_await loop.network().connect(at, {}, cancel);
  EXPECT_FALSE(stream);
  EXPECT_EQ(stream.error().code, ErrorCode::kUpstream);
  EXPECT_TRUE(stream.error().retryable);
  EXPECT_NE(stream.error().message.find("Connection refused"), std::string::npos) << stream.error().message;
  EXPECT_TRUE(stream.error().safe.empty()) << "callers do not see upstream addresses";

  auto missing =
      co_await loop.network().connect({Address::Kind::kUnix, "/nonexistent/socket", 0}, {}, cancel);
  EXPECT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kUpstream);
}

TEST(ConnectTest, SaysWhyNobodyAnswered) {
  TestLoop host;
  host.run(refused(host.loop()));
}

Task<void> connect_into(Network& network, Address to, Cancel& cancel, ErrorCode* code) {
  auto stream = co_await network.connect(to, {}, cancel);
  EXPECT_FALSE(stream);
  if (!stream) *code = stream.error().code;
}

// A full accept queue of a socket that nobody accepts from keeps a connect waiting.
Task<void> cancelled_connect(Loop& loop) {
  Cancel cancel;
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  SocketAddress at = *SocketAddress::literal(kAnyPort);
  EXPECT_EQ(::bind(fd, at.get(), at.length), 0);
  EXPECT_EQ(::listen(fd, 0), 0);
  getsockname(fd, reinterpret_cast<sockaddr*>(&at.storage), &at.length);
  auto filling = co_await loop.network().connect(at.to_address(), {}, cancel);
  EXPECT_TRUE(filling);
  Cancel scope;
  ErrorCode code = ErrorCode::kInternal;
  TaskGroup connecting;
  connecting.start(connect_into(loop.network(), at.to_address(), scope, &code));
  co_await turns(loop, 5);
  EXPECT_EQ(connecting.running(), 1u);
  scope.request(CancelReason::kConnectTimeout);
  co_await connecting.idle();
  EXPECT_EQ(code, ErrorCode::kCancelled);
  code = ErrorCode::kInternal;
  co_await connect_into(loop.network(), at.to_address(), scope, &code);  // cancelled before it begins
  EXPECT_EQ(code, ErrorCode::kCancelled);
  ::close(fd);
}

TEST(ConnectTest, EndsWhenItsScopeIsCancelled) {
  TestLoop host;
  host.run(cancelled_connect(host.loop()));
}

Task<void> names(NetLoop& loop) {
  Cancel cancel;
  Resolver resolver(loop);
  for (int i = 0; i < 2; ++i) {  // looked up, then from the cache
    auto found =
        co_await resolver.resolve({Address::Kind::kTcp, "localhost", static_cast<uint16_t>(80 + i)}, cancel);
    EXPECT_TRUE(found);
    for (const SocketAddress& one : *found) {
      EXPECT_TRUE(one.to_address().loopback()) << one.to_address().to_string();
      EXPECT_EQ(one.to_address().port, 80 + i);
    }
  }
  auto literal = co_await resolver.resolve({Address::Kind::kTcp, "192.0.2.7", 81}, cancel);
  EXPECT_EQ(literal.value().front().to_address().to_string(), "192.0.2.7:81");
  auto missing = co_await resolver.resolve({Address::Kind::kTcp, "no-such-host.invalid", 80}, cancel);
  EXPECT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kUpstream);
  EXPECT_NE(missing.error().message.find("no-such-host.invalid"), std::string::npos);
  Cancel gone;
  gone.request(CancelReason::kClientLeft);
  auto cancelled = co_await resolver.resolve({Address::Kind::kTcp, "another-host.invalid", 80}, gone);
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
  // The lookup it began is still under way and is shared.
  auto shared = co_await resolver.resolve({Address::Kind::kTcp, "another-host.invalid", 80}, cancel);
  EXPECT_EQ(shared.error().code, ErrorCode::kUpstream);
}

TEST(ResolverTest, FindsNamesOnceAndLiteralsAtOnce) {
  TestLoop host;
  host.run(names(static_cast<NetLoop&>(host.loop())));
}

Task<void> by_name(Loop& loop) {
  Cancel cancel;
  Accepting accepting(loop, kAnyPort);  // on IPv4 only: localhost may also mean ::1, which refuses
  auto stream =
      co_await loop.network().connect({Address::Kind::kTcp, "localhost", accepting.local().port}, {}, cancel);
  EXPECT_TRUE(stream) << stream.error().message;
}

TEST(ConnectTest, TriesEachAddressOfAName) {
  TestLoop host;
  host.run(by_name(host.loop()));
}

}  // namespace
}  // namespace weir::io::net
