// For tests of this folder: a request on its way over real sockets, model servers that do what each test
// tells them, and what came of it.
#pragma once

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

namespace weir::upstream::testing {

using exchange::Exchange;
using exchange::Operation;
using http::Request;
using http::ResponseWriter;
using http::testing::Guard;
using http::testing::TestServer;
using io::Task;
using io::net::TestLoop;

inline constexpr std::string_view kRole =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
inline constexpr std::string_view kToken =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
inline constexpr std::string_view kFinish =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
inline constexpr std::string_view kUsage =
    "data: "
    "{\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":20,\"total_tokens\":32}}\n\n";
inline constexpr std::string_view kDone = "data: [DONE]\n\n";

inline std::string text(std::initializer_list<std::string_view> parts) {
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
  Duration after{};                 // before its head
};

struct Model {
  Model(io::Loop& l, Script s)
      : loop(l),
        script(std::move(s)),
        server(l, [this](Request& q, ResponseWriter& r) { return play(q, r); }) {}

  Task<void> play(Request& request, ResponseWriter& response) {
    paths.emplace_back(request.head.path);
    heads.emplace_back();
    for (const Header& h : request.head.headers)
      heads.back() += std::string(h.name) + ": " + std::string(h.value) + "\n";
    auto body = co_await request.read_body(1 << 20);
    if (body) bodies.emplace_back(body->view());
    const Script now = bodies.size() == 1 && first ? *first : script;
    if (now.silent) co_return co_await gone(request);
    if (now.after > Duration{}) co_await io::sleep(loop, now.after, request.cancel);
    std::vector<Header> headers;
    for (const auto& [name, value] : now.headers)
      headers.push_back({name, value});
    if (now.stream.empty()) {
      co_await response.send(now.status, headers, now.body);
      co_return;
    }
    response.begin(now.status, headers);
    for (const std::string& piece : now.stream)
      if (!co_await response.write(piece)) break;
    if (now.hang) co_return co_await gone(request);
    if (now.end) co_await response.end();
  }
  static Task<void> gone(Request& request) {
    io::Event never;
    co_await never.wait(request.cancel);
  }

  io::Loop& loop;
  Script script;
  std::optional<Script> first;  // of the first request only
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
  void error_event(std::string_view raw) override { theirs = raw; }
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
  std::string theirs;  // with which a stream that ends badly is to end
  size_t flushed = 0;
  bool gone = false;
  io::Event changed;
};

struct NoSource final : exchange::RequestSource {
  Task<Result<void>> receive(Exchange&) override { co_return Result<void>{}; }
};

// A request on its way, its model servers, and what came of it.
struct Scene {
  explicit Scene(TestLoop& t, Operation operation = Operation::kChat)
      : loop(t.loop()), guard(loop), exchange(loop, cancel, operation, source) {
    exchange.id = "req_0";
    settings.retries.max = 0;
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
  Model& add_anthropic(Script script) {
    models.push_back(std::make_unique<Model>(loop, std::move(script)));
    add(at(models.back()->server.address()), {}, exchange::Dialect::kAnthropic);
    return *models.back();
  }
  void add(EndpointOptions options, UpstreamTimeouts timeouts = {},
           exchange::Dialect dialect = exchange::Dialect::kOpenAi, AlsoSpoken also = {}) {
    names.push_back("p" + std::to_string(names.size()));
    providers.push_back(std::make_unique<RemoteProvider>(names.back(), wire::wire_of(dialect), loop, parser,
                                                         std::move(options), also));
    timeouts_.push_back(timeouts);
  }
  Task<void> call() {
    for (size_t i = 0; i < names.size(); ++i) {
      auto& list = i + larger < names.size() ? exchange.route.targets : exchange.route.larger;
      list.push_back({names[i], "upstream-model", timeouts_[i], prefill});
    }
    exchange.route.settings = route_model;
    dispatcher.emplace(loop, std::move(providers), settings, counters, pins);
    outcome = co_await dispatcher->call(exchange, caller);
  }
  /// The same request once more.
  Task<void> again() {
    exchange.outcome = {};
    exchange.answer.reset();
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
  bool prefill = false;                        // of every target
  size_t larger = 0;                           // so many of the last targets are for what is too long
  Settings settings;                           // nothing is asked again
  const ModelSettings* route_model = nullptr;  // what its model says
  telemetry::Registry registry;
  FailureCounters counters{registry, register_failure_metrics(registry)};
  ThoughtPins pins;
  std::optional<Dispatcher> dispatcher;
  Result<void> outcome;
};

using Play = Task<void> (*)(Scene&);

inline Task<void> played(TestLoop& t, Play play, Operation operation) {
  Scene scene(t, operation);
  co_await play(scene);
  co_await scene.close();
}

inline void run(Play play, Operation operation = Operation::kChat) {
  TestLoop t;
  t.run(played(t, play, operation));
}

inline Script streams(std::vector<std::string> pieces) {
  return {.headers = {{"content-type", "text/event-stream; charset=utf-8"}}, .stream = std::move(pieces)};
}

}  // namespace weir::upstream::testing
