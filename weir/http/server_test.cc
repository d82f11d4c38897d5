// The HTTP server on the real loop over real sockets, from the client's end of the wire.
// One file: every test needs the same server, client and clock of its own, and reads as one list of what a
// connection may do.
#include "weir/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weir/http/testing.h"

namespace weir::http {
namespace {

using http::testing::get;
using http::testing::Guard;
using http::testing::post;
using http::testing::RawClient;
using http::testing::Reply;
using http::testing::TestServer;
using io::Task;
using io::net::TestLoop;
using io::net::turns;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr size_t kBodyMax = 1 << 20;

// What the paths of the test server do; `log` is what the test looks at.
struct Log {
  std::vector<std::string> bodies;
  std::vector<ErrorCode> errors;
  io::CancelReason cancelled = io::CancelReason::kNone;
  bool running = false;
  io::Event changed;
  io::Event go_on;
};

Task<void> echo(Request& request, ResponseWriter& response, Log& log) {
  auto body = co_await request.read_body(kBodyMax);
  if (!body) {
    log.errors.push_back(body.error().code);
    co_await response.send(http_status(body.error().code), {}, body.error().for_caller());
    co_return;
  }
  log.bodies.emplace_back(body->view());
  co_await response.send(200, {}, body->view());
}

Task<void> stream(ResponseWriter& response) {
  std::array<Header, 1> headers{Header{"content-type", "text/plain"}};
  response.begin(200, headers);
  co_await response.write("one ");
  co_await response.write("");
  co_await response.write("two ");
  co_await response.end("three");
}

// Waits until the test lets it go on, or the client leaves.
Task<void> wait(Request& request, ResponseWriter& response, Log& log) {
  log.running = true;
  log.changed.notify();
  bool told = co_await log.go_on.wait(request.cancel);
  log.running = false;
  log.cancelled = request.cancel.reason();
  log.changed.notify();
  if (told) co_await response.send(200, {}, "waited");
}

Task<void> half(ResponseWriter& response) {
  response.begin(200, {});
  co_await response.write("half");
}

Task<void> read_then_wait(Request& request, ResponseWriter& response, Log& log) {
  auto body = co_await request.read_body(kBodyMax);
  co_await wait(request, response, log);
}

TestServer::Serve handler(Log& log) {
  return [&log](Request& request, ResponseWriter& response) -> Task<void> {
    std::string_view path = request.head.path;
    if (path == "/echo") return echo(request, response, log);
    if (path == "/stream") return stream(response);
    if (path == "/wait") return wait(request, response, log);
    if (path == "/read_then_wait") return read_then_wait(request, response, log);
    if (path == "/half") return half(response);
    if (path.starts_with("/rest/")) request.rest(milliseconds(std::atoi(path.data() + 6)));
    if (path == "/nothing") return [](Request&) -> Task<void> { co_return; }(request);
    return [](ResponseWriter& r, std::string body) -> Task<void> { co_await r.send(200, {}, body); }(
                                                       response, std::string(path));
  };
}

// One server, one client on one loop.
struct Scene {
  explicit Scene(TestLoop& t, ServerOptions options = {})
      : loop(t.loop()), guard(loop), server(loop, handler(log), options), client(loop, guard.scope()) {}
  io::Loop& loop;
  Guard guard;
  Log log;
  TestServer server;
  RawClient client;
};

// The handler waits: it told so a moment before it did.
Task<void> until_running(Scene& s) {
  while (!s.log.running)
    co_await s.log.changed.wait(s.guard.scope());
  co_await turns(s.loop, 1);
}

using Play = Task<void> (*)(Scene&);

Task<void> played(TestLoop& t, ServerOptions options, Play play) {
  Scene scene(t, options);
  co_await scene.client.connect(scene.server.address());
  co_await play(scene);
  scene.client.leave();
  co_await scene.server.close();
}

void run(Play play, ServerOptions options = {}) {
  TestLoop t;
  t.run(played(t, options, play));
}

// ------------------------------------------------------------------------------------- answers

TEST(HttpServer, AnswersAndKeepsTheConnection) {
  run([](Scene& s) -> Task<void> {
    Reply first = co_await s.client.ask(get("/first"));
    EXPECT_EQ(first.status, 200);
    EXPECT_EQ(first.body, "/first");
    EXPECT_EQ(first.header("content-length"), "6");
    EXPECT_EQ(first.header("date").size(), 29u);
    EXPECT_EQ(first.header("connection"), "");
    EXPECT_EQ((co_await s.client.ask(get("/second"))).body, "/second");
    EXPECT_EQ(s.server.server().connections(), 1u);
  });
}

TEST(HttpServer, StreamsInChunks) {
  run([](Scene& s) -> Task<void> {
    Reply r = co_await s.client.ask(get("/stream"));
    EXPECT_EQ(r.header("transfer-encoding"), "chunked");
    EXPECT_EQ(r.header("content-length"), "");
    EXPECT_EQ(r.body, "one two three");
    EXPECT_TRUE(r.complete);
    EXPECT_EQ((co_await s.client.ask(get("/next"))).body, "/next");
  });
}

TEST(HttpServer, StreamsToHttp10UntilItCloses) {
  run([](Scene& s) -> Task<void> {
    Reply r = co_await s.client.ask("GET /stream HTTP/1.0\r\n\r\n");
    EXPECT_EQ(r.header("transfer-encoding"), "");
    EXPECT_EQ(r.header("connection"), "close");
    EXPECT_EQ(r.body, "one two three");
    EXPECT_EQ(s.client.ended(), io::IoStatus::kEof);
  });
}

TEST(HttpServer, ClosesAfterHttp10AndAfterConnectionClose) {
  for (std::string request : {std::string("GET /a HTTP/1.0\r\n\r\n"), get("/a", "Connection: close\r\n")}) {
    TestLoop t;
    t.run([](TestLoop& loop, std::string text) -> Task<void> {
      Scene s(loop);
      co_await s.client.connect(s.server.address());
      Reply r = co_await s.client.ask(text);
      EXPECT_EQ(r.body, "/a");
      EXPECT_EQ(r.header("connection"), "close");
      EXPECT_EQ(co_await s.client.rest(), "");
      EXPECT_EQ(s.client.ended(), io::IoStatus::kEof);
      co_await s.server.close();
    }(t, request));
  }
}

// A 1.0 client that asks for keep-alive takes a silent answer for "close" and waits for the end.
TEST(HttpServer, TellsHttp10ClientsThatTheConnectionStays) {
  run([](Scene& s) -> Task<void> {
    std::string request = "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    EXPECT_EQ((co_await s.client.ask(request)).header("connection"), "keep-alive");
    EXPECT_EQ((co_await s.client.ask(request)).body, "/a");
  });
}

TEST(HttpServer, HeadHasHeadersAndNoBody) {
  run([](Scene& s) -> Task<void> {
    co_await s.client.send("HEAD /abc HTTP/1.1\r\nHost: a\r\n\r\n" + get("/next"));
    Reply r = co_await s.client.reply(true);
    EXPECT_EQ(r.header("content-length"), "4");
    EXPECT_EQ((co_await s.client.reply()).body, "/next");
  });
}

TEST(HttpServer, HeadOfAStreamHasNoLastChunk) {
  run([](Scene& s) -> Task<void> {
    co_await s.client.send("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n" + get("/next"));
    Reply r = co_await s.client.reply(true);
    EXPECT_EQ(r.header("transfer-encoding"), "chunked");
    Reply next = co_await s.client.reply();
    EXPECT_EQ(next.head.substr(0, 15), "HTTP/1.1 200 OK");
    EXPECT_EQ(next.body, "/next");
  });
}

TEST(HttpServer, AnUnfinishedAnswerIsCut) {
  run([](Scene& s) -> Task<void> {
    Reply r = co_await s.client.ask(get("/half"));
    EXPECT_EQ(r.body, "half");
    EXPECT_FALSE(r.complete);
    EXPECT_NE(s.client.ended(), io::IoStatus::kOk);
  });
}

TEST(HttpServer, NoAnswerClosesTheConnection) {
  run([](Scene& s) -> Task<void> {
    co_await s.client.send(get("/nothing"));
    EXPECT_EQ(co_await s.client.rest(), "");
    EXPECT_EQ(s.server.server().in_flight(), 0u);
  });
}

// ---------------------------------------------------------------------------------- pipelining

TEST(HttpServer, AnswersABurstInOrder) {
  run([](Scene& s) -> Task<void> {
    constexpr int kRequests = 2000;
    std::string burst;
    for (int i = 0; i < kRequests; ++i)
      burst += i % 3 == 0 ? post("/echo", "body " + std::to_string(i)) : get("/" + std::to_string(i));
    io::TaskGroup sending;  // the answers must be read meanwhile, or both ends wait
    sending.start([](Scene& scene, std::string text) -> Task<void> {
      EXPECT_EQ(co_await scene.client.send(std::move(text)), io::IoStatus::kOk);
    }(s, burst));
    int wrong = 0;
    for (int i = 0; i < kRequests; ++i) {
      Reply r = co_await s.client.reply();
      std::string expected = i % 3 == 0 ? "body " + std::to_string(i) : "/" + std::to_string(i);
      wrong += r.body != expected;
    }
    EXPECT_EQ(wrong, 0);
    co_await sending.idle();
  });
}

// While the first request is served the connection reads on; the second one's body is longer than that read.
TEST(HttpServer, TakesALargeBodyBehindARequestThatIsBeingServed) {
  run([](Scene& s) -> Task<void> {
    std::string body(300'000, 'b');
    std::string second = post("/echo", body);
    co_await s.client.send(get("/wait") + second.substr(0, 200));
    co_await until_running(s);
    co_await turns(s.loop, 20);  // the head of the second is in the inbox by now
    s.log.go_on.notify();
    EXPECT_EQ((co_await s.client.reply()).body, "waited");
    co_await turns(s.loop, 20);
    co_await s.client.send(second.substr(200));
    EXPECT_EQ((co_await s.client.reply()).body.size(), body.size());
  });
}

// ----------------------------------------------------------------------------------- the bodies

TEST(HttpServer, ReadsBodiesOfEveryFraming) {
  run([](Scene& s) -> Task<void> {
    EXPECT_EQ((co_await s.client.ask(post("/echo", "plain"))).body, "plain");
    EXPECT_EQ((co_await s.client.ask(get("/echo"))).body, "");
    std::string chunked =
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n1;x=\"y\"\r\nd\r\n0\r\nTrailer: t\r\n\r\n";
    EXPECT_EQ((co_await s.client.ask(chunked)).body, "abcd");
    EXPECT_EQ((co_await s.client.ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")).status,
              200);
    std::string large = io::net::long_text(900'000);
    EXPECT_EQ((co_await s.client.ask(post("/echo", large))).body, large);
    EXPECT_EQ((co_await s.client.ask(get("/next"))).body, "/next");
  });
}

TEST(HttpServer, TakesAHeadSplitAtEveryByte) {
  run([](Scene& s) -> Task<void> {
    std::string request = post("/echo", "twelve bytes", "X-Filler: something\r\n");
    for (size_t cut = 1; cut < request.size(); ++cut) {
      co_await s.client.send(request.substr(0, cut));
      co_await turns(s.loop, 3);
      Reply r = co_await s.client.ask(request.substr(cut));
      EXPECT_EQ(r.body, "twelve bytes") << cut;
    }
    for (char c : request)
      co_await s.client.send(std::string(1, c));
    EXPECT_EQ((co_await s.client.reply()).body, "twelve bytes");
  });
}

TEST(HttpServer, RefusesABodyThatAnnouncesTooMuch) {
  run([](Scene& s) -> Task<void> {
    Reply r = co_await s.client.ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n");
    EXPECT_EQ(r.status, 413);
    EXPECT_EQ(r.header("connection"), "close");
  });
}

TEST(HttpServer, RefusesAChunkedBodyThatGrowsTooLarge) {
  run([](Scene& s) -> Task<void> {
    std::string piece(64 * 1024, 'x');
    std::string chunk = "10000\r\n" + piece + "\r\n";
    co_await s.client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 17; ++i)
      co_await s.client.send(chunk);
    EXPECT_EQ((co_await s.client.reply()).status, 413);
  });
}

TEST(HttpServer, RefusesBadChunks) {
  run([](Scene& s) -> Task<void> {
    Reply r =
        co_await s.client.ask("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n");
    EXPECT_EQ(r.status, 400);
    EXPECT_EQ(r.header("connection"), "close");
  });
}

TEST(HttpServer, ABodyThatEndsEarlyIsAClientThatLeft) {
  run([](Scene& s) -> Task<void> {
    co_await s.client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    co_await turns(s.loop, 10);
    s.client.leave();
    co_await s.server.server().tasks().idle();
    EXPECT_THAT(s.log.errors, ::testing::ElementsAre(ErrorCode::kCancelled));
  });
}

// ------------------------------------------------------------------------------ Expect, unread bodies

TEST(HttpServer, SaysContinueWhenTheBodyIsWanted) {
  run([](Scene& s) -> Task<void> {
    Reply go = co_await s.client.ask(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(go.status, 100);
    EXPECT_EQ((co_await s.client.ask("body")).body, "body");
    // A client that does not wait for it is not told.
    Reply r = co_await s.client.ask(post("/echo", "body", "Expect: 100-continue\r\n"));
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ((co_await s.client.ask(get("/next"))).body, "/next");
  });
}

// Nobody can know whether that client will send its body now: what comes next could be read as either.
TEST(HttpServer, ClosesWhenAClientWaitsToContinueAndIsAnsweredWithout) {
  run([](Scene& s) -> Task<void> {
    Reply r = co_await s.client.ask(
        "POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(r.header("connection"), "close");
    co_await s.client.send(get("/smuggled"));
    EXPECT_EQ(co_await s.client.rest(), "");
    EXPECT_EQ(s.server.requests, 1);
  });
}

TEST(HttpServer, SkipsASmallUnreadBody) {
  run([](Scene& s) -> Task<void> {
    std::string chunked =
        "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\n";
    co_await s.client.send(post("/a", get("/smuggled")) + chunked + get("/next"));
    EXPECT_EQ((co_await s.client.reply()).body, "/a");
    EXPECT_EQ((co_await s.client.reply()).body, "/b");
    EXPECT_EQ((co_await s.client.reply()).body, "/next");
    EXPECT_EQ(s.server.requests, 3);
  });
}

TEST(HttpServer, SaysThatItClosesWhenAnUnreadBodyIsLong) {
  ServerOptions options;
  options.unread_body_bytes_max = 1000;
  run(
      [](Scene& s) -> Task<void> {
        Reply r = co_await s.client.ask(post("/a", std::string(1001, 'x')));
        EXPECT_EQ(r.body, "/a");
        EXPECT_EQ(r.header("connection"), "close");
      },
      options);
}

TEST(HttpServer, GivesUpOnAChunkedUnreadBodyThatIsLong) {
  ServerOptions options;
  options.unread_body_bytes_max = 1000;
  run(
      [](Scene& s) -> Task<void> {
        std::string head = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        EXPECT_EQ((co_await s.client.ask(head)).body, "/a");
        co_await s.client.send("4e20\r\n" + std::string(20'000, 'x') + "\r\n0\r\n\r\n" + get("/next"));
        EXPECT_EQ(co_await s.client.rest(), "");
        EXPECT_EQ(s.server.requests, 1);
      },
      options);
}

// --------------------------------------------------------------------------------- refusals

TEST(HttpServer, RefusesWithABodyInTheHandlersWords) {
  for (auto [head, status] : std::vector<std::pair<std::string, int>>{
           {"GET / HTTP/1.1\r\n\r\n", 400},
           {"GET / HTTP/1.1\nHost: a\n\n", 400},
           {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
           {get("/", "X-Long: " + std::string(70'000, 'a') + "\r\n"), 431},
           {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400}}) {
    TestLoop t;
    t.run([](TestLoop& loop, std::string text, int expected) -> Task<void> {
      Scene s(loop);
      co_await s.client.connect(s.server.address());
      // Of the request before, nothing may be left: a HEAD would hide the refusal's body.
      co_await s.client.send("HEAD /before HTTP/1.1\r\nHost: a\r\n\r\n");
      co_await s.client.reply(true);
      Reply r = co_await s.client.ask(text);
      EXPECT_EQ(r.status, expected);
      EXPECT_EQ(r.header("content-type"), "application/json");
      EXPECT_EQ(r.header("connection"), "close");
      EXPECT_THAT(r.body, HasSubstr("{\"refused\":\""));
      s.client.leave();
      co_await s.server.server().tasks().idle();
      EXPECT_EQ(s.server.requests, 1);
      co_await s.server.close();
    }(t, head, status));
  }
}

TEST(HttpServer, ASlowHeadIsToldSo) {
  ServerOptions options;
  options.header_timeout = milliseconds(30);
  run(
      [](Scene& s) -> Task<void> {
        Reply r = co_await s.client.ask("GET / HTTP/1.1\r\nHo");
        EXPECT_EQ(r.status, 408);
        EXPECT_EQ(r.header("connection"), "close");
        s.client.leave();
        co_await s.server.server().tasks().idle();
      },
      options);
}

TEST(HttpServer, ASlowBodyIsToldSo) {
  ServerOptions options;
  options.body_idle_timeout = milliseconds(30);
  for (std::string length : {"10", "1000000"}) {
    TestLoop t;
    t.run([](TestLoop& loop, ServerOptions o, std::string bytes) -> Task<void> {
      Scene s(loop, o);
      co_await s.client.connect(s.server.address());
      Reply r =
          co_await s.client.ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: " + bytes + "\r\n\r\nabc");
      EXPECT_EQ(r.status, 408);
      EXPECT_EQ(r.header("connection"), "close");
      s.client.leave();
      co_await s.server.close();
    }(t, options, length));
  }
}

// Below its floor over one span, a body is too slow, however fast it began; above it, it may take its time.
TEST(HttpServer, ABodyThatCrawlsIsToldSo) {
  ServerOptions options;
  options.body_rate_span = milliseconds(60);
  options.body_bytes_per_s = 1000;  // 60 bytes a span
  for (std::string begun : {std::string(), std::string(40'000, 'x')}) {
    TestLoop t;
    t.run([](TestLoop& loop, ServerOptions o, std::string bytes) -> Task<void> {
      Scene s(loop, o);
      co_await s.client.connect(s.server.address());
      co_await s.client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + bytes);
      io::TaskGroup dripping;
      io::Cancel stop;
      dripping.start([](Scene& scene, io::Cancel& enough) -> Task<void> {
        while (co_await io::sleep(scene.loop, milliseconds(5), enough))
          co_await scene.client.send("y");
      }(s, stop));
      Reply r = co_await s.client.reply();
      EXPECT_EQ(r.status, 408);
      EXPECT_EQ(r.header("connection"), "close");
      stop.request(io::CancelReason::kClientLeft);
      co_await dripping.idle();
      s.client.leave();
      co_await s.server.close();
    }(t, options, begun));
  }
}

TEST(HttpServer, ABodyAboveTheFloorMayTakeManySpans) {
  ServerOptions options;
  options.body_rate_span = milliseconds(20);
  options.body_bytes_per_s = 100;  // 2 bytes a span
  for (size_t floor : {size_t{100}, size_t{0}}) {
    options.body_bytes_per_s = floor;
    TestLoop t;
    t.run([](TestLoop& loop, ServerOptions o) -> Task<void> {
      Scene s(loop, o);
      co_await s.client.connect(s.server.address());
      co_await s.client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n");
      for (int i = 0; i < 20; ++i) {  // some 100 ms: five spans
        co_await s.client.send(std::string(1000, 'z'));
        co_await io::sleep(s.loop, milliseconds(5), s.guard.scope());
      }
      EXPECT_EQ((co_await s.client.reply()).body.size(), 20'000u);
      s.client.leave();
      co_await s.server.close();
    }(t, options));
  }
}

TEST(HttpServer, TakesACodingOffABodyOfEveryFraming) {
  TestLoop t;
  t.run([](TestLoop& loop) -> Task<void> {
    Guard guard(loop.loop());
    TestServer server(loop.loop(), [](Request& request, ResponseWriter& response) {
      return [](Request& q, ResponseWriter& r) -> Task<void> {
        ContentDecoder decoder(ContentCoding::kDeflate, 1000);
        auto body = co_await q.read_body(1000, &decoder);
        co_await r.send(body ? 200 : http_status(body.error().code), {}, body ? body->view() : "refused");
      }(request, response);
    });
    RawClient client(loop.loop(), guard.scope());
    co_await client.connect(server.address());
    std::string hello("\x78\x01\x01\x05\x00\xfa\xffhello\x06\x2c\x02\x15", 16);  // one stored block
    EXPECT_EQ((co_await client.ask(post("/", hello))).body, "hello");
    std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (char c : hello)
      chunked += std::string("1\r\n") + c + "\r\n";
    EXPECT_EQ((co_await client.ask(chunked + "0\r\n\r\n")).body, "hello");
    EXPECT_EQ((co_await client.ask(post("/", hello.substr(0, 10)))).status, 400);
    EXPECT_EQ((co_await client.ask(post("/", hello + "x"))).status, 400);
    EXPECT_EQ((co_await client.ask(post("/", ""))).status, 400);
    EXPECT_EQ((co_await client.ask(post("/", std::string(1001, 'x')))).status, 413);
    client.leave();
    co_await server.close();
  }(t));
}

TEST(HttpServer, AnIdleConnectionIsClosedWithoutAWord) {
  ServerOptions options;
  options.idle_timeout = milliseconds(30);
  run(
      [](Scene& s) -> Task<void> {
        EXPECT_EQ((co_await s.client.ask(get("/a"))).status, 200);
        EXPECT_EQ(co_await s.client.rest(), "");
        EXPECT_EQ(s.client.ended(), io::IoStatus::kEof);
      },
      options);
}

TEST(HttpServer, AClientThatDoesNotReadIsCut) {
  ServerOptions options;
  options.write_timeout = milliseconds(50);
  options.unread_body_bytes_max = 1 << 30;
  TestLoop t;
  t.run([](TestLoop& loop, ServerOptions o) -> Task<void> {
    Guard guard(loop.loop());
    io::CancelReason seen = io::CancelReason::kNone;
    TestServer server(
        loop.loop(),
        [&seen](Request& request, ResponseWriter& response) {
          return [](Request& q, ResponseWriter& r, io::CancelReason& reason) -> Task<void> {
            std::string much(64 << 20, 'm');
            EXPECT_FALSE(co_await r.send(200, {}, much));
            EXPECT_FALSE(r.complete());
            reason = q.cancel.reason();
          }(request, response, seen);
        },
        o);
    RawClient client(loop.loop(), guard.scope());
    co_await client.connect(server.address());
    co_await client.send(get("/"));
    while (server.requests == 0)
      co_await turns(loop.loop(), 1);
    co_await server.server().tasks().idle();
    EXPECT_EQ(seen, io::CancelReason::kClientSlow);
    co_await server.close();
  }(t, options));
}

// ------------------------------------------------------------------------------- clients that leave

TEST(HttpServer, ALeavingClientCancelsItsRequestAtOnce) {
  for (std::string request : {get("/wait"), post("/read_then_wait", std::string(100'000, 'b'))}) {
    TestLoop t;
    t.run([](TestLoop& loop, std::string text) -> Task<void> {
      Scene s(loop);
      co_await s.client.connect(s.server.address());
      co_await s.client.send(text);
      co_await until_running(s);
      EXPECT_EQ(s.server.server().in_flight(), 1u);
      s.client.leave();
      while (s.log.running)
        co_await s.log.changed.wait(s.guard.scope());
      EXPECT_EQ(s.log.cancelled, io::CancelReason::kClientLeft);
      co_await s.server.close();
    }(t, request));
  }
}

// It would find a reset instead of the answer if what it sends were not read.
TEST(HttpServer, WhoSendsAllOfALongBodyFirstStillFindsTheRefusal) {
  run([](Scene& s) -> Task<void> {
    std::string body(12 << 20, 'x');
    std::string head =
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    EXPECT_EQ(co_await s.client.send(head + body), io::IoStatus::kOk);
    EXPECT_EQ((co_await s.client.reply()).status, 413);
  });
}

TEST(HttpServer, APipelineLeavesTheOthersTheirTurn) {
  run([](Scene& s) -> Task<void> {
    RawClient other(s.loop, s.guard.scope());
    co_await other.connect(s.server.address());
    co_await turns(s.loop, 10);
    std::string pipeline;
    for (int i = 0; i < 1000; ++i)
      pipeline += get("/a");
    int before = s.server.requests;
    co_await s.client.send(pipeline);
    EXPECT_EQ((co_await other.ask(get("/b"))).body, "/b");
    EXPECT_LT(s.server.requests - before, 500);
    for (int i = 0; i < 1000; ++i)
      EXPECT_EQ((co_await s.client.reply()).body, "/a");
  });
}

TEST(HttpServer, PipelinedBytesDoNotHideThatTheClientLeft) {
  run([](Scene& s) -> Task<void> {
    co_await s.client.send(get("/wait") + get("/more"));
    co_await until_running(s);
    s.client.leave();
    while (s.log.running)
      co_await s.log.changed.wait(s.guard.scope());
    EXPECT_EQ(s.log.cancelled, io::CancelReason::kClientLeft);
  });
}

// ----------------------------------------------------------------------------------- drain and close

TEST(HttpServer, DrainEndsIdleConnectionsAndLetsBusyOnesFinish) {
  run([](Scene& s) -> Task<void> {
    RawClient idle(s.loop, s.guard.scope());
    RawClient fresh(s.loop, s.guard.scope());
    RawClient begun(s.loop, s.guard.scope());
    co_await idle.connect(s.server.address());
    co_await fresh.connect(s.server.address());
    co_await begun.connect(s.server.address());
    co_await idle.ask(get("/a"));
    co_await begun.send("GET /begun HTT");
    co_await s.client.send(get("/wait"));
    co_await until_running(s);
    co_await turns(s.loop, 10);

    s.server.stop_listening();
    s.server.server().drain();
    EXPECT_EQ(co_await idle.rest(), "");
    EXPECT_EQ(co_await fresh.rest(), "");
    EXPECT_TRUE(s.log.running);

    Reply finished = co_await begun.ask("P/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(finished.body, "/begun");
    EXPECT_EQ(finished.header("connection"), "close");
    s.log.go_on.notify();
    Reply r = co_await s.client.reply();
    EXPECT_EQ(r.body, "waited");
    EXPECT_EQ(r.header("connection"), "close");
    EXPECT_EQ(co_await s.client.rest(), "");
    co_await s.server.server().tasks().idle();
    EXPECT_EQ(s.server.server().connections(), 0u);
  });
}

TEST(HttpServer, AConnectionThatComesDuringDrainIsClosed) {
  run([](Scene& s) -> Task<void> {
    s.server.server().drain();
    RawClient late(s.loop, s.guard.scope());
    co_await late.connect(s.server.address());
    EXPECT_EQ(co_await late.rest(), "");
    co_await s.server.server().tasks().idle();
  });
}

TEST(HttpServer, CloseAllTellsTheHandlersWhy) {
  run([](Scene& s) -> Task<void> {
    co_await s.client.send(get("/wait"));
    co_await until_running(s);
    s.server.server().close_all(io::CancelReason::kShutdown);
    EXPECT_FALSE(s.log.running);
    EXPECT_EQ(s.log.cancelled, io::CancelReason::kShutdown);
    co_await s.server.server().tasks().idle();
    EXPECT_EQ(co_await s.client.rest(), "");
  });
}

TEST(HttpServer, TurnsAwayWhatIsBeyondItsConnections) {
  ServerOptions options;
  options.connections_max = 1;
  run(
      [](Scene& s) -> Task<void> {
        EXPECT_EQ((co_await s.client.ask(get("/a"))).status, 200);
        RawClient second(s.loop, s.guard.scope());
        co_await second.connect(s.server.address());
        Reply r = co_await second.reply();
        EXPECT_EQ(r.status, 503);
        EXPECT_EQ(r.header("connection"), "close");
        EXPECT_EQ(r.header("retry-after"), "1");
        EXPECT_THAT(r.body, HasSubstr("too many connections"));
        // Those that linger are bounded too: this one is not even told.
        RawClient third(s.loop, s.guard.scope());
        co_await third.connect(s.server.address());
        EXPECT_EQ(co_await third.rest(), "");
        second.leave();
        s.client.leave();
        co_await s.server.server().tasks().idle();
        RawClient again(s.loop, s.guard.scope());
        co_await again.connect(s.server.address());
        EXPECT_EQ((co_await again.ask(get("/b"))).body, "/b");
      },
      options);
}

TEST(HttpServer, TurnsAwayWhatIsBeyondAClientsConnections) {
  ServerOptions options;
  options.connections_per_client = 1;
  run(
      [](Scene& s) -> Task<void> {
        EXPECT_EQ((co_await s.client.ask(get("/a"))).status, 200);
        RawClient second(s.loop, s.guard.scope());
        co_await second.connect(s.server.address());
        Reply r = co_await second.reply();
        EXPECT_EQ(r.status, 429);
        EXPECT_EQ(r.header("connection"), "close");
        EXPECT_EQ(r.header("retry-after"), "1");
        RawClient third(s.loop, s.guard.scope());
        co_await third.connect(s.server.address());
        EXPECT_EQ(co_await third.rest(), "");
        EXPECT_EQ(s.server.turned_away_of_client, 2);
        second.leave();
        s.client.leave();
        co_await s.server.server().tasks().idle();
        RawClient again(s.loop, s.guard.scope());
        co_await again.connect(s.server.address());
        EXPECT_EQ((co_await again.ask(get("/b"))).body, "/b");
      },
      options);
}

TEST(HttpServer, AConnectionThatRestsIsReadLater) {
  run([](Scene& s) -> Task<void> {
    MonoTime before = s.loop.now();
    EXPECT_EQ((co_await s.client.ask(post("/rest/30", "unread"))).status, 200);
    EXPECT_EQ((co_await s.client.ask(get("/a"))).body, "/a");
    EXPECT_GE(s.loop.now() - before, milliseconds(30));
  });
}

TEST(HttpServer, DrainEndsAConnectionThatRests) {
  run([](Scene& s) -> Task<void> {
    EXPECT_EQ((co_await s.client.ask(get("/rest/1000000"))).status, 200);
    co_await turns(s.loop, 10);
    s.server.server().drain();
    EXPECT_EQ(co_await s.client.rest(), "");
    co_await s.server.server().tasks().idle();
  });
}

TEST(ReasonPhrase, IsKnownForEveryCodeOfOurs) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kConfig); ++code) {
    int status = http_status(static_cast<ErrorCode>(code));
    if (status != 499) EXPECT_NE(reason_phrase(status), "Unknown") << status;
  }
}

}  // namespace
}  // namespace weir::http
