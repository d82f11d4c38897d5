// Where a name leads: models, aliases, patterns, local models, and who may know of them.
#include "weir/pipeline/route/route_stage.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "weir/pipeline/testing.h"

namespace weir::pipeline {
namespace {

Settings house() {
  Settings s;
  ProviderSettings a, b, local;
  a.name = "a";
  a.timeouts.idle = milliseconds(111);
  b.name = "b";
  b.models = {"gpt-*", "exact"};
  local.name = "here";
  local.kind = ProviderKind::kLocal;
  local.chat.push_back({.name = "smol"});
  local.embeddings.push_back({.name = "mini"});
  s.providers = {a, b, local};
  ModelSettings chat;
  chat.name = "chat";
  chat.aliases = {"default", "gpt-alias"};
  chat.targets = {{"a", "a-model"}, {"b", "b-model"}};
  chat.timeouts.total = milliseconds(222);
  chat.body_bytes = 10;
  s.models = {chat};
  return s;
}

struct Routed {
  std::string model;
  std::vector<std::string> targets;
  std::optional<Error> error;
  std::vector<exchange::Target> raw;
};

io::Task<void> route(io::Loop& loop, const Settings& settings, std::string model, std::string body,
                     const std::vector<std::string>* allowed, Routed& routed) {
  RouteStage stage(settings);
  testing::Asked asked(loop);
  asked.exchange.request.model = model;
  asked.exchange.request.body = json::PaddedBuffer(body);
  asked.exchange.principal =
      exchange::Principal::with_key("key", allowed ? *allowed : std::vector<std::string>{});
  auto flow = co_await stage.before(asked.exchange);
  if (!flow) {
    routed.error = flow.error();
    co_return;
  }
  EXPECT_GT(asked.exchange.timeline.routed.ns, 0);
  routed.model = asked.exchange.route.model;
  for (const exchange::Target& t : asked.exchange.route.targets)
    routed.targets.push_back(std::string(t.provider) + "/" + std::string(t.model));
  for (exchange::Target t : asked.exchange.route.targets)
    routed.raw.push_back(t);
}

Routed routed(std::string model, const std::vector<std::string>* allowed = nullptr, std::string body = "{}") {
  Settings settings = house();
  Routed r;
  io::net::TestLoop t;
  t.run(route(t.loop(), settings, std::move(model), std::move(body), allowed, r));
  return r;
}

using Names = std::vector<std::string>;

TEST(Route, AModelLeadsToItsTargetsInOrder) {
  Routed r = routed("chat");
  EXPECT_EQ(r.model, "chat");
  EXPECT_EQ(r.targets, (Names{"a/a-model", "b/b-model"}));
  ASSERT_EQ(r.raw.size(), 2u);
  EXPECT_EQ(r.raw[0].timeouts.idle, milliseconds(111));
  EXPECT_EQ(r.raw[0].timeouts.total, milliseconds(222));
  EXPECT_EQ(r.raw[1].timeouts.idle, milliseconds(30'000));
}

TEST(Route, AnAliasIsItsModel) {
  for (std::string alias : {"default", "gpt-alias"}) {
    Routed r = routed(alias);  // "gpt-alias" fits a pattern too: what is configured comes first
    EXPECT_EQ(r.model, "chat");
    EXPECT_EQ(r.targets.size(), 2u);
  }
}

TEST(Route, APatternPassesTheNameOn) {
  EXPECT_EQ(routed("gpt-4o").targets, (Names{"b/gpt-4o"}));
  EXPECT_EQ(routed("gpt-4o").model, "gpt-4o");
  EXPECT_EQ(routed("exact").targets, (Names{"b/exact"}));
  for (std::string unknown : {"exact2", "gpt", "GPT-4o", "a-model", "*", ""}) {
    Routed r = routed(unknown);
    ASSERT_TRUE(r.error) << unknown;
    EXPECT_EQ(r.error->code, ErrorCode::kNotFound);
    EXPECT_EQ(r.error->reason, "model_not_found");
    EXPECT_EQ(r.error->param, "model");
  }
}

TEST(Route, LocalModelsHaveTheirNames) {
  EXPECT_EQ(routed("smol").targets, (Names{"here/smol"}));
  EXPECT_EQ(routed("mini").targets, (Names{"here/mini"}));
}

TEST(Route, AKeyReachesWhatItMayUseOnly) {
  Names chat_only{"chat"}, alias_only{"default"}, pattern{"gpt-4*"}, none{"nothing"}, empty;
  EXPECT_FALSE(routed("chat", &chat_only).error);
  EXPECT_FALSE(routed("default", &chat_only).error);
  EXPECT_FALSE(routed("default", &alias_only).error);
  EXPECT_TRUE(routed("chat", &alias_only).error);
  EXPECT_FALSE(routed("gpt-4o", &pattern).error);
  EXPECT_TRUE(routed("gpt-3.5", &pattern).error);
  EXPECT_TRUE(routed("smol", &pattern).error);
  EXPECT_FALSE(routed("smol", &empty).error);
  for (std::string name : {"chat", "default", "gpt-4o", "smol"}) {
    // The same words as for a model that does not exist.
    Routed forbidden = routed(name, &none), unknown = routed("no-such", &none);
    ASSERT_TRUE(forbidden.error && unknown.error);
    EXPECT_EQ(forbidden.error->code, unknown.error->code);
    EXPECT_EQ(forbidden.error->reason, unknown.error->reason);
    std::string text = unknown.error->safe;
    text.replace(text.find("no-such"), 7, name);
    EXPECT_EQ(forbidden.error->safe, text);
  }
}

// ------------------------------------------------------------------- what is passed through

struct NoBody final : exchange::PassedBody {
  bool begin(std::string_view) override { return true; }
  std::optional<uint64_t> length() const override { return 0; }
  io::Task<Result<std::string_view>> next() override { co_return std::string_view(); }
};

struct Passed {
  PassedApi api;
  std::string model;
  bool anthropic = false;
  const Names* allowed = nullptr;
  std::string said = {};
};

io::Task<void> route_passed(io::Loop& loop, const Settings& settings, Passed& p) {
  RouteStage stage(settings);
  testing::Asked asked(loop);
  NoBody body;
  exchange::PassThrough pass{p.api, "POST", "/v1/x", {}, false, body};
  asked.exchange.pass = &pass;
  asked.exchange.request.model = p.model;
  asked.exchange.principal =
      exchange::Principal::with_key("key", p.allowed ? *p.allowed : std::vector<std::string>{});
  if (p.anthropic) asked.exchange.dialect = exchange::Dialect::kAnthropic;
  auto flow = co_await stage.before(asked.exchange);
  if (!flow) {
    p.said = flow.error().reason;
    co_return;
  }
  for (const exchange::Target& t : asked.exchange.route.targets)
    p.said += std::string(t.provider) + "/" + std::string(t.model) + " ";
}

std::string passed(Passed p) {
  Settings settings = house();
  settings.providers[1].passthrough.add(PassedApi::kAudio);
  settings.providers[1].passthrough.add(PassedApi::kFiles);
  ProviderSettings claude;
  claude.name = "claude";
  claude.kind = ProviderKind::kAnthropic;
  claude.passthrough.add(PassedApi::kFiles);
  claude.passthrough.add(PassedApi::kBatches);
  settings.providers.push_back(claude);
  io::net::TestLoop t;
  t.run(route_passed(t.loop(), settings, p));
  return p.said;
}

TEST(Route, WhatIsPassedThroughGoesByModelOrToItsOwner) {
  Names chat{"chat"};
  EXPECT_EQ(passed({PassedApi::kAudio, "chat"}), "b/b-model ");  // of its targets the one that takes audio
  EXPECT_EQ(passed({PassedApi::kAudio, "gpt-4o"}), "b/gpt-4o ");
  EXPECT_EQ(passed({PassedApi::kAudio, "smol"}), "unsupported_operation");
  EXPECT_EQ(passed({PassedApi::kAudio, "unknown"}), "model_not_found");
  EXPECT_EQ(passed({PassedApi::kAudio, ""}), "b/ ");
  EXPECT_EQ(passed({PassedApi::kAudio, "", false, &chat}), "missing_required_parameter");
  EXPECT_EQ(passed({PassedApi::kAudio, "gpt-4o", false, &chat}), "model_not_found");
  EXPECT_EQ(passed({PassedApi::kFiles, ""}), "b/ ");
  EXPECT_EQ(passed({PassedApi::kFiles, "", true}), "claude/ ");
  EXPECT_EQ(passed({PassedApi::kBatches, "", true}), "claude/ ");
  EXPECT_EQ(passed({PassedApi::kBatches, ""}), "unknown_path");
}

io::Task<void> route_document(io::Loop& loop, const Settings& settings, std::string body,
                              const Names* allowed, std::string& said) {
  RouteStage stage(settings);
  testing::Asked asked(loop);
  json::Parser parser;
  asked.exchange.request.model = "chat";
  asked.exchange.request.body = json::PaddedBuffer(body);
  EXPECT_TRUE(asked.exchange.request.parse(parser));
  asked.exchange.principal =
      exchange::Principal::with_key("key", allowed ? *allowed : std::vector<std::string>{});
  auto flow = co_await stage.before(asked.exchange);
  said = flow ? "routed" : flow.error().param + " " + flow.error().reason;
}

// What another gateway behind weir would read as further models.
TEST(Route, ALimitedKeyNamesOneModelOnly) {
  Settings settings = house();
  settings.models[0].body_bytes = 1000;
  Names chat{"chat"}, unlimited;
  for (std::string name : {"models", "fallbacks", "model_list", "user_config", "mod\\u0065ls"}) {
    std::string body = R"({"model":"chat",")" + name + R"(":["gpt-4o"]})";
    for (const Names* allowed : {static_cast<const Names*>(&chat), static_cast<const Names*>(&unlimited)}) {
      std::string said;
      io::net::TestLoop t;
      t.run(route_document(t.loop(), settings, body, allowed, said));
      std::string plain = name == "mod\\u0065ls" ? "models" : name;
      EXPECT_EQ(said, allowed == &chat ? plain + " parameter_not_allowed" : "routed") << body;
    }
  }
}

TEST(Route, AModelHasItsBodyLimit) {
  EXPECT_FALSE(routed("chat", nullptr, std::string(10, 'x')).error);
  Routed r = routed("default", nullptr, std::string(11, 'x'));
  ASSERT_TRUE(r.error);
  EXPECT_EQ(r.error->code, ErrorCode::kPayloadTooLarge);
  EXPECT_FALSE(routed("gpt-4o", nullptr, std::string(11, 'x')).error);
}

}  // namespace
}  // namespace weir::pipeline
