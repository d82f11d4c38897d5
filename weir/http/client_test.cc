// The HTTP client and its pool on the real loop, against a server whose every byte the test writes.
// One file: every test plays the same scripted server against the same pool.
#include "weir/http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weir/http/testing.h"

namespace weir::http {
namespace {

using http::testing::any_port;
using http::testing::Guard;
using io::Task;
using io::net::Accepting;
using io::net::TestLoop;
using io::net::turns;
using ::testing::ElementsAre;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

std::string ok(std::string_view body, std::string_view headers = {}) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(headers) +
         "\r\n" + std::string(body);
}

// The server's end of one connection.
class Peer {
 public:
  Peer(std::unique_ptr<io::Stream> stream, io::Cancel& cancel)
      : stream_(std::move(stream)), cancel_(cancel) {}
  /// Reads until a whole head has come (the requests of these tests have no body unless they say so); "" at
  /// the connection's end.
  Task<std::string> request() {
    std::string text;
    char buffer[4096];
    while (text.find("\r\n\r\n") == std::string::npos) {
      io::IoResult got = co_await io::read(*stream_, buffer, cancel_);
      if (!got.ok()) co_return "";
      text.append(buffer, got.bytes);
    }
    co_return text;
  }
  Task<bool> say(std::string text) {
    std::string_view view = text;
    co_return (co_await io::write(*stream_, {&view, 1}, cancel_)).ok();
  }
  /// Takes one request and answers it. False: the connection ended instead.
  Task<bool> answer(std::string text) {
    bool came = !(co_await request()).empty();
    if (came) co_await say(std::move(text));
    co_return came;
  }
  void close() { stream_.reset(); }
  /// Drops what comes until `over` or the end of the connection.
  Task<void> drain(const bool& over) {
    std::vector<char> buffer(1 << 20);
    while (!over && (co_await io::read(*stream_, buffer, cancel_)).ok()) {
    }
  }

 private:
  std::unique_ptr<io::Stream> stream_;
  io::Cancel& cancel_;
};

ClientOptions to(const io::Address& address, size_t connections_max = 256) {
  ClientOptions options;
  options.address = address;
  options.connections_max = connections_max;
  return options;
}

struct Scene {
  explicit Scene(TestLoop& t, size_t connections_max = 256, Duration idle_max = seconds(60),
                 size_t queue_max = 1024)
      : loop(t.loop()), guard(loop), accepting(loop, any_port()), scope(guard.scope()) {
    ClientOptions options = to(accepting.local(), connections_max);
    options.idle_max = idle_max;
    options.queue_max = queue_max;
    pool = std::make_unique<ConnectionPool>(loop, options);
  }
  Task<std::unique_ptr<Peer>> peer() {
    co_return std::make_unique<Peer>(co_await accepting.next(guard.scope()), guard.scope());
  }

  io::Loop& loop;
  Guard guard;
  Accepting accepting;
  io::Cancel scope;  // of the calls
  std::unique_ptr<ConnectionPool> pool;
  io::TaskGroup tasks;
};

struct Seen {
  int status = 0;
  std::string body;
  std::optional<Error> error;
  BodyReader::State end = BodyReader::State::kNothing;
  bool reused = false;
  bool sent = false;
  bool over = false;
};

// One call to the end of its body.
Task<void> call(Scene& s, Seen& seen, ClientCall::Phases phases = {}, std::string_view request = kGet) {
  ClientCall c(*s.pool);
  std::string_view method = request.substr(0, request.find(' '));
  auto sent = co_await c.send(method, {&request, 1}, phases, s.scope);
  seen.sent = c.sent();
  seen.reused = c.reused();
  seen.over = true;
  if (!sent) {
    seen.error = sent.error();
    co_return;
  }
  seen.status = c.head().status;
  for (;;) {
    BodyReader::Piece piece = c.body().take();
    seen.body += piece.bytes;
    seen.end = piece.state;
    if (piece.state == BodyReader::State::kData) continue;
    if (piece.state != BodyReader::State::kNothing) co_return;
    co_await c.body().inbox().more(s.scope);
  }
}

using Play = Task<void> (*)(Scene&);

Task<void> played(TestLoop& t, Play play, size_t connections_max, Duration idle_max) {
  Scene scene(t, connections_max, idle_max);
  co_await play(scene);
  co_await scene.tasks.idle();
}

void run(Play play, size_t connections_max = 256, Duration idle_max = seconds(60)) {
  TestLoop t;
  t.run(played(t, play, connections_max, idle_max));
}

// ------------------------------------------------------------------------------- reuse

TEST(HttpClient, UsesOneConnectionForCallAfterCall) {
  run([](Scene& s) -> Task<void> {
    Seen first, second, third;
    s.tasks.start(call(s, first));
    auto peer = co_await s.peer();
    EXPECT_EQ(co_await peer->request(), kGet);
    co_await peer->say(ok("one"));
    co_await s.tasks.idle();
    EXPECT_EQ(s.pool->idle(), 1u);
    s.tasks.start(call(s, second));
    EXPECT_EQ(s.pool->idle(), 0u);
    co_await peer->answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n");
    co_await s.tasks.idle();
    s.tasks.start(call(s, third));
    co_await peer->answer("HTTP/1.1 204 No Content\r\n\r\n");
    co_await s.tasks.idle();
    EXPECT_EQ(first.body, "one");
    EXPECT_FALSE(first.reused);
    EXPECT_EQ(second.body, "two");
    EXPECT_TRUE(second.reused);
    EXPECT_EQ(third.status, 204);
    EXPECT_EQ(s.pool->open(), 1u);
    EXPECT_EQ(s.pool->idle(), 1u);
  });
}

TEST(HttpClient, SkipsInterimAnswers) {
  run([](Scene& s) -> Task<void> {
    Seen seen;
    s.tasks.start(call(s, seen));
    auto peer = co_await s.peer();
    co_await peer->answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" +
                          ok("late"));
    co_await s.tasks.idle();
    EXPECT_EQ(seen.status, 200);
    EXPECT_EQ(seen.body, "late");
    EXPECT_EQ(s.pool->idle(), 1u);
  });
}

TEST(HttpClient, RefusesInterimAnswersWithoutEnd) {
  run([](Scene& s) -> Task<void> {
    Seen seen;
    s.tasks.start(call(s, seen));
    auto peer = co_await s.peer();
    std::string flood;
    for (int i = 0; i < 17; ++i)
      flood += "HTTP/1.1 100 Continue\r\n\r\n";
    co_await peer->answer(flood);
    co_await s.tasks.idle();
    EXPECT_TRUE(seen.error && seen.error->reason == "malformed_response");
    EXPECT_EQ(s.pool->open(), 0u);
  });
}

TEST(HttpClient, TakesAnAnswerByteByByte) {
  run([](Scene& s) -> Task<void> {
    Seen seen;
    s.tasks.start(call(s, seen));
    auto peer = co_await s.peer();
    co_await peer->request();
    for (char c : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nslow\r\n0\r\n\r\n") {
      if (c != 0) co_await peer->say(std::string(1, c));
      co_await turns(s.loop, 2);
    }
    co_await s.tasks.idle();
    EXPECT_EQ(seen.body, "slow");
    EXPECT_EQ(s.pool->idle(), 1u);
  });
}

// Answers after which the connection must not carry another request.
TEST(HttpClient, DoesNotReuseWhatCannotBeTrusted) {
  for (std::string answer : {
           ok("x", "Connection: close\r\n"),
           std::string("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"),
           ok("x") + "leftover",
           ok("x") + ok("an answer to nothing"),
           std::string("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
       }) {
    TestLoop t;
    t.run([](TestLoop& loop, std::string text) -> Task<void> {
      Scene s(loop);
      Seen seen;
      s.tasks.start(call(s, seen));
      auto peer = co_await s.peer();
      co_await peer->answer(text);
      co_await s.tasks.idle();
      EXPECT_FALSE(seen.error) << text;
      EXPECT_EQ(seen.end, BodyReader::State::kEnd) << text;
      EXPECT_EQ(s.pool->open(), 0u) << text;
      EXPECT_EQ(co_await peer->request(), "") << text;
    }(t, answer));
  }
}

TEST(HttpClient, ReadsUntilTheConnectionCloses) {
  run([](Scene& s) -> Task<void> {
    Seen seen;
    s.tasks.start(call(s, seen));
    auto peer = co_await s.peer();
    co_await peer->answer("HTTP/1.1 200 OK\r\n\r\nto the ");
    co_await turns(s.loop, 5);
    EXPECT_EQ(seen.end, BodyReader::State::kNothing);
    co_await peer->say("end");
    peer->close();
    co_await s.tasks.idle();
    EXPECT_EQ(seen.body, "to the end");
    EXPECT_EQ(seen.end, BodyReader::State::kEnd);
    EXPECT_EQ(s.pool->open(), 0u);
  });
}

TEST(HttpClient, ACutBodyIsTruncated) {
  for (std::string head : {"Content-Length: 10\r\n", "Transfer-Encoding: chunked\r\n"}) {
    TestLoop t;
    t.run([](TestLoop& loop, std::string framing) -> Task<void> {
      Scene s(loop);
      Seen seen;
      s.tasks.start(call(s, seen));
      auto peer = co_await s.peer();
      co_await peer->answer("HTTP/1.1 200 OK\r\n" + framing + "\r\n5\r\nab");
      peer->close();
      co_await s.tasks.idle();
      EXPECT_EQ(seen.end, BodyReader::State::kTruncated);
      EXPECT_EQ(s.pool->open(), 0u);
    }(t, head));
  }
}

TEST(HttpClient, AnAbandonedCallClosesItsConnection) {
  run([](Scene& s) -> Task<void> {
    auto c = std::make_unique<ClientCall>(*s.pool);
    s.tasks.start([](Scene& scene, ClientCall& running) -> Task<void> {
      EXPECT_TRUE(co_await running.send("GET", {&kGet, 1}, {}, scene.scope));
    }(s, *c));
    auto peer = co_await s.peer();
    co_await peer->answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
    co_await s.tasks.idle();
    c.reset();
    EXPECT_EQ(s.pool->open(), 0u);
    EXPECT_EQ(co_await peer->request(), "");
  });
}

// -------------------------------------------------------------------------- idle connections

TEST(HttpClient, NoticesThatAnIdleConnectionDied) {
  run([](Scene& s) -> Task<void> {
    Seen seen;
    s.tasks.start(call(s, seen));
    auto peer = co_await s.peer();
    co_await peer->answer(ok("x"));
    co_await s.tasks.idle();
    EXPECT_EQ(s.pool->idle(), 1u);
    peer->close();
    while (s.pool->open() > 0)
      co_await turns(s.loop, 1);
    EXPECT_EQ(s.pool->idle(), 0u);
  });
}

TEST(HttpClient, DropsAnIdleConnectionThatSpeaksUnasked) {
  run([](Scene& s) -> Task<void> {
    Seen seen;
    s.tasks.start(call(s, seen));
    auto peer = co_await s.peer();
    co_await peer->answer(ok("x"));
    co_await s.tasks.idle();
    co_await peer->say(ok("for whoever asks next"));
    while (s.pool->open() > 0)
      co_await turns(s.loop, 1);
    EXPECT_EQ(s.pool->idle(), 0u);
  });
}

TEST(HttpClient, ReapsIdleConnections) {
  run(
      [](Scene& s) -> Task<void> {
        Seen seen;
        s.tasks.start(call(s, seen));
        auto peer = co_await s.peer();
        co_await peer->answer(ok("x"));
        co_await s.tasks.idle();
        EXPECT_EQ(co_await peer->request(), "");
        EXPECT_EQ(s.pool->open(), 0u);
      },
      256, milliseconds(30));
}

TEST(HttpClient, RetireClosesIdleOnesNowAndBusyOnesAfterwards) {
  run([](Scene& s) -> Task<void> {
    Seen a, b;
    s.tasks.start(call(s, a));
    auto first = co_await s.peer();
    s.tasks.start(call(s, b));
    auto second = co_await s.peer();
    co_await first->answer(ok("a"));
    while (s.pool->idle() == 0)
      co_await turns(s.loop, 1);
    s.pool->retire();
    EXPECT_EQ(s.pool->open(), 1u);
    co_await second->answer(ok("b"));
    co_await s.tasks.idle();
    EXPECT_EQ(b.body, "b");
    EXPECT_EQ(s.pool->open(), 0u);
  });
}

// --------------------------------------------------------------------------------- dead on arrival

// A connection that the server closes in the very moment it is taken from the pool.
Task<std::unique_ptr<Peer>> idle_peer(Scene& s) {
  Seen seen;
  s.tasks.start(call(s, seen));
  auto peer = co_await s.peer();
  co_await peer->answer(ok("x"));
  co_await s.tasks.idle();
  co_return peer;
}

TEST(HttpClient, ResendsOnceWhenAPooledConnectionTurnsOutDead) {
  run([](Scene& s) -> Task<void> {
    auto dying = co_await idle_peer(s);
    Seen seen;
    s.tasks.start(call(s, seen));
    dying->close();
    auto fresh = co_await s.peer();
    EXPECT_EQ(co_await fresh->request(), kGet);
    co_await fresh->say(ok("second try"));
    co_await s.tasks.idle();
    EXPECT_EQ(seen.body, "second try");
    EXPECT_FALSE(seen.reused);
    EXPECT_EQ(s.pool->open(), 1u);
  });
}

TEST(HttpClient, ResendsOnceOnly) {
  run([](Scene& s) -> Task<void> {
    auto dying = co_await idle_peer(s);
    Seen seen;
    s.tasks.start(call(s, seen));
    dying->close();
    auto fresh = co_await s.peer();
    co_await fresh->request();
    fresh->close();
    co_await s.tasks.idle();
    EXPECT_TRUE(seen.error);
    if (!seen.error) co_return;
    EXPECT_EQ(seen.error->code, ErrorCode::kUpstream);
    EXPECT_EQ(seen.error->reason, "closed_before_answer");
    EXPECT_TRUE(seen.error->retryable);
    EXPECT_TRUE(seen.sent);
    EXPECT_EQ(s.pool->open(), 0u);
  });
}

TEST(HttpClient, DoesNotResendOnceAByteCame) {
  for (std::string word : {"H", "HTTP/1.1 100 Continue\r\n\r\n"}) {
    TestLoop t;
    t.run([](TestLoop& loop, std::string text) -> Task<void> {
      Scene s(loop);
      auto dying = co_await idle_peer(s);
      Seen seen;
      s.tasks.start(call(s, seen));
      co_await dying->request();
      co_await dying->say(text);
      dying->close();
      while (!seen.over)
        co_await turns(s.loop, 1);
      EXPECT_TRUE(seen.error && seen.error->reason == "closed_before_answer") << text;
      co_await s.tasks.idle();
    }(t, word));
  }
}

TEST(HttpClient, ResendsOverANewConnectionNotAnotherIdleOne) {
  run([](Scene& s) -> Task<void> {
    Seen a, b, again;
    s.tasks.start(call(s, a));
    auto first = co_await s.peer();
    s.tasks.start(call(s, b));
    auto second = co_await s.peer();
    co_await first->answer(ok("a"));
    co_await second->answer(ok("b"));
    co_await s.tasks.idle();
    EXPECT_EQ(s.pool->idle(), 2u);
    s.tasks.start(call(s, again));
    // Which of the two was taken is the pool's choice; the server restarts, so both are dead.
    first->close();
    second->close();
    auto fresh = co_await s.peer();
    co_await fresh->answer(ok("again"));
    co_await s.tasks.idle();
    EXPECT_EQ(again.body, "again");
    EXPECT_EQ(s.pool->open(), 1u);
  });
}

// --------------------------------------------------------------------------------- waiting in line

TEST(HttpClient, ServesWaitersInOrder) {
  run(
      [](Scene& s) -> Task<void> {
        constexpr int kCallers = 6;
        std::vector<Seen> seen(kCallers);
        std::vector<std::string> requests;
        for (int i = 0; i < kCallers; ++i)
          requests.push_back("GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n");
        for (size_t i = 0; i < kCallers; ++i)
          s.tasks.start(call(s, seen[i], {}, requests[i]));
        auto peer = co_await s.peer();
        for (size_t i = 0; i < kCallers; ++i) {
          EXPECT_EQ(co_await peer->request(), requests[i]);
          co_await peer->say(ok(std::to_string(i), i == 2 ? "Connection: close\r\n" : ""));
          if (i == 2) peer = co_await s.peer();
        }
        co_await s.tasks.idle();
        EXPECT_EQ(seen.back().body, "5");
        EXPECT_EQ(s.pool->open(), 1u);
      },
      1);
}

Task<void> queue_of_two(TestLoop& t) {
  Scene s(t, 1, seconds(60), 2);
  Seen first, second, third, fourth;
  s.tasks.start(call(s, first));
  s.tasks.start(call(s, second));
  s.tasks.start(call(s, third));
  EXPECT_EQ(s.pool->waiting(), 2u);
  s.tasks.start(call(s, fourth));
  EXPECT_TRUE(fourth.over);
  EXPECT_TRUE(fourth.error && fourth.error->code == ErrorCode::kUnavailable);
  if (fourth.error) {
    EXPECT_EQ(fourth.error->reason, "queue_full");
    EXPECT_TRUE(fourth.error->retryable);
    EXPECT_EQ(fourth.error->retry_after_s, 1);
  }
  EXPECT_FALSE(fourth.sent);
  auto peer = co_await s.peer();
  for (int i = 0; i < 3; ++i) {
    co_await peer->request();
    co_await peer->say(ok("x"));
  }
  co_await s.tasks.idle();
  for (const Seen& seen : {first, second, third})
    EXPECT_EQ(seen.status, 200);
  EXPECT_EQ(s.pool->waiting(), 0u);
}

TEST(HttpClient, RefusesAtOnceWhatIsBeyondTheQueue) {
  TestLoop t;
  t.run(queue_of_two(t));
}

// After eight turns the pool knows how fast its queue moves: a caller whose time will not do is refused
// before it waits, one that has more time stands on.
TEST(HttpClient, RefusesAtOnceWhoseTimeWillNotDo) {
  run(
      [](Scene& s) -> Task<void> {
        constexpr size_t kCallers = 12, kTurns = 9;
        std::vector<Seen> seen(kCallers);
        for (Seen& one : seen)
          s.tasks.start(call(s, one));
        auto peer = co_await s.peer();
        io::Cancel never;
        for (size_t i = 0; i < kTurns; ++i) {
          co_await peer->request();
          co_await io::sleep(s.loop, milliseconds(2), never);  // so that a turn takes time
          co_await peer->say(ok("x"));
        }
        co_await peer->request();
        Seen hurried, patient;
        s.tasks.start(call(s, hurried, {.queue = Duration(1)}));
        EXPECT_TRUE(hurried.over);
        EXPECT_TRUE(hurried.error && hurried.error->reason == "queue_full");
        s.tasks.start(call(s, patient));
        EXPECT_FALSE(patient.over);
        for (size_t i = kTurns; i < kCallers + 1; ++i) {
          co_await peer->say(ok("x"));
          if (i < kCallers) co_await peer->request();
        }
        co_await s.tasks.idle();
        EXPECT_EQ(patient.status, 200);
      },
      1);
}

TEST(HttpClient, ALeavingWaiterLosesNobodysTurn) {
  run(
      [](Scene& s) -> Task<void> {
        Seen first, gone, last;
        s.tasks.start(call(s, first));
        auto peer = co_await s.peer();
        io::Cancel leaving;
        Error error;
        s.tasks.start([](Scene& scene, io::Cancel& scope, Error& e) -> Task<void> {
          ClientCall c(*scene.pool);
          auto sent = co_await c.send("GET", {&kGet, 1}, {}, scope);
          EXPECT_FALSE(sent);
          EXPECT_FALSE(c.sent());
          if (!sent) e = sent.error();
        }(s, leaving, error));
        s.tasks.start(call(s, last));
        leaving.request(io::CancelReason::kClientLeft);
        EXPECT_EQ(error.code, ErrorCode::kCancelled);
        co_await peer->answer(ok("first"));
        co_await peer->answer(ok("last"));
        co_await s.tasks.idle();
        EXPECT_EQ(last.body, "last");
      },
      1);
}

// Both callers hang on one scope: the first, told first, frees the connection while the second is not told
// yet.
TEST(HttpClient, ATurnThatFallsToACancelledWaiterIsPassedOn) {
  run(
      [](Scene& s) -> Task<void> {
        io::Cancel scope;
        Seen survivor;
        Error error;
        auto doomed = [](Scene& scene, io::Cancel& cancel, Error* e) -> Task<void> {
          ClientCall c(*scene.pool);
          auto sent = co_await c.send("GET", {&kGet, 1}, {}, cancel);
          if (sent) {
            io::Event never;
            co_await never.wait(cancel);
          } else if (e) {
            *e = sent.error();
          }
        };
        s.tasks.start(doomed(s, scope, nullptr));
        auto peer = co_await s.peer();
        co_await peer->answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        co_await turns(s.loop, 10);
        s.tasks.start(doomed(s, scope, &error));
        s.tasks.start(call(s, survivor));
        scope.request(io::CancelReason::kClientLeft);
        auto fresh = co_await s.peer();
        while (!co_await fresh->answer(ok("survivor")))
          fresh = co_await s.peer();  // that was the cancelled caller's
        co_await s.tasks.idle();
        EXPECT_EQ(error.code, ErrorCode::kCancelled);
        EXPECT_EQ(survivor.body, "survivor");
      },
      1);
}

TEST(HttpClient, AFailedConnectGivesItsPlaceToTheNext) {
  run(
      [](Scene& s) -> Task<void> {
        std::string nowhere = "/nonexistent/weir.sock";
        ConnectionPool pool(s.loop, to({io::Address::Kind::kUnix, nowhere, 0}, 1));
        int failed = 0;
        for (int i = 0; i < 3; ++i)
          s.tasks.start([](ConnectionPool& p, io::Cancel& scope, int& n) -> Task<void> {
            ClientCall c(p);
            auto sent = co_await c.send("GET", {&kGet, 1}, {}, scope);
            EXPECT_FALSE(sent);
            if (!sent) {
              EXPECT_EQ(sent.error().code, ErrorCode::kUpstream);
              EXPECT_EQ(sent.error().reason, "connect_failed");
              EXPECT_TRUE(sent.error().retryable);
              EXPECT_EQ(sent.error().safe, "");
              ++n;
            }
          }(pool, s.scope, failed));
        co_await s.tasks.idle();
        EXPECT_EQ(failed, 3);
        EXPECT_EQ(pool.open(), 0u);
      },
      1);
}

// --------------------------------------------------------------------------------- cancel and time

TEST(HttpClient, IsCancelledWhereverItWaits) {
  for (std::string_view where : {"connecting", "head", "body", "writing"}) {
    TestLoop t;
    t.run([](TestLoop& loop, std::string_view phase) -> Task<void> {
      Scene s(loop);
      Seen seen;
      std::string large = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\n\r\n";
      large.resize(large.size() + (64 << 20), 'x');
      s.tasks.start(call(s, seen, {}, phase == "writing" ? std::string_view(large) : kGet));
      if (phase != "connecting") {
        auto peer = co_await s.peer();
        co_await peer->request();
        if (phase == "body") co_await peer->say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
        co_await turns(s.loop, 20);
        EXPECT_EQ(s.tasks.running(), 1u) << phase;
        s.scope.request(io::CancelReason::kClientLeft);
        if (phase != "writing") EXPECT_EQ(co_await peer->request(), "") << phase;
      } else {
        s.scope.request(io::CancelReason::kClientLeft);
      }
      co_await s.tasks.idle();
      if (phase == "body")
        EXPECT_EQ(seen.end, BodyReader::State::kTruncated);
      else
        EXPECT_TRUE(seen.error && seen.error->code == ErrorCode::kCancelled) << phase;
      EXPECT_EQ(s.pool->open(), 0u) << phase;
    }(t, where));
  }
}

TEST(HttpClient, TellsWhichPhaseTookTooLong) {
  run(
      [](Scene& s) -> Task<void> {
        Seen waiting, silent;
        s.tasks.start(call(s, silent, {.headers = milliseconds(60)}));
        s.tasks.start(call(s, waiting, {.queue = milliseconds(20)}));
        auto peer = co_await s.peer();
        co_await peer->request();
        co_await s.tasks.idle();
        EXPECT_TRUE(waiting.error && silent.error);
        if (!waiting.error || !silent.error) co_return;
        EXPECT_EQ(waiting.error->code, ErrorCode::kUnavailable);
        EXPECT_EQ(waiting.error->reason, "queue_timeout");
        EXPECT_EQ(waiting.error->retry_after_s, 1);
        EXPECT_FALSE(waiting.sent);
        EXPECT_TRUE(waiting.error->retryable);
        EXPECT_EQ(silent.error->code, ErrorCode::kUpstreamTimeout);
        EXPECT_EQ(silent.error->reason, "headers_timeout");
        EXPECT_TRUE(silent.sent);
        EXPECT_EQ(s.pool->open(), 0u);
      },
      1);
}

TEST(HttpClient, RefusesAMalformedAnswer) {
  for (std::string answer :
       {std::string("HTTP/2 200 OK\r\n\r\n"), std::string("SSH-2.0-OpenSSH\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
        "HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n"}) {
    TestLoop t;
    t.run([](TestLoop& loop, std::string text) -> Task<void> {
      Scene s(loop);
      Seen seen;
      s.tasks.start(call(s, seen));
      auto peer = co_await s.peer();
      co_await peer->answer(text);
      co_await s.tasks.idle();
      EXPECT_TRUE(seen.error && seen.error->reason == "malformed_response") << text.substr(0, 40);
      EXPECT_EQ(s.pool->open(), 0u);
    }(t, answer));
  }
}

TEST(HttpClient, TakesAnAnswerThatComesBeforeTheWholeRequestWent) {
  run([](Scene& s) -> Task<void> {
    std::string large = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\n\r\n";
    large.resize(large.size() + (64 << 20), 'x');
    Seen seen;
    s.tasks.start(call(s, seen, {}, large));
    auto peer = co_await s.peer();
    co_await peer->request();
    co_await peer->say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    s.tasks.start(peer->drain(seen.over));
    while (!seen.over)
      co_await turns(s.loop, 1);
    s.pool->retire();
    co_await s.tasks.idle();
    EXPECT_EQ(seen.status, 413);
    EXPECT_EQ(seen.body, "big");
  });
}

}  // namespace
}  // namespace weir::http
