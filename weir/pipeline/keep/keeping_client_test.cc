// What becomes of a Responses request on its way down and of its answer on its way up, over a store in
// memory.
#include "weir/pipeline/keep/keeping_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "weir/pipeline/testing.h"

namespace weir::pipeline {
namespace {

using exchange::Exchange;
using io::Task;
using pipeline::testing::Asked;
using pipeline::testing::run;
using ::testing::HasSubstr;

struct Store final : store::ResponseStore {
  Result<void> put(const store::KeptResponse& r) override {
    if (fails) return fail_internal(ErrorCode::kUnavailable, "disk full");
    kept[{r.owner, r.id}] = r;
    return {};
  }
  Result<std::optional<store::KeptResponse>> find(const std::string& owner, const std::string& id) override {
    if (fails) return fail_internal(ErrorCode::kUnavailable, "disk gone");
    auto at = kept.find({owner, id});
    if (at == kept.end()) return std::optional<store::KeptResponse>();
    return std::optional(at->second);
  }
  Result<bool> remove(const std::string& owner, const std::string& id) override {
    return kept.erase({owner, id}) > 0;
  }
  Result<uint64_t> expire(WallTime before, uint64_t) override {
    ++expired;
    expired_before = before;
    return uint64_t{0};
  }
  std::map<std::pair<std::string, std::string>, store::KeptResponse> kept;
  bool fails = false;
  int expired = 0;
  WallTime expired_before{};
};

// The dispatcher's place: says what it is told, whole or as a stream.
struct Below final : exchange::ModelClient {
  Task<Result<void>> call(Exchange& exchange, exchange::AnswerStream& stream) override {
    asked = std::string(exchange.request.document.bytes);
    if (refuses) {
      exchange.answer = exchange::Answer{.status = 400, .body = R"({"error":{}})"};
      exchange.outcome.error = make_error(ErrorCode::kInvalidRequest, "no");
    } else if (events.empty()) {
      exchange.answer = exchange::Answer{.body = body};
    } else {
      exchange.request.let_go();
      stream.begin(200, "text/event-stream", {});
      for (const std::string& event : events)
        stream.event({event, {}});
      if (breaks) co_return fail_internal(ErrorCode::kUpstream, "cut");
    }
    co_return Result<void>{};
  }
  std::string asked;
  std::string body = R"({"id":"resp_1","output":[{"type":"message","role":"assistant","content":"B"}]})";
  std::vector<std::string> events;
  bool breaks = false;
  bool refuses = false;
};

struct Sent final : exchange::AnswerStream {
  void begin(int, std::string_view, const OwnedHeaders&) override {}
  void event(exchange::StreamEvent event) override { all += event.raw; }
  void error_event(std::string_view raw) override { error = raw; }
  Task<bool> flush() override { co_return true; }
  std::string all, error;
};

struct House {
  explicit House(io::Loop& l) : loop(l) { settings.responses.keep_days = 1; }
  Task<Result<void>> ask(std::string_view body, std::string_view peer = "10.0.0.1") {
    asked.emplace(loop);
    Exchange& exchange = asked->exchange;
    exchange.dialect = exchange::Dialect::kResponses;
    exchange.peer = peer;
    exchange.request.body = json::PaddedBuffer(body);
    EXPECT_TRUE(exchange.request.parse(request_parser));
    co_return co_await client.call(exchange, sent);
  }
  const store::KeptResponse* kept(const std::string& id) const {
    for (const auto& [key, response] : store->kept)
      if (key.second == id) return &response;
    return nullptr;
  }

  io::Loop& loop;
  Settings settings;
  json::Parser parser, request_parser;
  std::shared_ptr<Store> store = std::make_shared<Store>();
  Below below;
  Sent sent;
  std::optional<Asked> asked;
  KeepingClient client{below, store, settings, parser};
};

Task<void> a_conversation(io::Loop& loop) {
  House h(loop);
  EXPECT_TRUE(co_await h.ask(R"({"model":"m","input":"A"})"));
  EXPECT_EQ(h.below.asked, R"({"model":"m","input":"A"})");
  EXPECT_EQ(h.kept("resp_1")->input,
            R"([{"type":"message","role":"user","content":[{"type":"input_text","text":"A"}]}])");
  EXPECT_EQ(h.kept("resp_1")->body, h.below.body);

  h.below.body = R"({"id":"resp_2","output":[]})";
  EXPECT_TRUE(co_await h.ask(
      R"({"model":"m","previous_response_id":"resp_1","input":[ {"role":"user","content":"C"} ]})"));
  const std::string all =
      R"({"type":"message","role":"user","content":[{"type":"input_text","text":"A"}]},)"
      R"({"type":"message","role":"assistant","content":"B"}, {"role":"user","content":"C"} )";
  EXPECT_EQ(h.below.asked, R"({"model":"m","input":[)" + all + "]}");
  EXPECT_EQ(h.asked->exchange.request.previous_response_id, "resp_1");
  EXPECT_EQ(h.kept("resp_2")->input, "[" + all + "]");  // the whole of it, for whoever goes on from there
}
TEST(KeepingClient, ALaterRequestGetsWhatWasSaidBefore) {
  run(a_conversation);
}

Task<void> nothing_new(io::Loop& loop) {
  House h(loop);
  EXPECT_TRUE(co_await h.ask(R"({"model":"m","input":[]})"));
  EXPECT_EQ(h.kept("resp_1")->input, "[]");
  EXPECT_TRUE(co_await h.ask(R"({"model":"m","previous_response_id":"resp_1"})"));
  EXPECT_EQ(h.below.asked, R"({"model":"m","input":[{"type":"message","role":"assistant","content":"B"}]})");
}
TEST(KeepingClient, AnInputMayBeEmptyOrMissing) {
  run(nothing_new);
}

Task<void> of_others(io::Loop& loop) {
  House h(loop);
  EXPECT_TRUE(co_await h.ask(R"({"model":"m","input":"A"})"));
  h.below.asked.clear();
  auto other = co_await h.ask(R"({"model":"m","previous_response_id":"resp_1","input":"x"})", "10.0.0.2");
  EXPECT_FALSE(other);
  EXPECT_EQ(other.error().reason, "previous_response_not_found");
  EXPECT_EQ(other.error().param, "previous_response_id");
  EXPECT_EQ(h.below.asked, "");  // nobody was asked
}
TEST(KeepingClient, NobodySeesWhatAnotherKept) {
  run(of_others);
}

Task<void> unwanted(io::Loop& loop) {
  House h(loop);
  EXPECT_TRUE(co_await h.ask(R"({"model":"m","input":"A","store":false})"));
  EXPECT_FALSE(h.asked->exchange.request.stored);
  h.below.refuses = true;
  EXPECT_TRUE(co_await h.ask(R"({"model":"m","input":"A"})"));
  h.below.refuses = false;
  h.below.events = {"event: response.output_text.delta\ndata: {\"delta\":\"B\"}\n\n"};
  h.below.breaks = true;
  EXPECT_FALSE(co_await h.ask(R"({"model":"m","input":"A","stream":true})"));
  EXPECT_TRUE(h.store->kept.empty());
}
TEST(KeepingClient, NeitherRefusedNorBrokenNorUnwantedAnswersAreKept) {
  run(unwanted);
}

Task<void> streamed(io::Loop& loop) {
  House h(loop);
  h.below.events = {"event: response.created\ndata: {\"response\":{\"id\":\"resp_9\"}}\n\n",
                    "event: response.completed\ndata: {\"response\":{\"id\":\"resp_9\",\"output\":[]}}\n\n"};
  EXPECT_TRUE(co_await h.ask(R"({"model":"m","input":"A","stream":true})"));
  EXPECT_EQ(h.sent.all, h.below.events[0] + h.below.events[1]);
  EXPECT_EQ(h.kept("resp_9")->body, R"({"id":"resp_9","output":[]})");
  EXPECT_THAT(h.kept("resp_9")->input, HasSubstr(R"("text":"A")"));  // though the request was let go
}
TEST(KeepingClient, AStreamsLastEventIsWhatIsKept) {
  run(streamed);
}

Task<void> store_fails(io::Loop& loop) {
  House h(loop);
  h.store->fails = true;
  auto put = co_await h.ask(R"({"model":"m","input":"A"})");
  EXPECT_FALSE(put);
  EXPECT_EQ(put.error().reason, "not_stored");
  EXPECT_THAT(put.error().safe, ::testing::Not(HasSubstr("disk")));  // that is the operator's to know
  auto find = co_await h.ask(R"({"model":"m","previous_response_id":"resp_1","input":"x"})");
  EXPECT_FALSE(find);
  EXPECT_EQ(find.error().code, ErrorCode::kUnavailable);
}
TEST(KeepingClient, WhoCannotBePromisedIsNotTold) {
  run(store_fails);
}

Task<void> too_large(io::Loop& loop) {
  House h(loop);
  h.settings.server.limits.body_bytes = 1024;
  h.below.body = R"({"id":"resp_1","output":[{"content":")" + std::string(1024, 'b') + R"("}]})";
  EXPECT_TRUE(co_await h.ask(R"({"model":"m","input":"A"})"));
  auto next = co_await h.ask(R"({"model":"m","previous_response_id":"resp_1","input":"x"})");
  EXPECT_FALSE(next);
  EXPECT_EQ(next.error().code, ErrorCode::kPayloadTooLarge);
}
TEST(KeepingClient, AConversationMayNotOutgrowTheLimitOfABody) {
  run(too_large);
}

Task<void> old_ones(io::Loop& loop) {
  House h(loop);
  for (int i = 0; i < 101; ++i)
    EXPECT_TRUE(co_await h.ask(R"({"model":"m","input":"A"})"));
  EXPECT_EQ(h.store->expired, 2);  // with the first, and every hundred answers
  int64_t age_ns = loop.wall_now().unix_ns - h.store->expired_before.unix_ns;
  EXPECT_GE(age_ns, Duration(std::chrono::days(1)).count());
}
TEST(KeepingClient, OldAnswersAreLookedAfterNowAndThen) {
  run(old_ones);
}

Task<void> not_ours(io::Loop& loop) {
  House h(loop);
  h.settings.providers.push_back({});
  h.settings.providers[0].name = "p";
  h.settings.providers[0].passthrough.add(PassedApi::kResponses);
  h.asked.emplace(loop);
  Exchange& exchange = h.asked->exchange;
  exchange.principal.identity = std::make_shared<const exchange::Identity>();  // a key that may use all
  exchange.dialect = exchange::Dialect::kResponses;
  exchange.route.targets.push_back({.provider = "p", .model = "m"});
  const std::string body = R"({"model":"m","previous_response_id":"resp_theirs","input":"x"})";
  exchange.request.body = json::PaddedBuffer(std::string_view(body));
  EXPECT_TRUE(exchange.request.parse(h.request_parser));
  EXPECT_TRUE(co_await h.client.call(exchange, h.sent));
  EXPECT_EQ(h.below.asked, body);  // as it stands: the provider knows that id
  EXPECT_TRUE(h.store->kept.empty());
  // Who may not reach what is kept there is kept for here.
  exchange.principal.identity = nullptr;
  auto outcome = co_await h.client.call(exchange, h.sent);
  EXPECT_FALSE(outcome);
  EXPECT_EQ(outcome.error().reason, "previous_response_not_found");
}
TEST(KeepingClient, WhatTheProviderKeepsIsItsOwn) {
  run(not_ours);
}

}  // namespace
}  // namespace weir::pipeline
