// Calls of model servers over real sockets, against a server that does what each test tells it: whole
// answers, streams, refusals, cuts and silence; what passes in both directions and what must not.
// One file: every test is a script of the same model server and what its caller saw.
#include "weir/upstream/model_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weir/http/testing.h"
#include "weir/upstream/dispatcher.h"
#include "weir/upstream/provider/remote_provider.h"
#include "weir/wire/openai/openai.h"

namespace weir::upstream {
namespace {

using exchange::Exchange;
using exchange::Operation;
using http::Request;
using http::ResponseWriter;
using http::testing::Guard;
using http::testing::TestServer;
using io::Task;
using io::net::TestLoop;
using io::net::turns;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kRole =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
constexpr std::string_view kToken = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
constexpr std::string_view kFinish =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
constexpr std::string_view kUsage =
    "data: "
    "{\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":20,\"total_tokens\":32}}\n\n";
constexpr std::string_view kDone = "data: [DONE]\n\n";

std::string text(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (std::string_view part : parts)
    all += part;
  return all;
}

// What the model server does with its next request.
struct Script {
  int status = 200;
  OwnedHeaders headers;
  std::string body;                 // a whole answer; or
  std::vector<std::string> stream;  // one write each
  bool end = true;                  // of the stream: properly; else as `hang` says
  bool hang = false;                // then wait for the caller to leave; else cut
  bool silent = false;              // not even a head
};

struct Model {
  Model(io::Loop& loop, Script s)
      : script(std::move(s)), server(loop, [this](Request& q, ResponseWriter& r) { return play(q, r); }) {}

  Task<void> play(Request& request, ResponseWriter& response) {
    paths.emplace_back(request.head.path);
    heads.emplace_back();
    for (const Header& h : request.head.headers)
      heads.back() += std::string(h.name) + ": " + std::string(h.value) + "\n";
    auto body = co_await request.read_body(1 << 20);
    if (body) bodies.emplace_back(body->view());
    if (script.silent) co_return co_await gone(request);
    std::vector<Header> headers;
    for (const auto& [name, value] : script.headers)
      headers.push_back({name, value});
    if (script.stream.empty()) {
      co_await response.send(script.status, headers, script.body);
      co_return;
    }
    response.begin(script.status, headers);
    for (const std::string& piece : script.stream)
      if (!co_await response.write(piece)) break;
    if (script.hang) co_return co_await gone(request);
    if (script.end) co_await response.end();
  }
  static Task<void> gone(Request& request) {
    io::Event never;
    co_await never.wait(request.cancel);
  }

  Script script;
  TestServer server;
  std::vector<std::string> paths, heads, bodies;
};

// The caller's end: what it would have been sent.
class Caller final : public exchange::AnswerStream {
 public:
  void begin(int status, std::string_view content_type, const OwnedHeaders& passed) override {
    EXPECT_EQ(begun, 0);
    begun = status;
    type = content_type;
    headers = passed;
  }
  void event(exchange::StreamEvent event) override {
    EXPECT_NE(begun, 0);
    all += event.raw;
    data.emplace_back(event.data);
  }
  Task<bool> flush() override {
    flushed = all.size();
    changed.notify();
    co_return !gone;
  }

  int begun = 0;
  std::string type;
  OwnedHeaders headers;
  std::string all;
  std::vector<std::string> data;
  size_t flushed = 0;
  bool gone = false;
  io::Event changed;
};

struct NoSource final : exchange::RequestSource {
  Task<Result<void>> receive(Exchange&) override { co_return Result<void>{}; }
};

// A request on its way, its model servers, and what came of it.
struct Scene {
  explicit Scene(TestLoop& t)
      : loop(t.loop()), guard(loop), exchange(loop, cancel, Operation::kChat, source) {
    exchange.id = "req_0";
  }
  void ask(std::string_view body, Operation operation = Operation::kChat) {
    exchange.request.body = json::PaddedBuffer(body);
    auto read = wire::openai::read_request(operation, request_parser, exchange.request);
    EXPECT_TRUE(read) << read.error().message;
  }
  void ask_stream() { ask(R"({"model":"m","messages":[1],"stream":true})"); }
  void ask_stream_with_usage() {
    ask(R"({"model":"m","messages":[1],"stream":true,"stream_options":{"include_usage":true}})");
  }
  void ask_whole() { ask(R"({"model":"m","messages":[1]})"); }

  static EndpointOptions at(const io::Address& address) {
    EndpointOptions options;
    options.url.host = address.host;
    options.url.port = address.port;
    options.url.path = "/v1";
    options.api_key = Secret(std::string("sk-gateway"));
    return options;
  }
  /// One more model server, asked after those before.
  Model& add(Script script, UpstreamTimeouts timeouts = {}) {
    models.push_back(std::make_unique<Model>(loop, std::move(script)));
    add(at(models.back()->server.address()), timeouts);
    return *models.back();
  }
  void add(EndpointOptions options, UpstreamTimeouts timeouts = {}) {
    names.push_back("p" + std::to_string(names.size()));
    providers.push_back(std::make_unique<RemoteProvider>(
        names.back(), wire::wire_of(exchange::Dialect::kOpenAi), loop, parser, std::move(options)));
    timeouts_.push_back(timeouts);
  }
  Task<void> call() {
    for (size_t i = 0; i < names.size(); ++i)
      exchange.route.targets.push_back({names[i], "upstream-model", timeouts_[i]});
    dispatcher.emplace(std::move(providers));
    outcome = co_await dispatcher->call(exchange, caller);
  }
  Task<void> close() {
    dispatcher.reset();
    for (auto& model : models)
      co_await model->server.close();
  }

  io::Loop& loop;
  Guard guard;
  json::Parser parser, request_parser;
  io::Cancel cancel;
  NoSource source;
  Exchange exchange;
  Caller caller;
  std::vector<std::unique_ptr<Model>> models;
  std::deque<std::string> names;
  std::vector<UpstreamTimeouts> timeouts_;
  std::vector<std::unique_ptr<Provider>> providers;
  std::optional<Dispatcher> dispatcher;
  Result<void> outcome;
};

using Play = Task<void> (*)(Scene&);

Task<void> played(TestLoop& t, Play play) {
  Scene scene(t);
  co_await play(scene);
  co_await scene.close();
}

void run(Play play) {
  TestLoop t;
  t.run(played(t, play));
}

Script streams(std::vector<std::string> pieces) {
  return {.headers = {{"content-type", "text/event-stream; charset=utf-8"}}, .stream = std::move(pieces)};
}

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
      EXPECT_TRUE(co_await call_model(endpoint, wire::wire_of(exchange::Dialect::kOpenAi), s.parser, e,
                                      target, s.caller, s.cancel));
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
    co_await s.call();
    const std::string& up = model.heads[0];
    EXPECT_THAT(up, HasSubstr("traceparent: 00-1-2-01\n"));
    EXPECT_THAT(up, HasSubstr("idempotency-key: weir-" + sha256_hex(std::string_view("key \0k1", 7)) + "\n"));
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
          EXPECT_FALSE(s.outcome.error().retryable);
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
    Dispatcher none({});
    auto outcome = co_await none.call(s.exchange, s.caller);
    EXPECT_FALSE(outcome);
    s.exchange.route.targets = {{"gone", "m", {}}};
    auto missing = co_await none.call(s.exchange, s.caller);
    EXPECT_TRUE(!missing && missing.error().code == ErrorCode::kInternal);
    EXPECT_TRUE(none.not_ready().empty());
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
