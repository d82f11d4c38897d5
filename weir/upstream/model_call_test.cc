// Calls of model servers over real sockets, against a server that does what each test tells it: whole
// answers, streams, refusals, cuts and silence; what passes in both directions and what must not.
// One file: every test is a script of the same model server and what its caller saw.
#include "weir/upstream/model_call.h"

#include <gmock/gmock.h>

#include "weir/http/http_date.h"
#include "weir/upstream/testing.h"

namespace weir::upstream {
namespace {

using namespace weir::upstream::testing;
using io::net::turns;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// ---------------------------------------------------------------------------------- whole answers

TEST(OpenAiCall, AWholeAnswer) {
  run([](Scene& s) -> Task<void> {
    s.ask(R"({"model":"m", "messages":[1],"unknown":1})");
    Model& model = s.add({.headers = {{"content-type", "application/json"},
                                      {"X-Request-Id", "req_model"},
                                      {"x-ratelimit-remaining-tokens", "9"},
                                      {"Set-Cookie", "a=b"},
                                      {"server", "model"}},
                          .body = R"({"id":"x","usage":{"prompt_tokens":3,"completion_tokens":4}})"});
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(model.paths[0], "/v1/chat/completions");
    EXPECT_EQ(model.bodies[0], R"({"model":"upstream-model", "messages":[1],"unknown":1})");
    EXPECT_THAT(model.heads[0], HasSubstr("Authorization: Bearer sk-gateway\n"));
    EXPECT_THAT(model.heads[0], HasSubstr("Accept-Encoding: identity\n"));
    EXPECT_THAT(model.heads[0], HasSubstr("X-Weir-Request-Id: req_0\n"));
    EXPECT_TRUE(s.exchange.answer);
    if (!s.exchange.answer) co_return;
    EXPECT_EQ(s.exchange.answer->status, 200);
    EXPECT_EQ(s.exchange.answer->body, model.script.body);
    EXPECT_EQ(s.exchange.answer->headers,
              (OwnedHeaders{{"x-request-id", "req_model"}, {"x-ratelimit-remaining-tokens", "9"}}));
    EXPECT_EQ(s.exchange.usage.input_tokens, 3);
    EXPECT_EQ(s.exchange.usage.output_tokens, 4);
    EXPECT_EQ(s.exchange.outcome.attempts, 1);
    EXPECT_EQ(s.exchange.outcome.provider, "p0");
    const exchange::Timeline& t = s.exchange.timeline;
    EXPECT_TRUE(t.connected.ns > 0 && t.connected <= t.first_byte && t.first_byte <= t.first_token &&
                t.first_token <= t.last_byte);
  });
}

TEST(OpenAiCall, OperationsHaveTheirPaths) {
  run([](Scene& s) -> Task<void> {
    s.ask(R"({"model":"m","input":"x"})", Operation::kEmbedding);
    Model& model = s.add({.body = "{}"});
    Endpoint endpoint(s.loop, Scene::at(model.server.address()));
    exchange::Target target{"p0", "m", {}};
    for (Operation operation : {Operation::kEmbedding, Operation::kCompletion}) {
      Exchange e(s.loop, s.cancel, operation, s.source);
      e.request.body = json::PaddedBuffer(R"({"model":"m","input":"x","prompt":"x"})");
      EXPECT_TRUE(wire::openai::read_request(operation, s.request_parser, e.request));
      Delivery delivery(e, s.caller, false);
      Breaker::Call call;
      EXPECT_TRUE(co_await call_model(endpoint, wire::wire_of(exchange::Dialect::kOpenAi), s.parser,
                                      {e, target, Ask::kPlain, delivery, call}, s.cancel));
    }
    EXPECT_THAT(model.paths, ::testing::ElementsAre("/v1/embeddings", "/v1/completions"));
  });
}

TEST(OpenAiCall, OnlyListedHeadersGoUp) {
  run([](Scene& s) -> Task<void> {
    s.ask_whole();
    Model& model = s.add({.body = "{}"});
    std::vector<Header> headers{{"Authorization", "Bearer caller-secret"},
                                {"Cookie", "c=1"},
                                {"TraceParent", "00-1-2-01"},
                                {"Idempotency-Key", "k1"},
                                {"X-Forwarded-For", "1.2.3.4"},
                                {"OpenAI-Organization", "org"},
                                {"Connection", "x"},
                                {"OpenAI-Beta", "b"}};
    s.exchange.headers = headers;
    s.exchange.principal = exchange::Principal::with_key("k");
    co_await s.call();
    const std::string& up = model.heads[0];
    EXPECT_THAT(up, HasSubstr("traceparent: 00-1-2-01\n"));
    EXPECT_THAT(up,
                HasSubstr("idempotency-key: weir-" + sha256_hex(std::string_view("key k\0k1", 8)) + "\n"));
    EXPECT_THAT(up, HasSubstr("openai-beta: b\n"));
    for (std::string_view never : {"caller-secret", "Cookie", "1.2.3.4", "org\n", "Connection"})
      EXPECT_THAT(up, Not(HasSubstr(never)));
  });
}

// -------------------------------------------------------------------------------------- refusals

TEST(OpenAiCall, TheModelServersOwnErrorPasses) {
  run([](Scene& s) -> Task<void> {
    s.ask_stream();
    s.add({.status = 400,
           .headers = {{"retry-after", "7"}},
           .body = R"({"error":{"message":"context too long","type":"invalid_request_error"}})"});
    Model& second = s.add({.body = "{}"});
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_TRUE(s.exchange.answer && s.exchange.answer->status == 400);
    EXPECT_THAT(s.exchange.answer->body, HasSubstr("context too long"));
    EXPECT_EQ(s.exchange.answer->headers, (OwnedHeaders{{"retry-after", "7"}}));
    EXPECT_TRUE(s.exchange.outcome.error && s.exchange.outcome.error->reason == "upstream_status");
    EXPECT_EQ(second.paths.size(), 0u);  // the request is wrong wherever it goes
    EXPECT_EQ(s.caller.begun, 0);
  });
}

TEST(OpenAiCall, ARetryAfterMayBeADate) {
  run([](Scene& s) -> Task<void> {
    s.ask_whole();
    std::string in_an_hour = http::http_date(s.loop.wall_now().unix_s() + 3600);
    s.add({.status = 503, .headers = {{"retry-after", in_an_hour}}, .body = "busy"});
    co_await s.call();
    EXPECT_FALSE(s.outcome);
    if (s.outcome) co_return;
    EXPECT_GT(s.outcome.error().retry_after_s, 3500);
    EXPECT_LE(s.outcome.error().retry_after_s, 3600);
  });
}

TEST(OpenAiCall, AnOverloadedServersErrorPassesOnlyWhenNobodyElseAnswers) {
  for (int status : {429, 500, 503}) {
    TestLoop t;
    t.run([](TestLoop& loop, int code) -> Task<void> {
      Script refusal{.status = code, .body = R"({"error":{"message":"busy"}})"};
      {
        Scene s(loop);
        s.ask_whole();
        s.add(refusal);
        s.add({.body = R"({"id":"second"})"});
        co_await s.call();
        EXPECT_TRUE(s.outcome && s.exchange.answer && s.exchange.answer->body == R"({"id":"second"})")
            << code;
        EXPECT_FALSE(s.exchange.outcome.error) << code;
        EXPECT_EQ(s.exchange.outcome.attempts, 2) << code;
        co_await s.close();
      }
      Scene alone(loop);
      alone.ask_whole();
      alone.add(refusal);
      co_await alone.call();
      EXPECT_TRUE(alone.outcome && alone.exchange.answer && alone.exchange.answer->status == code) << code;
      co_await alone.close();
    }(t, status));
  }
}

TEST(OpenAiCall, ARefusalOfOurCredentialsIsOurs) {
  for (int status : {401, 403}) {
    TestLoop t;
    t.run([](TestLoop& loop, int code) -> Task<void> {
      Scene s(loop);
      s.ask_whole();
      s.add({.status = code, .body = R"({"error":{"message":"Incorrect API key provided: sk-gate***"}})"});
      co_await s.call();
      EXPECT_FALSE(s.outcome);
      if (s.outcome) co_return;
      EXPECT_EQ(s.outcome.error().code, ErrorCode::kUpstream);
      EXPECT_EQ(s.outcome.error().reason, "upstream_credentials");
      EXPECT_THAT(s.outcome.error().safe, Not(HasSubstr("sk-")));
      EXPECT_FALSE(s.exchange.answer);
      co_await s.close();
    }(t, status));
  }
}

TEST(OpenAiCall, RefusalsThatAreNotJson) {
  struct Row {
    int status;
    ErrorCode code;
  };
  for (Row row :
       {Row{429, ErrorCode::kRateLimited}, Row{503, ErrorCode::kUnavailable}, Row{502, ErrorCode::kUpstream},
        Row{302, ErrorCode::kUpstream}, Row{200, ErrorCode::kUpstream}}) {
    TestLoop t;
    t.run([](TestLoop& loop, Row r) -> Task<void> {
      Scene s(loop);
      s.ask_stream();
      s.add({.status = r.status,
             .headers = {{"content-type", "text/html"}, {"retry-after", "9"}},
             .body = "<html>10.0.0.7</html>"});
      co_await s.call();
      EXPECT_FALSE(s.outcome) << r.status;
      if (s.outcome) co_return;
      EXPECT_EQ(s.outcome.error().code, r.code) << r.status;
      EXPECT_TRUE(s.outcome.error().retryable) << r.status;
      EXPECT_THAT(s.outcome.error().safe, Not(HasSubstr("10.0.0.7")));
      bool later = r.status == 429 || r.status == 503;
      EXPECT_EQ(s.outcome.error().retry_after_s, later ? 9 : 0) << r.status;
      co_await s.close();
    }(t, row));
  }
}

// --------------------------------------------------------------------------------------- streams

TEST(OpenAiCall, AStreamIsRelayedByteForByte) {
  run([](Scene& s) -> Task<void> {
    s.ask_stream_with_usage();
    std::string all = text({kRole, ": a comment\n\n", "event: x\r\ndata: {\"choices\":[]}\r\n\r\n", kToken,
                            kFinish, kUsage, kDone});
    std::vector<std::string> bytes;
    for (char c : all)
      bytes.emplace_back(1, c);
    s.add(streams(bytes));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(s.caller.begun, 200);
    EXPECT_EQ(s.caller.type, "text/event-stream");
    EXPECT_EQ(s.caller.all, all);
    EXPECT_TRUE(s.exchange.outcome.streamed);
    EXPECT_EQ(s.exchange.outcome.events, 6u);
    EXPECT_EQ(s.exchange.outcome.answer_bytes, all.size());
    EXPECT_EQ(s.exchange.usage.output_tokens, 20);
    EXPECT_GT(s.exchange.timeline.first_token.ns, 0);
  });
}

TEST(OpenAiCall, UsageIsAskedForAndHidden) {
  run([](Scene& s) -> Task<void> {
    s.ask_stream();
    std::string azure = "data: {\"choices\":[],\"prompt_filter_results\":[],\"usage\":null}\n\n";
    Model& model = s.add(streams(
        {text({azure, kRole}), "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n",
         "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"usage\":{\"prompt_tokens\":1}}\n\n",
         text({kFinish, kUsage, kDone})}));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_THAT(model.bodies[0], HasSubstr(R"("stream_options":{"include_usage":true})"));
    EXPECT_EQ(s.caller.all,
              text({"data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n", kRole,
                    "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
                    "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n", kFinish, kDone}));
    EXPECT_EQ(s.caller.data[0], "{\"choices\":[],\"prompt_filter_results\":[]}");
    EXPECT_EQ(s.exchange.usage.input_tokens, 12);
    EXPECT_EQ(s.exchange.usage.output_tokens, 20);
  });
}

// The first read fills the inbox to the last byte, and the rest is there already when it looks again.
TEST(OpenAiCall, NothingIsLeftLyingAfterAFullRead) {
  run([](Scene& s) -> Task<void> {
    s.ask_stream();
    Script script = streams({});
    for (int i = 0; i < 3000; ++i)
      script.stream.resize(1), script.stream[0] += kToken;
    script.hang = true;
    s.add(script);
    io::TaskGroup calling;
    calling.start(s.call());
    while (s.caller.flushed < 3000 * kToken.size())
      if (!co_await s.caller.changed.wait(s.guard.scope())) break;
    EXPECT_EQ(s.caller.flushed, 3000 * kToken.size());
    s.cancel.request(io::CancelReason::kClientLeft);
    co_await calling.idle();
  });
}

TEST(OpenAiCall, DoneIsTheEndWhateverTheMessageSays) {
  for (bool with_token : {true, false}) {
    TestLoop t;
    t.run([](TestLoop& loop, bool token) -> Task<void> {
      Scene s(loop);
      s.ask_stream();
      Script script = streams({token ? text({kToken, kFinish, kDone}) : text({kRole, kFinish, kDone})});
      script.hang = true;
      s.add(script);
      co_await s.call();
      EXPECT_TRUE(s.outcome);
      EXPECT_TRUE(s.caller.all.ends_with(kDone));
      EXPECT_FALSE(s.exchange.cancel.requested());
      co_await s.close();
    }(t, with_token));
  }
}

TEST(OpenAiCall, WhatComesAfterDoneIsNotRelayed) {
  run([](Scene& s) -> Task<void> {
    s.ask_stream();
    s.add(streams({text({kToken, kFinish, kDone, kToken})}));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(s.caller.all, text({kToken, kFinish, kDone}));
  });
}

TEST(OpenAiCall, AStreamMayEndWithoutDoneOnceItFinished) {
  run([](Scene& s) -> Task<void> {
    s.ask_stream();
    s.add(streams({text({kToken, kFinish})}));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(s.caller.all, text({kToken, kFinish}));  // no [DONE] is invented
  });
}

TEST(OpenAiCall, EveryChoiceAskedForMustFinish) {
  run([](Scene& s) -> Task<void> {
    s.ask(R"({"model":"asked","messages":[{"role":"user","content":"hi"}],"stream":true,"n":2})");
    s.add(streams({text({kToken, kFinish})}));  // the second choice was cut
    co_await s.call();
    EXPECT_FALSE(s.outcome);
    EXPECT_EQ(s.outcome.error().reason, "stream_cut");
    EXPECT_EQ(s.caller.all, text({kToken, kFinish}));
  });
}

struct Broken {
  std::vector<std::string> pieces;
  bool end;
  std::string reason;
  std::string safe;
};

// Before the first byte another target is asked; after it the stream fails.
TEST(OpenAiCall, BrokenStreams) {
  const Broken kBroken[] = {
      {{"data: {nonsense\n\n"}, true, "malformed_response", "not a valid answer"},
      {{"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}\n\n"},
       true,
       "malformed_response",
       "not a valid answer"},
      {{": \xc3\n\n"}, true, "malformed_response", "not a valid answer"},
      {{"data: {\"error\":{\"message\":\"overloaded\"}}\n\n"}, true, "upstream_error_event", "overloaded"},
      {{"data: {\"error\":\"runner stopped\"}\n\n"}, true, "upstream_error_event", "runner stopped"},
      {{"data: {\"object\":\"error\",\"message\":\"bad\"}\n\n"}, true, "upstream_error_event", "bad"},
      {{": nothing yet\n\n"}, true, "stream_cut", "cut its answer off"},
      {{": nothing yet\n\n"}, false, "stream_cut", "cut its answer off"},
      {{"data: " + std::string(1 << 20, 'x'), "y\n\n"}, true, "malformed_response", "not a valid answer"},
  };
  for (const Broken& broken : kBroken)
    for (bool begun : {false, true}) {
      TestLoop t;
      t.run([](TestLoop& loop, Broken b, bool late) -> Task<void> {
        Scene s(loop);
        s.ask_stream();
        Script script = streams(b.pieces);
        script.end = b.end;
        if (late) script.stream.insert(script.stream.begin(), text({kToken}));
        s.add(script);
        Model& second = s.add(streams({text({kToken, kFinish, kDone})}));
        co_await s.call();
        EXPECT_EQ(second.paths.size(), late ? 0u : 1u) << b.reason;
        EXPECT_EQ(s.outcome.has_value(), !late) << b.reason;
        if (late && !s.outcome) {
          EXPECT_EQ(s.outcome.error().code, ErrorCode::kUpstream);
          EXPECT_EQ(s.outcome.error().reason, b.reason);
          EXPECT_THAT(s.outcome.error().safe, HasSubstr(b.safe));
          EXPECT_TRUE(s.caller.all.starts_with(kToken));
        } else {
          EXPECT_EQ(s.caller.all, text({kToken, kFinish, kDone}));
          EXPECT_EQ(s.exchange.outcome.provider, "p1");
        }
        co_await s.close();
      }(t, broken, begun));
    }
}

// ------------------------------------------------------------------------------------ times and leaving

TEST(OpenAiCall, EachPhaseHasItsLimit) {
  using std::chrono::milliseconds;
  struct Row {
    UpstreamTimeouts timeouts;
    Script script;
    bool stream;
    std::string reason;
  };
  Script after_head = streams({": hello\n\n"}), after_token = streams({text({kToken})});
  after_head.hang = after_token.hang = true;
  Script half{.headers = {{"content-type", "application/json"}}, .stream = {"{\"id\":"}, .hang = true};
  const milliseconds kShort{40};
  const Row kRows[] = {
      {{.headers = kShort}, {.silent = true}, true, "headers_timeout"},
      {{.first_token = kShort}, after_head, true, "first_token_timeout"},
      {{.idle = kShort}, after_token, true, "idle_timeout"},
      {{.idle = kShort}, half, false, "idle_timeout"},
      {{.total = kShort}, {.silent = true}, false, "total_timeout"},
      {{.total = kShort}, {.silent = true}, true, "total_timeout"},
      {{.total = kShort}, after_token, true, "total_timeout"},
  };
  for (const Row& row : kRows) {
    TestLoop t;
    t.run([](TestLoop& loop, Row r) -> Task<void> {
      Scene s(loop);
      r.stream ? s.ask_stream() : s.ask_whole();
      s.add(r.script, r.timeouts);
      co_await s.call();
      EXPECT_FALSE(s.outcome) << r.reason;
      if (s.outcome) co_return;
      EXPECT_EQ(s.outcome.error().code, ErrorCode::kUpstreamTimeout) << r.reason;
      EXPECT_EQ(s.outcome.error().reason, r.reason);
      EXPECT_THAT(s.outcome.error().safe, HasSubstr("The model server 'p0'"));
      co_await s.close();
    }(t, row));
  }
}

TEST(OpenAiCall, TheNextTargetIsAskedWhenOneCanNotBeReached) {
  run([](Scene& s) -> Task<void> {
    s.ask_stream();
    EndpointOptions nowhere;
    nowhere.url.scheme = BaseUrl::Scheme::kUnix;
    nowhere.url.host = "/nonexistent/model.sock";
    s.add(nowhere);
    s.add({.silent = true}, {.headers = std::chrono::milliseconds(30)});
    s.add(streams({text({kToken, kFinish, kDone})}));
    // The times of the first target's attempt do not bind the last.
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(s.exchange.outcome.attempts, 3);
    EXPECT_EQ(s.exchange.outcome.provider, "p2");
  });
}

TEST(OpenAiCall, ALeavingCallerEndsTheCall) {
  for (bool begun : {false, true}) {
    TestLoop t;
    t.run([](TestLoop& loop, bool late) -> Task<void> {
      Scene s(loop);
      s.ask_stream();
      Script script = late ? streams({text({kToken})}) : Script{.silent = true};
      script.hang = true;
      Model& model = s.add(script);
      Model& second = s.add({.body = "{}"});
      io::TaskGroup calling;
      calling.start(s.call());
      while (late ? s.caller.flushed == 0 : model.paths.empty())
        co_await turns(s.loop, 1);
      s.cancel.request(io::CancelReason::kClientLeft);
      co_await calling.idle();
      EXPECT_FALSE(s.outcome);
      if (!s.outcome) EXPECT_EQ(s.outcome.error().code, ErrorCode::kCancelled);
      EXPECT_EQ(second.paths.size(), 0u);
      co_await model.server.server().tasks().idle();  // its request was cancelled, too
      co_await s.close();
    }(t, begun));
  }
}

TEST(OpenAiCall, ACallerThatCannotBeWrittenToEndsTheCall) {
  run([](Scene& s) -> Task<void> {
    s.ask_stream();
    Script script = streams({text({kToken})});
    script.hang = true;
    s.add(script);
    s.caller.gone = true;
    co_await s.call();
    EXPECT_FALSE(s.outcome);
    if (!s.outcome) EXPECT_EQ(s.outcome.error().code, ErrorCode::kCancelled);
  });
}

TEST(Dispatcher, ARouteWithoutAProviderIsOurDefect) {
  run([](Scene& s) -> Task<void> {
    s.ask_whole();
    Dispatcher none(s.loop, {}, s.settings, s.counters, s.pins);
    auto outcome = co_await none.call(s.exchange, s.caller);
    EXPECT_FALSE(outcome);
    s.exchange.route.targets = {{"gone", "m", {}}};
    auto missing = co_await none.call(s.exchange, s.caller);
    EXPECT_TRUE(!missing && missing.error().code == ErrorCode::kInternal);
    EXPECT_TRUE(none.not_ready().empty());
  });
}

// ------------------------------------------------------------------------- a second dialect of a server

void ask_message(Scene& s, std::string_view body) {
  s.exchange.dialect = exchange::Dialect::kAnthropic;
  s.exchange.request.body = json::PaddedBuffer(body);
  auto read = wire::wire_of(exchange::Dialect::kAnthropic)
                  .read_request(s.exchange.operation, s.request_parser, s.exchange.request);
  EXPECT_TRUE(read) << read.error().message;
}

Model& add_llama(Scene& s, Script script, AlsoSpoken also, bool counts) {
  s.models.push_back(std::make_unique<Model>(s.loop, std::move(script)));
  EndpointOptions options = Scene::at(s.models.back()->server.address());
  options.counts_tokens = counts;
  s.add(std::move(options), {}, exchange::Dialect::kOpenAi, also);
  return *s.models.back();
}

constexpr std::string_view kMessage = R"({"model":"upstream-model", "max_tokens":9,"messages":[],"top_k":1})";

constexpr std::string_view kCount =
    R"({"model":"upstream-model","messages":[{"role":"user","content":"Hello"}]})";

TEST(MessagesApi, CallersOfItAreRelayedTo) {
  run([](Scene& s) -> Task<void> {
    ask_message(s, kMessage);
    constexpr std::string_view kSaid =
        R"({"type":"message", "role":"assistant","content":[],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":1}})";
    Model& model = add_llama(s, {.body = std::string(kSaid)}, {.messages = true}, true);
    co_await s.call();
    EXPECT_TRUE(s.outcome && s.exchange.answer);
    EXPECT_EQ(s.exchange.answer->body, kSaid);
    EXPECT_EQ(s.exchange.usage.input_tokens, 3);
    EXPECT_THAT(model.paths, ElementsAre("/v1/messages"));
    EXPECT_THAT(model.bodies, ElementsAre(kMessage));
    EXPECT_THAT(model.heads[0], HasSubstr("Bearer sk-gateway"));  // its own way of taking a key
  });
}

TEST(MessagesApi, OthersAreServedAsBefore) {
  run([](Scene& s) -> Task<void> {
    s.ask_whole();
    Model& model =
        add_llama(s, {.body = R"({"choices":[{"message":{"content":"a"}}]})"}, {.messages = true}, true);
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_THAT(model.paths, ElementsAre("/v1/chat/completions"));
  });
}

TEST(MessagesApi, OnlyWhoCountsIsAskedForACount) {
  run(
      [](Scene& s) -> Task<void> {
        ask_message(s, kCount);
        Model& model = add_llama(s, {.body = R"({"input_tokens":7})"}, {.messages = true}, true);
        co_await s.call();
        EXPECT_TRUE(s.outcome && s.exchange.answer);
        EXPECT_EQ(s.exchange.answer->body, R"({"input_tokens":7})");
        EXPECT_THAT(model.paths, ElementsAre("/v1/messages/count_tokens"));
      },
      Operation::kCountTokens);
  run(
      [](Scene& s) -> Task<void> {
        ask_message(s, kCount);
        Model& model = add_llama(s, {}, {.messages = true}, false);
        co_await s.call();
        EXPECT_TRUE(s.outcome && s.exchange.answer);  // an estimate
        EXPECT_TRUE(model.paths.empty());
      },
      Operation::kCountTokens);
}

// ---------------------------------------------------------------------------------- its own list of models

Task<void> list(Scene& s, Script script, exchange::Dialect dialect, std::string_view base,
                std::vector<std::string>& names, std::string& path) {
  Model model(s.loop, std::move(script));
  EndpointOptions options = Scene::at(model.server.address());
  options.url.path = base;
  RemoteProvider provider("p", wire::wire_of(dialect), s.loop, s.parser, std::move(options));
  auto said = co_await provider.list(s.cancel);
  names = said ? std::vector<std::string>() : std::vector<std::string>{said.error().message};
  if (said)
    for (const wire::ListedModel& m : *said)
      names.push_back(m.name);
  path = model.paths.empty() ? "" : model.paths[0];
  provider.retire();
  co_await model.server.close();
}

TEST(RemoteProvider, ListsItsModelsInEachDialect) {
  run([](Scene& s) -> Task<void> {
    std::vector<std::string> names;
    std::string path;
    Script data{.body = R"({"data":[{"id":"a"},{"id":"b"}]})"};
    co_await list(s, data, exchange::Dialect::kOpenAi, "/v1", names, path);
    EXPECT_THAT(names, ElementsAre("a", "b"));
    EXPECT_EQ(path, "/v1/models");
    for (std::string_view base : {"", "/v1"}) {
      co_await list(s, data, exchange::Dialect::kAnthropic, base, names, path);
      EXPECT_THAT(names, ElementsAre("a", "b"));
      EXPECT_EQ(path, "/v1/models");
    }
    co_await list(s, {.body = R"({"models":[{"name":"c:latest"}]})"}, exchange::Dialect::kOllama, "", names,
                  path);
    EXPECT_THAT(names, ElementsAre("c:latest"));
    EXPECT_EQ(path, "/api/tags");
    co_await list(s, {.body = R"({"models":[{"name":"models/d"}]})"}, exchange::Dialect::kGemini, "/v1beta",
                  names, path);
    EXPECT_THAT(names, ElementsAre("d"));
    EXPECT_EQ(path, "/v1beta/models");
  });
}

TEST(RemoteProvider, ABadListIsAnError) {
  run([](Scene& s) -> Task<void> {
    std::vector<std::string> said;
    std::string path;
    co_await list(s, {.status = 404, .body = "{}"}, exchange::Dialect::kOpenAi, "/v1", said, path);
    EXPECT_THAT(said, ElementsAre("answered 404 when asked for its models"));
    co_await list(s, {.body = "<html>"}, exchange::Dialect::kOpenAi, "/v1", said, path);
    EXPECT_EQ(said.size(), 1u);
    co_await list(s, {.body = std::string((4 << 20) + 1, ' ')}, exchange::Dialect::kOpenAi, "/v1", said,
                  path);
    EXPECT_THAT(said, ElementsAre("the answer is larger than 4096 KiB"));
  });
}

// ------------------------------------------------------------------------------------- the endpoint

TEST(Endpoint, WritesItsHeads) {
  TestLoop t;
  t.run([](io::Loop& loop) -> Task<void> {
    EndpointOptions options;
    options.url = *BaseUrl::parse("https://[::1]:8443/openai/v1");
    options.headers.push_back({"x-org", Secret(std::string("o"))});
    Endpoint v6(loop, options);
    std::string head = v6.post_head("/embeddings", {}, wire::wire_of(exchange::Dialect::kOpenAi), true,
                                    "key a", "req_1", 17);
    EXPECT_TRUE(head.starts_with("POST /openai/v1/embeddings HTTP/1.1\r\nHost: [::1]:8443\r\n"));
    EXPECT_THAT(head, HasSubstr("\r\nx-org: o\r\n"));
    EXPECT_THAT(head, HasSubstr("\r\nContent-Length: 17\r\n"));
    EXPECT_THAT(head, Not(HasSubstr("Authorization")));
    EXPECT_TRUE(head.ends_with("\r\n\r\n"));
    options.url = *BaseUrl::parse("https://api.example");
    EXPECT_THAT(Endpoint(loop, options).get_head("/models"),
                HasSubstr("GET /models HTTP/1.1\r\nHost: api.example\r\n"));
    options.url = *BaseUrl::parse("http://api.example:443");
    EXPECT_THAT(Endpoint(loop, options).get_head("/"), HasSubstr("Host: api.example:443\r\n"));
    options.url = *BaseUrl::parse("unix:/run/model.sock");
    EXPECT_THAT(Endpoint(loop, options).get_head("/"), HasSubstr("Host: localhost\r\n"));
    co_return;
  }(t.loop()));
}

}  // namespace
}  // namespace weir::upstream
