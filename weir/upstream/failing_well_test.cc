// What happens when model servers fail: who is asked next and how often, what the caller sees of it, and how
// one model goes on with another's answer. Over real sockets.
#include <gmock/gmock.h>

#include "weir/base/json_write.h"
#include "weir/upstream/testing.h"

namespace weir::upstream {
namespace {

using namespace weir::upstream::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string chunk(std::string_view content) {
  std::string out = R"(data: {"id":"chatcmpl-one","model":"one","choices":[{"index":0,"delta":{"content":)";
  json::append_quoted(out, content);
  return out + "}}]}\n\n";
}

// The text a caller of OpenAI's dialect puts together.
std::string said(const Caller& caller) {
  std::string text;
  wire::SseFramer framer;
  framer.feed(caller.all);
  while (auto event = framer.next()) {
    auto choices = json::find_in(event->data, "choices");
    if (!choices) continue;
    for (const json::Value& choice : json::elements_of(choices->raw))
      if (auto delta = json::find_in(choice.raw, "delta"))
        if (auto content = json::find_in(delta->raw, "content")) content->append_string_to(text);
  }
  return text;
}

// A model with `scene`'s targets, as the configuration would have it.
struct Configured {
  explicit Configured(Scene& s) {
    model.name = "m";
    s.route_model = &model;
    s.ask(R"({"model":"m","messages":[{"role":"user","content":"Say it."}],"stream":true,"max_tokens":100})");
  }
  ModelSettings model;
};

const std::string kSecondHalf =
    R"(data: {"id":"chatcmpl-two","model":"two","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})"
    "\n\n"
    R"(data: {"id":"chatcmpl-two","model":"two","choices":[{"index":0,"delta":{"content":" dog."}}]})"
    "\n\n"
    R"(data: {"id":"chatcmpl-two","model":"two","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})"
    "\n\n"
    R"(data: {"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":5}})"
    "\n\n"
    "data: [DONE]\n\n";

Script cut_after(std::vector<std::string> pieces) {
  Script script = streams(std::move(pieces));
  script.end = false;
  return script;
}

// ------------------------------------------------------------------------------------ going on

TEST(GoingOn, AnotherModelEndsWhatBrokeOff) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    s.add(cut_after({chunk("The lazy"), chunk(" brown")}));
    Model& second = s.add(streams({kSecondHalf}));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(said(s.caller), "The lazy brown dog.");
    EXPECT_THAT(s.caller.all, Not(HasSubstr("chatcmpl-two")));  // one answer, one id
    EXPECT_THAT(s.caller.all, HasSubstr(": goes on with p1 upstream-model\n\n"));
    EXPECT_THAT(s.caller.all, HasSubstr("\"finish_reason\":\"stop\""));
    EXPECT_THAT(s.caller.all, ::testing::EndsWith("data: [DONE]\n\n"));
    EXPECT_THAT(second.bodies[0],
                HasSubstr(R"({"role":"assistant","content":"The lazy brown"},{"role":"user")"));
    EXPECT_THAT(second.bodies[0], HasSubstr(R"("max_tokens":98)"));
    EXPECT_EQ(s.exchange.outcome.attempts, 2);
    EXPECT_EQ(s.exchange.outcome.continuations, 1);
    EXPECT_TRUE(s.exchange.outcome.usage_estimated);  // the first one never told
    EXPECT_EQ(s.exchange.usage.output_tokens, 2 + 5);
    EXPECT_EQ(s.exchange.usage.input_tokens, 20 + (20 - 2));
  });
}

TEST(GoingOn, WherePrefillIsTakenTheTextAloneIsShown) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    s.prefill = true;
    s.add(cut_after({chunk("The lazy "), chunk("brown ")}));
    Model& second = s.add(streams({kSecondHalf}));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(said(s.caller), "The lazy brown dog.");  // one space between
    EXPECT_THAT(second.bodies[0], HasSubstr(R"(,{"role":"assistant","content":"The lazy brown"}])"));
    EXPECT_THAT(second.bodies[0], HasSubstr("continue_final_message"));
  });
}

TEST(GoingOn, ARefusedPrefillIsAskedInWords) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    s.prefill = true;
    s.add(cut_after({chunk("The lazy brown")}));
    Model& second = s.add(streams({kSecondHalf}));
    second.first = Script{.status = 400, .body = R"({"error":{"message":"must end with a user message"}})"};
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_FALSE(s.exchange.answer);
    EXPECT_EQ(said(s.caller), "The lazy brown dog.");
    EXPECT_EQ(second.bodies.size(), 2u);
    EXPECT_THAT(second.bodies[1], HasSubstr(R"({"role":"user","content":"Your last message was cut off.)"));
  });
}

TEST(GoingOn, OneThatCannotIsLeftForTheNext) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    s.add(cut_after({chunk("The lazy brown")}));
    s.add({.status = 503, .body = R"({"error":{"message":"down"}})"});
    s.add(streams({kSecondHalf}));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(said(s.caller), "The lazy brown dog.");
    EXPECT_EQ(s.exchange.outcome.provider, "p2");
  });
}

TEST(GoingOn, ASecondCutIsGoneOnWithToo) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    s.add(cut_after({chunk("The")}));
    s.add(cut_after({chunk(" lazy brown")}));
    Model& third = s.add(streams({kSecondHalf}));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(said(s.caller), "The lazy brown dog.");
    EXPECT_THAT(third.bodies[0], HasSubstr(R"("content":"The lazy brown")"));
  });
}

TEST(GoingOn, WhenAllFailTheCallerHearsWhyTheFirstDid) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    s.add(cut_after({chunk("The lazy brown")}));
    s.add({.status = 400, .body = R"({"error":{"message":"no"}})"});
    co_await s.call();
    EXPECT_FALSE(s.outcome);
    EXPECT_FALSE(s.exchange.answer);
    if (!s.outcome) EXPECT_EQ(s.outcome.error().reason, "stream_cut");
    EXPECT_EQ(said(s.caller), "The lazy brown");
    EXPECT_THAT(s.caller.all, Not(HasSubstr("[DONE]")));
  });
}

TEST(GoingOn, NotInsideAToolCall) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    s.add(cut_after(
        {chunk("I look"),
         R"(data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{"}}]}}]})"
         "\n\n"}));
    Model& second = s.add(streams({kSecondHalf}));
    co_await s.call();
    EXPECT_FALSE(s.outcome);
    EXPECT_TRUE(second.bodies.empty());
  });
}

TEST(GoingOn, NotWhenTheModelSaysError) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    c.model.when_cut = WhenCut::kError;
    s.add(cut_after({chunk("The lazy brown")}));
    Model& second = s.add(streams({kSecondHalf}));
    co_await s.call();
    EXPECT_FALSE(s.outcome);
    EXPECT_TRUE(second.bodies.empty());
  });
}

TEST(GoingOn, AMalformedEventAndAnErrorEventAreCuts) {
  for (std::string bad : {"data: {nonsense\n\n", "data: {\"error\":{\"message\":\"boom\"}}\n\n"}) {
    static std::string event;
    event = bad;
    run([](Scene& s) -> Task<void> {
      Configured c(s);
      s.add(streams({chunk("The lazy brown"), event, chunk("never seen")}));
      s.add(streams({kSecondHalf}));
      co_await s.call();
      EXPECT_TRUE(s.outcome);
      EXPECT_EQ(said(s.caller), "The lazy brown dog.");
    });
  }
}

TEST(GoingOn, AStallIsACutAndItsServerIsNotAskedAgain) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    Script stall = streams({chunk("The lazy brown")});
    stall.hang = true;
    UpstreamTimeouts timeouts;
    timeouts.idle = milliseconds(50);
    Model& first = s.add(stall, timeouts);
    s.add({.status = 500, .body = R"({"error":{"message":"down"}})"});
    co_await s.call();
    EXPECT_FALSE(s.outcome);
    EXPECT_EQ(first.bodies.size(), 1u);
  });
}

TEST(GoingOn, WhoBrokeOffIsAskedLast) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    Model& first = s.add(streams({kSecondHalf}));
    first.first = cut_after({chunk("The lazy brown")});
    s.add({.status = 500, .body = R"({"error":{"message":"down"}})"});
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(said(s.caller), "The lazy brown dog.");
    EXPECT_EQ(first.bodies.size(), 2u);
  });
}

TEST(GoingOn, AcrossDialects) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    s.add(cut_after({chunk("The lazy"), chunk(" brown")}));
    Model& second = s.add_anthropic(
        streams({"event: message_start\ndata: "
                 "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_2\",\"model\":\"two\",\"usage\":"
                 "{\"input_tokens\":20,\"output_tokens\":1}}}\n\n",
                 "event: content_block_start\ndata: "
                 "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
                 "\"text\",\"text\":\"\"}}\n\n",
                 "event: content_block_delta\ndata: "
                 "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_"
                 "delta\",\"text\":\" dog.\"}}\n\n",
                 "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
                 "event: message_delta\ndata: "
                 "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{"
                 "\"output_tokens\":5}}\n\n",
                 "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"}));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(said(s.caller), "The lazy brown dog.");
    EXPECT_THAT(s.caller.all, Not(HasSubstr("msg_2")));
    EXPECT_THAT(s.caller.all, ::testing::EndsWith("data: [DONE]\n\n"));
    EXPECT_THAT(second.bodies[0], HasSubstr("The lazy brown"));
    EXPECT_EQ(s.exchange.usage.output_tokens, 2 + 5);
  });
}

// ------------------------------------------------------------------------------------- asking again

TEST(AskingAgain, AServerThatFailedOnce) {
  run([](Scene& s) -> Task<void> {
    s.ask_whole();
    s.settings.retries.max = 2;
    s.settings.retries.backoff = milliseconds(1);
    Model& model = s.add({.body = "{}"});
    model.first = Script{.status = 500, .body = R"({"error":{"message":"once"}})"};
    co_await s.call();
    EXPECT_TRUE(s.outcome && s.exchange.answer && s.exchange.answer->status == 200);
    EXPECT_EQ(s.exchange.outcome.attempts, 2);
    EXPECT_EQ(s.exchange.outcome.retries, 1);
    EXPECT_EQ(model.bodies.size(), 2u);
  });
}

TEST(AskingAgain, AsOftenAsSettingsSay) {
  run([](Scene& s) -> Task<void> {
    s.ask_whole();
    s.settings.retries.max = 2;
    s.settings.retries.backoff = milliseconds(1);
    Model& model = s.add({.status = 503, .body = R"({"error":{"message":"down"}})"});
    co_await s.call();
    EXPECT_TRUE(s.exchange.answer && s.exchange.answer->status == 503);
    EXPECT_EQ(model.bodies.size(), 3u);
  });
}

TEST(AskingAgain, TheOtherTargetFirst) {
  run([](Scene& s) -> Task<void> {
    s.ask_whole();
    s.settings.retries.max = 2;
    Model& first = s.add({.status = 500, .body = R"({"error":{"message":"down"}})"});
    s.add({.body = "{}"});
    co_await s.call();
    EXPECT_TRUE(s.exchange.answer && s.exchange.answer->status == 200);
    EXPECT_EQ(first.bodies.size(), 1u);
    EXPECT_EQ(s.exchange.outcome.retries, 0);
  });
}

TEST(AskingAgain, NeverOneThatWasSilent) {
  run([](Scene& s) -> Task<void> {
    s.ask_stream();
    s.settings.retries.max = 5;
    s.settings.retries.backoff = milliseconds(1);
    Script silent;
    silent.silent = true;
    UpstreamTimeouts timeouts;
    timeouts.headers = milliseconds(50);
    Model& model = s.add(silent, timeouts);
    co_await s.call();
    EXPECT_FALSE(s.outcome);
    EXPECT_EQ(model.bodies.size(), 1u);
  });
}

TEST(AskingAgain, ALongRetryAfterIsPassedOn) {
  run([](Scene& s) -> Task<void> {
    s.ask_whole();
    s.settings.retries.max = 5;
    s.settings.retries.retry_after_max = milliseconds(5'000);
    Model& model = s.add(
        {.status = 429, .headers = {{"retry-after", "60"}}, .body = R"({"error":{"message":"slow down"}})"});
    co_await s.call();
    EXPECT_TRUE(s.exchange.answer && s.exchange.answer->status == 429);
    EXPECT_EQ(s.exchange.answer->headers, (OwnedHeaders{{"retry-after", "60"}}));
    EXPECT_EQ(model.bodies.size(), 1u);
  });
}

TEST(AskingAgain, NotWhatTheCallerDidWrong) {
  run([](Scene& s) -> Task<void> {
    s.ask_whole();
    s.settings.retries.max = 5;
    Model& model = s.add({.status = 400, .body = R"({"error":{"message":"content_policy_violation"}})"});
    Model& second = s.add({.body = "{}"});
    co_await s.call();
    EXPECT_TRUE(s.exchange.answer && s.exchange.answer->status == 400);
    EXPECT_EQ(model.bodies.size(), 1u);
    EXPECT_TRUE(second.bodies.empty());
  });
}

TEST(AskingAgain, WhatIsTooLongGoesToALargerModel) {
  run([](Scene& s) -> Task<void> {
    s.ask_whole();
    s.add({.status = 400, .body = R"({"error":{"message":"too long","code":"context_length_exceeded"}})"});
    Model& second = s.add({.body = "{}"});
    Model& larger = s.add({.body = R"({"ok":1})"});
    s.larger = 1;
    co_await s.call();
    EXPECT_TRUE(s.exchange.answer && s.exchange.answer->body == R"({"ok":1})");
    EXPECT_TRUE(second.bodies.empty());
    EXPECT_EQ(larger.bodies.size(), 1u);
  });
}

TEST(AskingAgain, AModelThatAServerDoesNotHaveIsAskedOfTheNext) {
  run([](Scene& s) -> Task<void> {
    s.ask_whole();
    s.add({.status = 404, .body = R"({"error":{"message":"no such model"}})"});
    s.add({.body = "{}"});
    co_await s.call();
    EXPECT_TRUE(s.exchange.answer && s.exchange.answer->status == 200);
  });
}

// ---------------------------------------------------------------------------------------- the rest

TEST(Degraded, TheConfiguredTextWhenNobodyAnswers) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    c.model.degraded_text = "Please come back later.";
    s.add({.status = 503, .body = R"({"error":{"message":"down"}})"});
    s.add({.status = 429, .body = R"({"error":{"message":"busy"}})"});
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_FALSE(s.exchange.answer);
    EXPECT_TRUE(s.exchange.outcome.degraded);
    EXPECT_EQ(said(s.caller), "Please come back later.");
    EXPECT_THAT(s.caller.all, ::testing::EndsWith("data: [DONE]\n\n"));
  });
}

TEST(Degraded, NotForWhatTheCallerDidWrong) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    c.model.degraded_text = "Please come back later.";
    s.add({.status = 400, .body = R"({"error":{"message":"bad"}})"});
    co_await s.call();
    EXPECT_TRUE(s.exchange.answer && s.exchange.answer->status == 400);
    EXPECT_FALSE(s.exchange.outcome.degraded);
  });
}

TEST(Hold, AFailureInTheHoldTimeIsNotSeen) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    c.model.hold = milliseconds(60'000);
    c.model.when_cut = WhenCut::kError;
    s.add(cut_after({chunk("The wrong"), chunk(" beginning")}));
    s.add(streams({chunk("All"), chunk(" new"), std::string(kFinish), std::string(kDone)}));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(said(s.caller), "All new");
  });
}

TEST(Breakers, ATargetThatFailsRestsAndTheNextIsAskedAtOnce) {
  run([](Scene& s) -> Task<void> {
    s.ask_whole();
    ModelSettings model;
    model.name = "m";
    model.targets = {{"p0", "upstream-model"}, {"p1", "upstream-model"}};
    s.settings.models = {model};
    s.settings.health.failures = 2;
    s.settings.health.check = milliseconds(0);
    s.settings.health.rest = milliseconds(60'000);
    s.settings.health.rest_max = milliseconds(60'000);
    Model& first = s.add({.status = 500, .body = R"({"error":{"message":"down"}})"});
    Model& second = s.add({.body = "{}"});
    co_await s.call();
    for (int i = 0; i < 3; ++i)
      co_await s.again();
    EXPECT_EQ(first.bodies.size(), 2u);
    EXPECT_EQ(second.bodies.size(), 4u);
    EXPECT_THAT(s.dispatcher->warnings(), ElementsAre(HasSubstr("upstream-model of provider p0 rests")));
  });
}

}  // namespace
}  // namespace weir::upstream
