// The OpenAI API over real sockets, with a pipeline that does what each test says: what callers are told, and
// who counts as a program on this machine.
// One file: the same pipeline and client serve every test.
#include "weir/server/model_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "weir/http/testing.h"
#include "weir/server/front.h"
#include "weir/server/late_loop.h"
#include "weir/telemetry/prometheus.h"

namespace weir::server {
namespace {

using exchange::AnswerStream;
using exchange::Exchange;
using http::testing::get;
using http::testing::Guard;
using http::testing::post;
using http::testing::RawClient;
using http::testing::Reply;
using io::Task;
using io::net::TestLoop;
using io::net::turns;
using ::testing::HasSubstr;
using ::testing::Not;

using Handle = std::function<Task<Result<void>>(Exchange&, AnswerStream&)>;

struct TestServices final : Services, exchange::Handler {
  const Settings& settings() const override { return settings_; }
  exchange::Handler& pipeline() override { return *this; }
  const registry::Registry& registry() const override { return registry_; }
  store::ResponseStore* responses() const override { return nullptr; }
  Result<exchange::Principal> authenticate(HeaderList, bool peer_local) const override {
    local_seen = peer_local;
    if (!authentic) return fail(ErrorCode::kUnauthenticated, "no key", {}, "missing_api_key");
    return exchange::Principal::with_key("key", allowed.value_or(std::vector<std::string>{}));
  }
  Task<std::vector<wire::ListedModel>> found_models(io::Cancel&) override { co_return found; }
  std::vector<std::string> not_ready() const override { return reasons; }
  std::vector<std::string> warnings() const override { return doubts; }
  std::string metrics_text() const override { return "weir_up 1\n"; }
  Task<Result<void>> handle(Exchange& exchange, AnswerStream& stream) override {
    ids.insert(exchange.id);
    local_seen = exchange.peer_local;
    return does(exchange, stream);
  }

  Settings settings_;
  registry::Registry registry_{settings_};
  bool authentic = true;
  std::optional<std::vector<std::string>> allowed;
  std::vector<std::string> reasons, doubts;
  std::vector<wire::ListedModel> found;
  Handle does;
  std::set<std::string> ids;
  mutable bool local_seen = false;
};

struct Scene {
  explicit Scene(TestLoop& t)
      : loop(t.loop()),
        guard(loop),
        services(std::make_shared<TestServices>()),
        delayed(loop),
        admission(delayed, registry, register_refusal_metrics(registry)),
        front(loop, Front::Scope::kAll, admission),
        server(loop, [this](http::Request& q, http::ResponseWriter& r) { return front.serve(q, r); }),
        client(loop, guard.scope()) {
    front.set_services(services);
  }
  io::Loop& loop;
  Guard guard;
  std::shared_ptr<TestServices> services;
  /// So many that a late loop takes no more.
  std::vector<Admission::Place> fill() {
    std::vector<Admission::Place> places;
    while (places.size() < Admission::kFloor)
      places.push_back(admission.enter(loop.now()));
    return places;
  }
  telemetry::Registry registry;
  DelayedLoop delayed;
  Admission admission;
  Front front;
  http::testing::TestServer server;
  RawClient client;
};

using Play = Task<void> (*)(Scene&);

Task<void> played(TestLoop& t, Play play) {
  Scene scene(t);
  co_await scene.client.connect(scene.server.address());
  co_await play(scene);
  scene.client.leave();
  co_await scene.server.close();
}

void run(Play play) {
  TestLoop t;
  t.run(played(t, play));
}

constexpr std::string_view kChat = R"({"model":"m","messages":[1]})";

// ------------------------------------------------------------------------------- pipelines for the tests

Task<Result<void>> receive_and_echo(Exchange& exchange, AnswerStream&) {
  CO_TRY_VOID(co_await exchange.source.receive(exchange));
  exchange.outcome.provider = "p";
  exchange.outcome.provider_model = "pm";
  exchange.answer =
      exchange::Answer{.headers = {{"retry-after", "3"}}, .body = std::string(exchange.request.body.view())};
  co_return Result<void>{};
}

Task<Result<void>> stream_two(Exchange& exchange, AnswerStream& stream) {
  CO_TRY_VOID(co_await exchange.source.receive(exchange));
  stream.begin(200, "text/event-stream", {{"x-request-id", "req_model"}});
  stream.event({"data: 1\n\n", "1"});
  EXPECT_TRUE(co_await stream.flush());
  stream.event({"data: [DONE]\n\n", "[DONE]", true});
  co_return Result<void>{};
}

Task<Result<void>> fail_late(Exchange&, AnswerStream& stream) {
  stream.begin(200, "text/event-stream", {});
  stream.event({"data: 1\n\n", "1"});
  co_await stream.flush();
  stream.event({"data: 2\n\n", "2"});
  co_return fail_internal(ErrorCode::kUpstream, "10.0.0.1 hung up");
}

Task<Result<void>> fail_at_the_end(Exchange&, AnswerStream& stream) {
  stream.begin(200, "text/event-stream", {});
  stream.event({"data: 1\n\n", "1"});
  stream.event({"data: [DONE]\n\n", "[DONE]", true});
  co_await stream.flush();
  co_return fail_internal(ErrorCode::kUpstream, "its record can not be kept");
}

Task<Result<void>> nothing(Exchange&, AnswerStream&) {
  co_return Result<void>{};
}

Task<Result<void>> rate_limited(Exchange&, AnswerStream&) {
  Error e = make_error(ErrorCode::kRateLimited, "slow down", {}, "requests");
  e.retry_after_s = 17;
  co_return Unexpected(std::move(e));
}

Task<Result<void>> unauthenticated(Exchange&, AnswerStream&) {
  co_return fail(ErrorCode::kUnauthenticated, "no", {}, "invalid_api_key");
}

Task<Result<void>> wait_for_cancel(Exchange& exchange, AnswerStream&) {
  io::Event never;
  co_await never.wait(exchange.cancel);
  co_return fail(ErrorCode::kCancelled, "left");
}

// --------------------------------------------------------------------------------------- answers

TEST(ModelApi, AnAnswerCarriesWhoGaveIt) {
  run([](Scene& s) -> Task<void> {
    s.services->does = receive_and_echo;
    Reply r = co_await s.client.ask(post("/v1/chat/completions", kChat));
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(r.body, kChat);
    EXPECT_EQ(r.header("content-type"), "application/json");
    EXPECT_EQ(r.header("x-weir-provider"), "p");
    EXPECT_EQ(r.header("x-weir-model"), "pm");
    EXPECT_EQ(r.header("retry-after"), "3");
    std::string id = r.header("x-weir-request-id");
    EXPECT_THAT(id, ::testing::MatchesRegex("req_[0-9a-f]+"));
    EXPECT_EQ(id.size(), 28u);
    EXPECT_EQ(r.header("x-request-id"), id);
    for (int i = 0; i < 50; ++i)
      co_await s.client.ask(post("/v1/embeddings", R"({"model":"m","input":"x"})"));
    EXPECT_EQ(s.services->ids.size(), 51u);
  });
}

TEST(ModelApi, AStreamEndsWithItsLastEvents) {
  run([](Scene& s) -> Task<void> {
    s.services->does = stream_two;
    Reply r = co_await s.client.ask(post("/v1/chat/completions", kChat));
    EXPECT_EQ(r.body, "data: 1\n\ndata: [DONE]\n\n");
    EXPECT_TRUE(r.complete);
    EXPECT_EQ(r.header("content-type"), "text/event-stream");
    EXPECT_EQ(r.header("cache-control"), "no-cache");
    EXPECT_EQ(r.header("x-request-id"), "req_model");
    EXPECT_EQ((co_await s.client.ask(get("/health"))).status, 200);
  });
}

TEST(ModelApi, AStreamThatFailsSaysSoAndEnds) {
  run([](Scene& s) -> Task<void> {
    s.services->does = fail_late;
    Reply r = co_await s.client.ask(post("/v1/chat/completions", kChat));
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(r.body,
              "data: 1\n\ndata: 2\n\ndata: {\"error\":{\"message\":\"The model server failed.\",\"type\":"
              "\"upstream_error\",\"param\":null,\"code\":\"upstream\"}}\n\n");
    EXPECT_TRUE(r.complete);
  });
}

TEST(ModelApi, AStreamThatFailsAtItsEndIsNotDone) {
  run([](Scene& s) -> Task<void> {
    s.services->does = fail_at_the_end;
    Reply r = co_await s.client.ask(post("/v1/chat/completions", kChat));
    EXPECT_THAT(r.body, ::testing::StartsWith("data: 1\n\ndata: {\"error\":"));
    EXPECT_THAT(r.body, ::testing::Not(HasSubstr("[DONE]")));
    EXPECT_TRUE(r.complete);
  });
}

TEST(ModelApi, ErrorsHaveTheirStatusAndHeaders) {
  run([](Scene& s) -> Task<void> {
    s.services->does = rate_limited;
    Reply limited = co_await s.client.ask(post("/v1/chat/completions", kChat));
    EXPECT_EQ(limited.status, 429);
    EXPECT_EQ(limited.header("retry-after"), "17");
    EXPECT_THAT(limited.body, HasSubstr(R"("code":"requests")"));
    EXPECT_EQ(limited.header("x-weir-request-id").size(), 28u);
    s.services->does = unauthenticated;
    Reply refused = co_await s.client.ask(post("/v1/chat/completions", kChat));
    EXPECT_EQ(refused.status, 401);
    EXPECT_EQ(refused.header("www-authenticate"), "Bearer");
    s.services->does = receive_and_echo;
    Reply bad =
        co_await s.client.ask(post("/v1/chat/completions", R"({"model":"m","messages":[1],"n":"x"})"));
    EXPECT_EQ(bad.status, 400);
    EXPECT_THAT(bad.body, HasSubstr(R"("param":"n")"));
    Reply plain =
        co_await s.client.ask(post("/v1/chat/completions", kChat, "Content-Encoding: identity\r\n"));
    EXPECT_EQ(plain.status, 200);
    s.services->settings_.server.limits.body_bytes = 10;
    EXPECT_EQ((co_await s.client.ask(post("/v1/chat/completions", kChat))).status, 413);
  });
}

// What the head says of a body is judged before the body is read.
TEST(ModelApi, TakesJsonAndSaysWhatElseItIsNot) {
  run([](Scene& s) -> Task<void> {
    s.services->does = receive_and_echo;
    for (std::string good : {"application/json", "APPLICATION/JSON;charset=utf-8", "application/json ; a=b",
                             "application/vnd.x+json"})
      EXPECT_EQ((co_await s.client.ask(post("/v1/chat/completions", kChat, "Content-Type: " + good + "\r\n")))
                    .status,
                200)
          << good;
    for (std::string bad : {"multipart/form-data; boundary=x", "text/plain", "application/jsonp", "", "+json",
                            "json", "text/html;application/json"}) {
      Reply r = co_await s.client.ask(post("/v1/chat/completions", kChat, "Content-Type: " + bad + "\r\n"));
      EXPECT_EQ(r.status, 400) << bad;
      EXPECT_THAT(r.body, HasSubstr("unsupported_content_type"));
      EXPECT_THAT(r.body, HasSubstr("'" + bad + "'"));
    }
  });
}

TEST(ModelApi, TakesOneCodingOfABody) {
  run([](Scene& s) -> Task<void> {
    s.services->does = receive_and_echo;
    auto coded = [](std::string_view body, std::string header) {
      return post("/v1/chat/completions", body, "Content-Encoding: " + header + "\r\n");
    };
    Reply plain = co_await s.client.ask(coded(kChat, "identity"));
    EXPECT_EQ(plain.status, 200);
    // {"model":"m","messages":[1]} as one stored block of deflate, in zlib's and gzip's wrapping.
    std::string zlib("\x78\x01\x01\x1c\x00\xe3\xff{\"model\":\"m\",\"messages\":[1]}\x83\x92\x09\x24", 39);
    Reply inflated = co_await s.client.ask(coded(zlib, "deflate"));
    EXPECT_EQ(inflated.status, 200) << inflated.body;
    EXPECT_EQ(inflated.body, kChat);
    Reply corrupt = co_await s.client.ask(coded(kChat, "gzip"));
    EXPECT_EQ(corrupt.status, 400);
    EXPECT_THAT(corrupt.body, HasSubstr("invalid_content_encoding"));
    for (std::string header : {"compress", "gzip, gzip", "", "gzip\r\nContent-Encoding: gzip",
                               "gzip\r\nContent-Encoding: identity"}) {
      Reply r = co_await s.client.ask(coded(kChat, header));
      EXPECT_EQ(r.status, 415) << header;
      EXPECT_THAT(r.body, HasSubstr("unsupported_content_encoding"));
      EXPECT_EQ(r.header("accept-encoding"), "gzip, deflate, br, zstd");
    }
    EXPECT_EQ((co_await s.client.ask(post("/v1/chat/completions", kChat))).header("accept-encoding"), "");
  });
}

TEST(ModelApi, RefusesHeadersThatWouldChooseTheModelServer) {
  run([](Scene& s) -> Task<void> {
    s.services->does = receive_and_echo;
    for (std::string name :
         {"Api-Base", "X-Base-URL", "x-portkey-custom-host", "X_BASE_URL", "X-Extra-Headers"}) {
      Reply r = co_await s.client.ask(post("/v1/chat/completions", kChat, name + ": http://x\r\n"));
      EXPECT_EQ(r.status, 400) << name;
      EXPECT_THAT(r.body, HasSubstr("\"param\":\"" + name + "\",\"code\":\"unknown_parameter\""));
    }
    for (std::string name : {"X-Database-URL", "Base-URL-Of", "X-Custom-Hostname", "url"})
      EXPECT_EQ((co_await s.client.ask(post("/v1/chat/completions", kChat, name + ": http://x\r\n"))).status,
                200)
          << name;
  });
}

TEST(ModelApi, APipelineThatSaysNothingIsOurDefect) {
  run([](Scene& s) -> Task<void> {
    s.services->does = nothing;
    Reply r = co_await s.client.ask(post("/v1/chat/completions", kChat));
    EXPECT_EQ(r.status, 500);
    EXPECT_THAT(r.body, HasSubstr(R"("type":"server_error")"));
  });
}

TEST(ModelApi, ALeavingCallerIsToldNothing) {
  run([](Scene& s) -> Task<void> {
    s.services->does = wait_for_cancel;
    co_await s.client.send(get("/health"));
    co_await s.client.reply();
    co_await s.client.send(post("/v1/chat/completions", ""));
    while (s.services->ids.empty())
      co_await turns(s.loop, 1);
    s.client.leave();
    co_await s.server.server().tasks().idle();
  });
}

// A reload swaps the services; a running request keeps its own.
TEST(ModelApi, ARequestKeepsTheServicesItBeganWith) {
  run([](Scene& s) -> Task<void> {
    s.services->does = wait_for_cancel;
    std::weak_ptr<TestServices> old = s.services;
    co_await s.client.send(post("/v1/chat/completions", ""));
    while (s.services->ids.empty())
      co_await turns(s.loop, 1);
    s.services = std::make_shared<TestServices>();
    s.front.set_services(s.services);
    EXPECT_FALSE(old.expired());
    s.client.leave();
    co_await s.server.server().tasks().idle();
    EXPECT_TRUE(old.expired());
  });
}

// ------------------------------------------------------------------------------------------- paths

TEST(Front, KnowsItsPathsAndNoOthers) {
  run([](Scene& s) -> Task<void> {
    s.services->does = receive_and_echo;
    for (std::string path : {"/", "/v1", "/v1/", "/v1/chat/completions/", "/V1/models", "/v1/models/",
                             "/v1//models", "/admin", "/v1/chat%2fcompletions", "/health/x"})
      EXPECT_EQ((co_await s.client.ask(get(path))).status, 404) << path;
    Reply wrong = co_await s.client.ask(get("/v1/chat/completions"));
    EXPECT_EQ(wrong.status, 405);
    EXPECT_EQ(wrong.header("allow"), "POST");
    EXPECT_THAT(wrong.body, HasSubstr("method_not_allowed"));
    EXPECT_EQ((co_await s.client.ask(post("/v1/models", ""))).status, 405);
    EXPECT_EQ((co_await s.client.ask(post("/v1/chat/completions?x=y", kChat))).status, 200);
    Reply metrics = co_await s.client.ask(get("/metrics"));
    EXPECT_EQ(metrics.body, "weir_up 1\n");
    EXPECT_THAT(metrics.header("content-type"), HasSubstr("text/plain"));
    co_await s.client.send("HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ((co_await s.client.reply(true)).status, 200);
  });
}

// ------------------------------------------------------------------------------------ admission

TEST(Admission, RefusesBeforeTheBodyAndTheIdWhatIsBeyondTheLimit) {
  run([](Scene& s) -> Task<void> {
    s.services->does = receive_and_echo;
    s.admission.set_options({.requests_max = 0});
    Reply r = co_await s.client.ask(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nExpect: "
        "100-continue\r\n\r\n");
    EXPECT_EQ(r.status, 503);
    EXPECT_EQ(r.header("retry-after"), "1");
    EXPECT_EQ(r.header("content-type"), "application/json");
    EXPECT_EQ(r.body, R"({"error":{"message":"The gateway is overloaded; try again.","type":)"
                      R"("service_unavailable_error","param":null,"code":"overloaded"}})");
    EXPECT_TRUE(s.services->ids.empty());
  });
}

TEST(Admission, GivesAPlaceBackAndLetsTheConnectionLive) {
  run([](Scene& s) -> Task<void> {
    s.services->does = receive_and_echo;
    for (size_t requests_max : {1u, 0u, 1u}) {
      s.admission.set_options({.requests_max = requests_max});
      Reply r = co_await s.client.ask(post("/v1/chat/completions", kChat));
      EXPECT_EQ(r.status, requests_max == 1 ? 200 : 503);
    }
    EXPECT_EQ(s.admission.under_way(), 0u);
  });
}

TEST(Admission, NeverRefusesWhatOperatorsAsk) {
  run([](Scene& s) -> Task<void> {
    s.admission.set_options({.requests_max = 0});
    for (std::string path : {"/health", "/ready", "/metrics", "/v1/models"})
      EXPECT_EQ((co_await s.client.ask(get(path))).status, 200) << path;
  });
}

TEST(Admission, CountsByReason) {
  run([](Scene& s) -> Task<void> {
    s.admission.set_options({.requests_max = 0});
    co_await s.client.ask(post("/v1/chat/completions", kChat));
    co_await s.client.ask(post("/v1/embeddings", "{}"));
    s.front.on_turned_away(false);
    s.front.on_turned_away(true);
    s.front.on_turned_away(true);
    std::string text;
    telemetry::write_prometheus(s.registry, text);
    EXPECT_THAT(text, HasSubstr("weir_refused_total{reason=\"requests\"} 2\n"));
    EXPECT_THAT(text, HasSubstr("weir_refused_total{reason=\"delay\"} 0\n"));
    EXPECT_THAT(text, HasSubstr("weir_refused_total{reason=\"connections\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("weir_refused_total{reason=\"connections_per_client\"} 2\n"));
  });
}

// The loop of the scene, as late as the test says.
TEST(Admission, OnALateLoopARequestWaitsAndIsAnswered) {
  run([](Scene& s) -> Task<void> {
    s.services->does = receive_and_echo;
    std::vector<Admission::Place> places = s.fill();
    s.delayed.late = seconds(1);
    co_await s.client.send(post("/v1/chat/completions", kChat));
    while (s.admission.waiting() == 0)
      co_await turns(s.loop, 1);
    co_await turns(s.loop, 20);
    EXPECT_TRUE(s.services->ids.empty());  // nothing of it was looked at yet
    s.delayed.late = {};
    EXPECT_EQ((co_await s.client.reply()).status, 200);
    EXPECT_EQ(s.admission.waiting(), 0u);
    EXPECT_EQ(s.admission.under_way(), places.size());
  });
}

TEST(Admission, AFreedPlaceIsForWhoWaits) {
  run([](Scene& s) -> Task<void> {
    s.services->does = receive_and_echo;
    std::vector<Admission::Place> places = s.fill();
    s.delayed.late = seconds(1);
    co_await s.client.send(post("/v1/chat/completions", kChat));
    while (s.admission.waiting() == 0)
      co_await turns(s.loop, 1);
    places.pop_back();
    EXPECT_EQ((co_await s.client.reply()).status, 200);
  });
}

TEST(Admission, WhoWaitsTooLongIsRefused) {
  run([](Scene& s) -> Task<void> {
    s.admission.set_options({.room = {.wait_max = milliseconds(20)}});
    std::vector<Admission::Place> places = s.fill();
    s.delayed.late = seconds(1);
    Reply r = co_await s.client.ask(post("/v1/chat/completions", kChat));
    EXPECT_EQ(r.status, 503);
    EXPECT_EQ(r.header("retry-after"), "1");
    EXPECT_THAT(r.body, HasSubstr(R"("code":"overloaded")"));
    std::string text;
    telemetry::write_prometheus(s.registry, text);
    EXPECT_THAT(text, HasSubstr("weir_refused_total{reason=\"waited\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("weir_wait_seconds_count 1\n"));
    EXPECT_TRUE(s.services->ids.empty());
  });
}

TEST(Admission, AClientThatLeavesWhileItWaitsIsNoticed) {
  run([](Scene& s) -> Task<void> {
    std::vector<Admission::Place> places = s.fill();
    s.delayed.late = seconds(1);
    co_await s.client.send(post("/v1/chat/completions", kChat));
    while (s.admission.waiting() == 0)
      co_await turns(s.loop, 1);
    s.client.leave();
    while (s.admission.waiting() > 0)
      co_await turns(s.loop, 1);
    EXPECT_TRUE(s.services->ids.empty());
  });
}

struct Crowd {
  Crowd() {
    while (places.size() < Admission::kFloor)
      places.push_back(admission.enter(loop.time));
  }
  /// Comes, and waits if it may.
  void come() { tasks.start(one()); }
  Task<void> one() {
    Admission::Place place = admission.enter(loop.time);
    if (place.may_wait()) place = co_await admission.wait(cancel);
    if (place)
      places.push_back(std::move(place));
    else
      refused.push_back(admission.refusal(place.why(), connections));
  }
  LateLoop loop;
  telemetry::Registry registry;
  Admission admission{loop, registry, register_refusal_metrics(registry)};
  io::Cancel cancel;
  size_t connections = 10'000;
  std::vector<Admission::Place> places;
  std::vector<Admission::Refusal> refused;
  io::TaskGroup tasks;
};

TEST(Admission, CallsInWhoCameFirstAndNobodyPassesThem) {
  Crowd c;
  c.loop.late = milliseconds(6);
  c.come();
  EXPECT_EQ(c.admission.waiting(), 1u);
  c.loop.late = milliseconds(5);  // on time, but somebody waits already
  c.come();
  EXPECT_EQ(c.admission.waiting(), 2u);
  c.loop.run_jobs();
  EXPECT_EQ(c.admission.waiting(), 0u);
  EXPECT_EQ(c.places.size(), Admission::kFloor + 2);
}

TEST(Admission, LooksAgainWhenNothingElseHappens) {
  Crowd c;
  c.loop.late = seconds(1);
  c.come();
  for (int i = 0; i < 10; ++i)
    c.loop.pass(milliseconds(16));
  EXPECT_EQ(c.admission.waiting(), 1u);
  c.loop.late = {};
  c.loop.pass(milliseconds(16));
  EXPECT_EQ(c.admission.waiting(), 0u);
  EXPECT_EQ(c.places.size(), Admission::kFloor + 1);
}

TEST(Admission, AConnectionThatWasRefusedForLatenessRests) {
  Crowd c;
  c.admission.set_options({.room = {.places = 1}});
  c.loop.late = seconds(1);
  for (int i = 0; i < 4; ++i)
    c.come();
  ASSERT_EQ(c.refused.size(), 3u);
  Duration mean = Duration(seconds(10'000)) / Admission::kRefusalsPerSecond;
  for (const Admission::Refusal& r : c.refused) {
    EXPECT_GE(r.rest, mean / 2);
    EXPECT_LE(r.rest, mean * 3 / 2);
    EXPECT_GT(seconds(r.error.retry_after_s), r.rest);  // asking then, it does not find it resting
  }
  EXPECT_NE(c.refused[0].rest, c.refused[1].rest);  // they do not come back together
  c.connections = 4;
  c.come();
  EXPECT_LE(c.refused[3].rest, milliseconds(4));
  EXPECT_EQ(c.refused[3].error.retry_after_s, 1);

  c.admission.set_options({.requests_max = 0});
  c.connections = 10'000;
  c.come();
  EXPECT_EQ(c.refused[4].rest, Duration(0));  // full, but not late
  c.cancel.request(io::CancelReason::kShutdown);
}

// Until those who were sent away are back; then a rush may wait again.
TEST(Admission, TheRoomIsShortAfterARefusal) {
  Crowd c;
  c.loop.late = seconds(1);
  for (size_t i = 0; i < WaitingRoom::Options().places + 1; ++i)
    c.come();
  ASSERT_EQ(c.refused.size(), 1u);
  c.loop.late = {};
  c.loop.pass(milliseconds(16));
  ASSERT_EQ(c.admission.waiting(), 0u);
  c.loop.late = seconds(1);
  for (size_t i = 0; i < WaitingRoom::kCrowdedPlaces + 1; ++i)
    c.come();
  EXPECT_EQ(c.admission.waiting(), WaitingRoom::kCrowdedPlaces);
  EXPECT_EQ(c.refused.size(), 2u);
  c.cancel.request(io::CancelReason::kShutdown);
}

TEST(Admission, WithoutALimitOnLatenessNobodyWaits) {
  Crowd c;
  c.admission.set_options({.delay_max = Duration(0)});
  c.loop.late = seconds(100);
  c.come();
  EXPECT_EQ(c.places.size(), Admission::kFloor + 1);
}

TEST(Front, MetricsMayHaveTheirOwnListener) {
  run([](Scene& s) -> Task<void> {
    s.front.set_scope(Front::Scope::kWithoutMetrics);
    EXPECT_EQ((co_await s.client.ask(get("/metrics"))).status, 404);
    EXPECT_EQ((co_await s.client.ask(get("/health"))).status, 200);
    s.front.set_scope(Front::Scope::kMetricsOnly);
    EXPECT_EQ((co_await s.client.ask(get("/metrics"))).status, 200);
    for (std::string path : {"/health", "/ready", "/v1/models"})
      EXPECT_EQ((co_await s.client.ask(get(path))).status, 404) << path;
  });
}

TEST(Front, ReadyTellsWhyNot) {
  run([](Scene& s) -> Task<void> {
    EXPECT_EQ((co_await s.client.ask(get("/ready"))).body,
              R"({"status":"ready","reasons":[],"warnings":[]})");
    s.services->doubts = {"events are not stored"};
    Reply doubtful = co_await s.client.ask(get("/ready"));
    EXPECT_EQ(doubtful.status, 200);
    EXPECT_EQ(doubtful.body, R"({"status":"ready","reasons":[],"warnings":["events are not stored"]})");
    s.services->doubts.clear();
    s.services->reasons = {"local model x is loading"};
    Reply r = co_await s.client.ask(get("/ready"));
    EXPECT_EQ(r.status, 503);
    EXPECT_EQ(r.body, R"({"status":"not_ready","reasons":["local model x is loading"],"warnings":[]})");
    s.services->reasons.clear();
    s.front.set_draining();
    EXPECT_EQ((co_await s.client.ask(get("/ready"))).status, 503);
    EXPECT_EQ((co_await s.client.ask(get("/health"))).status, 200);
  });
}

// ---------------------------------------------------------------------------------------- models

void fill(Settings& settings) {
  ProviderSettings provider;
  provider.name = "p";
  provider.models = {"pass-*", "exact"};
  ProviderSettings local;
  local.name = "here";
  local.kind = ProviderKind::kLocal;
  local.chat.push_back({.name = "smol"});
  local.embeddings.push_back({.name = "mini"});
  settings.providers = {provider, local};
  ModelSettings model;
  model.name = "chat";
  model.aliases = {"default"};
  model.targets = {{"p", "x"}};
  settings.models = {model};
}

TEST(Models, AreThoseTheKeyMayUse) {
  run([](Scene& s) -> Task<void> {
    fill(s.services->settings_);
    Reply all = co_await s.client.ask(get("/v1/models"));
    for (std::string name : {"chat", "default", "smol", "mini", "exact"})
      EXPECT_THAT(all.body, HasSubstr("\"id\":\"" + name + "\""));
    EXPECT_THAT(all.body, Not(HasSubstr("pass-")));
    EXPECT_EQ(all.header("x-weir-request-id").size(), 28u);

    s.services->allowed = {"chat", "mini"};
    Reply some = co_await s.client.ask(get("/v1/models"));
    EXPECT_EQ(
        some.body,
        R"({"object":"list","data":[{"id":"chat","object":"model","created":0,"owned_by":"p","type":"model","display_name":"chat","created_at":"1970-01-01T00:00:00.000Z"},)"
        R"({"id":"mini","object":"model","created":0,"owned_by":"here","type":"model","display_name":"mini","created_at":"1970-01-01T00:00:00.000Z"}],)"
        R"("has_more":false,"first_id":"chat","last_id":"mini"})");
    EXPECT_EQ(
        (co_await s.client.ask(get("/v1/models/chat"))).body,
        R"({"id":"chat","object":"model","created":0,"owned_by":"p","type":"model","display_name":"chat","created_at":"1970-01-01T00:00:00.000Z"})");
    Reply hidden = co_await s.client.ask(get("/v1/models/smol"));
    EXPECT_EQ(hidden.status, 404);
    EXPECT_THAT(hidden.body, HasSubstr("model_not_found"));
    EXPECT_EQ((co_await s.client.ask(get("/v1/models/nonsense"))).status, 404);
    for (std::string odd : {"%00", "a%0ab", "%E2%80%AE", "%ff", "a%20b", "a%22"}) {
      Reply r = co_await s.client.ask(get("/v1/models/" + odd));
      EXPECT_EQ(r.status, 400) << odd;
      EXPECT_THAT(r.body, HasSubstr("\"param\":\"model\",\"code\":\"invalid_value\""));
    }
    s.services->authentic = false;
    Reply refused = co_await s.client.ask(get("/v1/models"));
    EXPECT_EQ(refused.status, 401);
    EXPECT_EQ(refused.header("www-authenticate"), "Bearer");
  });
}

TEST(Models, AreAlsoThoseThatProvidersList) {
  run([](Scene& s) -> Task<void> {
    fill(s.services->settings_);
    s.services->found = {
        {.name = "pass-1", .provider = "p", .created = 7, .more = R"("aliases":["q"])"},
        {.name = "chat", .provider = "p"},  // named by the configuration: once
        {.name = "pass-2", .provider = "p"},
    };
    s.services->allowed = {"chat", "pass-1"};
    EXPECT_EQ(
        (co_await s.client.ask(get("/v1/models"))).body,
        R"({"object":"list","data":[{"id":"chat","object":"model","created":0,"owned_by":"p","type":"model","display_name":"chat","created_at":"1970-01-01T00:00:00.000Z"},)"
        R"({"id":"pass-1","object":"model","created":7,"owned_by":"p","type":"model","display_name":"pass-1","created_at":"1970-01-01T00:00:07.000Z","aliases":["q"]}],)"
        R"("has_more":false,"first_id":"chat","last_id":"pass-1"})");
    EXPECT_THAT((co_await s.client.ask(get("/v1/models/pass-1"))).body, HasSubstr("\"aliases\":[\"q\"]"));
    EXPECT_EQ((co_await s.client.ask(get("/v1/models/pass-2"))).status, 404);
    Reply tags = co_await s.client.ask(get("/api/tags"));
    EXPECT_THAT(tags.body, HasSubstr("\"pass-1:latest\""));
    EXPECT_THAT(tags.body, Not(HasSubstr("pass-2")));
    EXPECT_EQ((co_await s.client.ask(post("/api/show", R"({"model":"pass-1"})"))).status, 200);
    EXPECT_EQ((co_await s.client.ask(post("/api/show", R"({"model":"pass-2"})"))).status, 404);
  });
}

// ------------------------------------------------------------------- programs and pages of this machine

TEST(PeerLocal, IsAProgramOnThisMachineNotAPageNorAProxy) {
  struct Row {
    std::string host, headers;
    bool local;
  };
  const Row kRows[] = {
      {"127.0.0.1:8080", "", true},
      {"localhost:8080", "", true},
      {"LOCALHOST", "", true},
      {"[::1]:8080", "", true},
      {"127.8.9.1", "", true},
      // A page of another site whose name was made to lead here.
      {"evil.example", "", false},
      {"localhost.evil.example", "", false},
      {"127.evil.example", "", false},
      {"127.0.0.1.evil.example", "", false},
      {"127.0.0", "", false},
      {"127.0.0.1.1", "", false},
      {"127.0.0.256", "", false},
      // A browser tells where its page is from.
      {"localhost", "Origin: http://localhost:3000\r\n", true},
      {"localhost", "Origin: http://127.0.0.1\r\n", true},
      {"localhost", "Origin: http://[::1]:80\r\n", true},
      {"localhost", "Origin: https://evil.example\r\n", false},
      {"localhost", "Origin: http://127.evil.example\r\n", false},
      {"localhost", "Origin: http://[::1].evil.example\r\n", false},
      {"localhost", "Origin: null\r\n", false},
      {"localhost", "Origin: \r\n", false},
      {"localhost", "Origin: http://localhost\r\nOrigin: http://evil.example\r\n", false},
      // Somebody else, through a proxy that runs here.
      {"127.0.0.1:8080", "X-Forwarded-For: 1.2.3.4\r\n", false},
      {"127.0.0.1:8080", "Forwarded: for=1.2.3.4\r\n", false},
      {"127.0.0.1:8080", "X-Real-IP: 1.2.3.4\r\n", false},
      {"127.0.0.1:8080", "Via: 1.1 proxy\r\n", false},
  };
  TestLoop t;
  t.run([](TestLoop& loop, std::span<const Row> rows) -> Task<void> {
    Scene s(loop);
    co_await s.client.connect(s.server.address());
    for (const Row& row : rows) {
      s.services->local_seen = !row.local;
      co_await s.client.ask("GET /v1/models HTTP/1.1\r\nHost: " + row.host + "\r\n" + row.headers + "\r\n");
      EXPECT_EQ(s.services->local_seen, row.local) << row.host << " " << row.headers;
    }
    s.client.leave();
    co_await s.server.close();
  }(t, kRows));
}

TEST(ErrorBody, OfTheServerItselfHasTheSameShape) {
  TestLoop t;
  telemetry::Registry registry;
  Admission admission(t.loop(), registry, register_refusal_metrics(registry));
  Front front(t.loop(), Front::Scope::kAll, admission);
  EXPECT_EQ(
      front.error_body(make_error(ErrorCode::kRequestTimeout, "slow")),
      R"({"error":{"message":"slow","type":"invalid_request_error","param":null,"code":"request_timeout"}})");
}

}  // namespace
}  // namespace weir::server
