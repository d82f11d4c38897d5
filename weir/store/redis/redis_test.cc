#include <gmock/gmock.h>

#include <array>

#include "weir/io/net/test_loop.h"
#include "weir/store/lease_store_testing.h"
#include "weir/store/redis/redis_lease_store.h"

namespace weir::store::redis {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// ---------------------------------------------------------------------------------------- replies

std::optional<Reply> whole(std::string_view text) {
  auto reply = take_reply(text);
  EXPECT_TRUE(reply) << reply.error().message;
  EXPECT_TRUE(text.empty());
  return reply ? *reply : std::nullopt;
}

TEST(Resp, ReadsEveryKindOfReply) {
  EXPECT_EQ(whole("+OK\r\n")->text, "OK");
  EXPECT_TRUE(whole("-NOSCRIPT No matching script.\r\n")->is_error("NOSCRIPT"));
  EXPECT_EQ(whole(":-42\r\n")->integer, -42);
  EXPECT_EQ(whole("$5\r\na\r\nbc\r\n")->text, "a\r\nbc");
  EXPECT_EQ(whole("$-1\r\n")->kind, Reply::Kind::kNil);
  EXPECT_EQ(whole("*-1\r\n")->kind, Reply::Kind::kNil);
  auto list = whole("*3\r\n:1\r\n*1\r\n$0\r\n\r\n+x\r\n");
  ASSERT_EQ(list->list.size(), 3u);
  EXPECT_EQ(list->list[1].list[0].kind, Reply::Kind::kText);
}

TEST(Resp, WaitsForTheWholeReply) {
  std::string text = "*2\r\n:1\r\n$5\r\nhello\r\n";
  for (size_t n = 0; n < text.size(); ++n) {
    std::string_view part(text.data(), n);
    auto reply = take_reply(part);
    ASSERT_TRUE(reply) << n;
    EXPECT_FALSE(*reply) << n;
    EXPECT_EQ(part.size(), n) << "nothing is taken";
  }
  text += ":7\r\n";
  std::string_view both = text;
  EXPECT_TRUE(*take_reply(both));
  EXPECT_EQ((*take_reply(both))->integer, 7);
}

TEST(Resp, RefusesWhatIsNoReply) {
  for (std::string text : {"hello\r\n", "\r\n", ":\r\n", ":1x\r\n", "$-2\r\n", "$99999999999\r\n", "*-2\r\n",
                           "*99999999\r\n", "$1\r\nabc\r\n", "HTTP/1.1 400 Bad Request\r\n"}) {
    std::string_view bytes = text;
    EXPECT_FALSE(take_reply(bytes)) << text;
  }
  std::string deep;
  for (int i = 0; i < 10; ++i)
    deep += "*1\r\n";
  std::string_view bytes = deep;
  EXPECT_FALSE(take_reply(bytes));
  std::string endless = "+" + std::string(10'000, 'x');
  bytes = endless;
  EXPECT_FALSE(take_reply(bytes));
}

// -------------------------------------------------------------------------------------- addresses

TEST(RedisUrl, SaysWhereAndHow) {
  auto url = RedisUrl::parse("redis://cache.example");
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(url->address.to_string(), "cache.example:6379");
  EXPECT_FALSE(url->tls);
  url = RedisUrl::parse("rediss://weir:p%40ss%3A@10.1.2.3:7000/5");
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->user, "weir");
  EXPECT_EQ(url->password.reveal(), "p@ss:");
  EXPECT_EQ(url->database, 5);
  url = RedisUrl::parse("redis://:only-password@[::1]:6380/");
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(url->user, "");
  EXPECT_EQ(url->password.reveal(), "only-password");
  EXPECT_EQ(url->address.host, "::1");
  url = RedisUrl::parse("unix:/run/redis.sock");
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(url->address.kind, io::Address::Kind::kUnix);
}

TEST(RedisUrl, RefusesTheRestWithoutQuotingIt) {
  for (std::string_view text :
       {"", "cache:6379", "http://secret@cache", "redis://", "redis://u:secret@", "redis://u:secret@h:x",
        "redis://u:secret@h:0", "redis://u:secret@h/x", "redis://u:secret@h/-1", "redis://u:secret@h?db=1",
        "redis://u:secret%4@h", "redis://secret@h", "unix:"}) {
    auto url = RedisUrl::parse(text);
    ASSERT_FALSE(url) << text;
    EXPECT_THAT(url.error().message, Not(HasSubstr("secret"))) << text;
  }
}

// -------------------------------------------------------------------------------- a real server

// redis-server in a folder of its own, on a socket there, with a password.
struct RedisShop {
  io::Loop& loop() { return test.loop(); }
  RedisUrl url(std::string_view password = "pass word") const {
    RedisUrl url = *RedisUrl::parse("unix:" + folder + "/redis.sock");
    url.password = Secret(password);
    url.database = 3;
    return url;
  }
  std::unique_ptr<LeaseStore> store(std::string replica) {
    return std::make_unique<RedisLeaseStore>(loop(), url(),
                                             RedisLeaseStore::Options{.replica = std::move(replica)});
  }
  void start_server() {
    auto spawned =
        loop().processes().spawn({.program = "/usr/bin/redis-server",
                                  .arguments = {"--port", "0", "--unixsocket", folder + "/redis.sock",
                                                "--dir", folder, "--save", "", "--requirepass", "pass word"}},
                                 [](io::ExitStatus) {});
    EXPECT_TRUE(spawned) << spawned.error().message;
    if (spawned) server = *std::move(spawned);
  }
  io::Task<void> until_it_answers() {
    RedisClient client(loop(), url(), {});
    io::Cancel never;
    MonoTime began = loop().now();
    for (;;) {
      std::string ping;
      append_command(ping, std::array<std::string_view, 1>{"PING"});
      auto pong = co_await client.ask(ping, 1, never);
      if (pong && (*pong)[0].text == "PONG") co_return;
      if (to_seconds(loop().now() - began) > 20)
        co_return void(ADD_FAILURE() << "no redis-server: "
                                     << (server ? server->last_output() : "not started"));
      co_await io::sleep(loop(), milliseconds(8), never);
    }
  }
  static io::Task<void> with_server(RedisShop& shop, io::Task<void> task) {
    auto made = shop.loop().disk().make_temporary_directory("weir-redis-");
    EXPECT_TRUE(made);
    if (!made) co_return;
    shop.folder = *made;
    shop.start_server();
    co_await shop.until_it_answers();
    co_await task;
    shop.server.reset();
    shop.loop().disk().remove(shop.folder);
  }
  void run(io::Task<void> task) { test.run(with_server(*this, std::move(task))); }

  io::net::TestLoop test;
  std::string folder;
  std::unique_ptr<io::Process> server;
};

}  // namespace
}  // namespace weir::store::redis

namespace weir::store {
using redis::RedisShop;
INSTANTIATE_TYPED_TEST_SUITE_P(Redis, LeaseStoreSuite, RedisShop);
}  // namespace weir::store

namespace weir::store::redis {
namespace {

TEST(RedisLeaseStore, GoesOnWithAServerThatWasStartedAnew) {
  struct Play {
    static io::Task<void> run(RedisShop& shop) {
      io::Cancel never;
      auto a = shop.store("a");
      LeaseTurn turn = money_turn(1000, 0, 300);
      auto grants = co_await a->take({&turn, 1}, seconds(60), never);
      EXPECT_TRUE(grants) << grants.error().message;
      shop.server.reset();
      grants = co_await a->take({&turn, 1}, seconds(60), never);
      EXPECT_FALSE(grants);
      shop.start_server();
      co_await shop.until_it_answers();
      // It has forgotten the script and the sums: both are told again.
      turn.epoch = 1;
      turn.turn = 2;
      turn.budgets[0].spent = {200, 200, 200};
      turn.budgets[0].need = 100;
      grants = co_await a->take({&turn, 1}, seconds(60), never);
      EXPECT_TRUE(grants) << grants.error().message;
      if (!grants) co_return;
      EXPECT_FALSE(grants->front().stale);
      EXPECT_EQ(grants->front().budgets[0].free, 700);
    }
  };
  RedisShop shop;
  shop.run(Play::run(shop));
}

TEST(RedisLeaseStore, SaysNothingOfItsPassword) {
  struct Play {
    static io::Task<void> run(RedisShop& shop) {
      io::Cancel never;
      RedisLeaseStore store(shop.loop(), shop.url("wrong secret"), {.replica = "a"});
      LeaseTurn turn = money_turn(1000, 0, 300);
      auto grants = co_await store.take({&turn, 1}, seconds(60), never);
      EXPECT_FALSE(grants);
      if (grants) co_return;
      EXPECT_THAT(grants.error().message, HasSubstr("password"));
      EXPECT_THAT(grants.error().message, Not(HasSubstr("wrong secret")));
    }
  };
  RedisShop shop;
  shop.run(Play::run(shop));
}

}  // namespace
}  // namespace weir::store::redis
