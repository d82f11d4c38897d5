// What happens when model servers fail: who is asked next and how often, what the caller sees of it, and how
// one model goes on with another's answer. Over real sockets.
// One file: every test plays the same model servers and caller.
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

// ------------------------------------------------------------------------------------ its own words

const std::string kErrorEvent =
    "data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"server_error\"}}\n\n";

TEST(ErrorEvent, IsHandedOnAsItCameWhereBothSpeakOneDialect) {
  run([](Scene& s) -> Task<void> {
    s.ask_stream();
    s.add(streams({chunk("The lazy"), kErrorEvent}));
    co_await s.call();
    EXPECT_FALSE(s.outcome);
    EXPECT_EQ(s.outcome.error().reason, "upstream_error_event");
    EXPECT_EQ(s.caller.theirs, kErrorEvent);
    EXPECT_THAT(s.caller.all, Not(HasSubstr("Overloaded")));  // its end is the server's to write
  });
}

TEST(ErrorEvent, BeforeTheFirstOutputIsTheAnswer) {
  run([](Scene& s) -> Task<void> {
    s.ask_stream();
    s.add(streams({kErrorEvent}));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(s.caller.begun, 0);
    EXPECT_TRUE(s.exchange.answer);
    if (!s.exchange.answer) co_return;
    EXPECT_EQ(s.exchange.answer->status, 502);
    EXPECT_EQ(s.exchange.answer->body, R"({"error":{"message":"Overloaded","type":"server_error"}})");
    EXPECT_EQ(s.exchange.outcome.error->reason, "upstream_error_event");
  });
}

TEST(ErrorEvent, OfAShapeThatItsClientsDoNotKnowIsWrittenAnew) {
  for (std::string_view odd : {R"({"error":"runner stopped"})", R"({"object":"error","message":"bad"})"}) {
    static std::string event;
    event = "data: " + std::string(odd) + "\n\n";
    run([](Scene& s) -> Task<void> {
      s.ask_stream();
      s.add(streams({chunk("The lazy"), event}));
      co_await s.call();
      EXPECT_FALSE(s.outcome);
      EXPECT_EQ(s.caller.theirs, "");
    });
  }
}

TEST(ErrorEvent, OfAnotherDialectIsNot) {
  run([](Scene& s) -> Task<void> {
    s.ask(R"({"model":"m","messages":[{"role":"user","content":"Say it."}],"stream":true,"max_tokens":100})");
    s.add_anthropic(
        streams({"event: message_start\ndata: "
                 R"({"type":"message_start","message":{"id":"x","model":"m","usage":{"input_tokens":3}}})"
                 "\n\nevent: content_block_start\ndata: "
                 R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})"
                 "\n\nevent: content_block_delta\ndata: "
                 R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}})"
                 "\n\nevent: error\ndata: "
                 R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})"
                 "\n\n"}));
    co_await s.call();
    EXPECT_FALSE(s.outcome);
    EXPECT_EQ(s.caller.theirs, "");
  });
}

TEST(ErrorEvent, OfTheFirstServerIsToldWhenNobodyCouldGoOn) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    s.add(streams({chunk("The lazy"), kErrorEvent}));
    s.add({.status = 503, .body = R"({"error":{"message":"down"}})"});
    co_await s.call();
    EXPECT_FALSE(s.outcome);
    EXPECT_EQ(s.caller.theirs, kErrorEvent);
  });
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
    EXPECT_EQ(s.exchange.outcome.begun_by, "p0 upstream-model");
    EXPECT_EQ(s.exchange.outcome.provider, "p1");
    EXPECT_TRUE(s.exchange.outcome.usage_estimated);  // the first one never told
    EXPECT_EQ(s.exchange.usage.output_tokens, 2 + 5);
    EXPECT_EQ(s.exchange.usage.input_tokens, 20 + (20 - 2));
    EXPECT_EQ(s.exchange.spent.size(), 1u);  // what each is paid for
    if (s.exchange.spent.size() != 1) co_return;
    EXPECT_EQ(s.exchange.spent[0].provider, "p0");
    EXPECT_EQ(s.exchange.spent[0].usage, (exchange::Usage{.input_tokens = 18, .output_tokens = 2}));
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

// ------------------------------------------------------------------------------------ hedging

const Script kSilent{.silent = true};

Script later(Script script) {
  script.after = milliseconds(60);
  return script;
}

// With a second target asked after a moment of silence.
struct Hedged : Configured {
  explicit Hedged(Scene& s) : Configured(s) { model.hedge = milliseconds(20); }
};

TEST(Hedging, TheSecondAnswersWhileTheFirstIsSilent) {
  run([](Scene& s) -> Task<void> {
    Hedged h(s);
    Model& first = s.add(kSilent);
    s.add(streams({kSecondHalf}));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(said(s.caller), " dog.");
    EXPECT_THAT(s.caller.all, HasSubstr("chatcmpl-two"));  // from its beginning
    EXPECT_THAT(s.caller.all, ::testing::EndsWith("data: [DONE]\n\n"));
    EXPECT_EQ(first.bodies.size(), 1u);
    EXPECT_EQ(s.exchange.outcome.provider, "p1");
    EXPECT_EQ(s.exchange.outcome.attempts, 2);
    EXPECT_EQ(s.exchange.outcome.retries, 0);
    EXPECT_TRUE(s.exchange.outcome.streamed);
    EXPECT_EQ(s.exchange.usage.input_tokens, 20);
    EXPECT_EQ(s.exchange.usage.output_tokens, 5);
    EXPECT_TRUE(s.exchange.spent.empty());
  });
}

TEST(Hedging, NobodyIsAskedBesideOneThatAnswersInTime) {
  run([](Scene& s) -> Task<void> {
    Hedged h(s);
    s.add(streams({kSecondHalf}));
    Model& second = s.add(streams({kSecondHalf}));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(said(s.caller), " dog.");
    EXPECT_TRUE(second.bodies.empty());
    EXPECT_EQ(s.exchange.outcome.attempts, 1);
  });
}

TEST(Hedging, TheFirstMayStillBeFirst) {
  run([](Scene& s) -> Task<void> {
    Hedged h(s);
    s.add(later(streams({kSecondHalf})));
    Model& second = s.add(kSilent);
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(said(s.caller), " dog.");
    EXPECT_EQ(second.bodies.size(), 1u);
    EXPECT_EQ(s.exchange.outcome.provider, "p0");
    EXPECT_EQ(s.exchange.outcome.attempts, 2);
  });
}

TEST(Hedging, WholeAnswersToo) {
  run([](Scene& s) -> Task<void> {
    Hedged h(s);
    s.ask_whole();
    s.add(kSilent);
    s.add({.body = R"({"id":"two","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}})"});
    co_await s.call();
    EXPECT_TRUE(s.outcome && s.exchange.answer);
    EXPECT_THAT(s.exchange.answer->body, HasSubstr(R"("id":"two")"));
    EXPECT_EQ(s.exchange.usage.output_tokens, 4);
    EXPECT_EQ(s.exchange.outcome.provider, "p1");
  });
}

TEST(Hedging, AStreamThatBreaksOffIsGoneOnWithWhoeverBeganIt) {
  run([](Scene& s) -> Task<void> {
    Hedged h(s);
    s.add(kSilent);
    s.add(cut_after({chunk("The lazy"), chunk(" brown")}));
    s.add(streams({kSecondHalf}));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(said(s.caller), "The lazy brown dog.");
    EXPECT_EQ(s.exchange.outcome.provider, "p2");
    EXPECT_EQ(s.exchange.outcome.continuations, 1);
    EXPECT_EQ(s.exchange.outcome.attempts, 3);
    EXPECT_EQ(s.exchange.usage.output_tokens, 2 + 5);
    EXPECT_EQ(s.exchange.spent.size(), 1u);
  });
}

TEST(Hedging, WhoFailsLeavesItToTheOther) {
  run([](Scene& s) -> Task<void> {
    Hedged h(s);
    s.add(later(streams({kSecondHalf})));
    Model& second = s.add({.status = 500, .body = R"({"error":{"message":"x"}})"});
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(said(s.caller), " dog.");
    EXPECT_EQ(second.bodies.size(), 1u);
    EXPECT_EQ(s.exchange.outcome.provider, "p0");
    EXPECT_FALSE(s.exchange.outcome.error);
  });
}

TEST(Hedging, WhenBothFailTheNextIsAsked) {
  run([](Scene& s) -> Task<void> {
    Hedged h(s);
    s.add(later({.status = 500, .body = R"({"error":{"message":"x"}})"}));
    s.add(later({.status = 500, .body = R"({"error":{"message":"x"}})"}));
    Model& third = s.add(streams({kSecondHalf}));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(said(s.caller), " dog.");
    EXPECT_EQ(third.bodies.size(), 1u);
    EXPECT_EQ(s.exchange.outcome.attempts, 3);
  });
}

TEST(Hedging, ARefusalIsAnAnswer) {
  run([](Scene& s) -> Task<void> {
    Hedged h(s);
    s.add(later({.status = 400, .body = R"({"error":{"message":"no such thing"}})"}));
    Model& second = s.add(kSilent);
    co_await s.call();
    EXPECT_TRUE(s.exchange.answer && s.exchange.answer->status == 400);
    EXPECT_EQ(second.bodies.size(), 1u);
    EXPECT_EQ(s.exchange.outcome.attempts, 2);
  });
}

TEST(Hedging, ACallerThatLeavesEndsBoth) {
  run([](Scene& s) -> Task<void> {
    Hedged h(s);
    Model& first = s.add(kSilent);
    Model& second = s.add(kSilent);
    struct Leave final : io::Timer {
      explicit Leave(io::Cancel& c) : cancel(c) {}
      void on_timer() override { cancel.request(io::CancelReason::kClientLeft); }
      io::Cancel& cancel;
    } leave(s.cancel);
    s.loop.arm(leave, milliseconds(80));
    co_await s.call();
    EXPECT_FALSE(s.outcome);
    EXPECT_EQ(first.bodies.size() + second.bodies.size(), 2u);
  });
}

// ----------------------------------------------------------------------------- signed thoughts

// A conversation of Anthropic's dialect whose last answer began with a signed thought.
void ask_with_thought(Scene& s, std::string_view signature) {
  s.exchange.dialect = exchange::Dialect::kAnthropic;
  s.exchange.request.body = json::PaddedBuffer(
      R"({"model":"m","max_tokens":100,"messages":[{"role":"user","content":"2+2?"},{"role":"assistant",)"
      R"("content":[{"type":"thinking","thinking":"hm","signature":")" +
      std::string(signature) + R"("},{"type":"text","text":"4"}]},{"role":"user","content":"+1?"}]})");
  const wire::Wire& caller = wire::wire_of(exchange::Dialect::kAnthropic);
  auto read = caller.read_request(Operation::kChat, s.request_parser, s.exchange.request);
  EXPECT_TRUE(read) << read.error().message;
}

const Script kForeign{
    .status = 400,
    .body =
        R"({"type":"error","error":{"type":"invalid_request_error","message":"messages.1.content.0: Invalid `signature` in `thinking` block"}})"};

Script signs(std::string_view signature) {
  return {
      .headers = {{"content-type", "application/json"}},
      .body =
          R"({"id":"msg_1","type":"message","role":"assistant","model":"x","content":[{"type":)"
          R"("thinking","thinking":"h","signature":")" +
          std::string(signature) +
          R"("},{"type":"text","text":"5"}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":2}})"};
}

TEST(SignedThoughts, WhoFindsThemForeignIsPassedOverAndTheSignerIsRemembered) {
  run([](Scene& s) -> Task<void> {
    ask_with_thought(s, "unknown-so-far");
    Model& other = s.add_anthropic(kForeign);
    Model& signer = s.add_anthropic(signs("unknown-so-far"));
    co_await s.call();
    EXPECT_TRUE(s.outcome && s.exchange.answer && s.exchange.answer->status == 200);
    EXPECT_EQ(other.bodies.size(), 1u);
    EXPECT_EQ(signer.bodies.size(), 1u);
    co_await s.again();
    EXPECT_EQ(s.exchange.answer->status, 200);
    EXPECT_EQ(other.bodies.size(), 1u);  // not asked again
    EXPECT_EQ(signer.bodies.size(), 2u);
  });
}

TEST(SignedThoughts, GoToNobodyElseWhenTheSignerFails) {
  run([](Scene& s) -> Task<void> {
    ask_with_thought(s, "ours");
    s.pins.note("ours", "p0", "upstream-model");
    s.add_anthropic(
        {.status = 500, .body = R"({"type":"error","error":{"type":"api_error","message":"x"}})"});
    Model& other = s.add_anthropic(signs("theirs"));
    co_await s.call();
    EXPECT_TRUE(s.outcome && s.exchange.answer && s.exchange.answer->status == 500);
    EXPECT_TRUE(other.bodies.empty());
  });
}

TEST(SignedThoughts, AWrongMemoryIsCorrected) {
  run([](Scene& s) -> Task<void> {
    ask_with_thought(s, "whose");
    s.pins.note("whose", "p1", "upstream-model");
    Model& signer = s.add_anthropic(signs("whose"));
    Model& other = s.add_anthropic(kForeign);
    co_await s.call();
    EXPECT_TRUE(s.outcome && s.exchange.answer && s.exchange.answer->status == 200);
    EXPECT_EQ(other.bodies.size(), 1u);
    EXPECT_EQ(signer.bodies.size(), 1u);
    co_await s.again();
    EXPECT_EQ(other.bodies.size(), 1u);  // remembered as it is
    EXPECT_EQ(signer.bodies.size(), 2u);
  });
}

// The thoughts are of the one that broke off, whoever ended the answer.
TEST(SignedThoughts, AreOfWhoBeganTheAnswer) {
  run([](Scene& s) -> Task<void> {
    Configured c(s);
    s.exchange.dialect = exchange::Dialect::kAnthropic;
    s.exchange.request.body = json::PaddedBuffer(
        R"({"model":"m","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"Say it."}]})");
    auto read = wire::wire_of(exchange::Dialect::kAnthropic)
                    .read_request(Operation::kChat, s.request_parser, s.exchange.request);
    EXPECT_TRUE(read) << read.error().message;
    auto event = [](std::string_view type, std::string_view rest) {
      return "event: " + std::string(type) + "\ndata: {\"type\":\"" + std::string(type) + "\"" +
             std::string(rest) + "}\n\n";
    };
    auto start =
        event("message_start", R"(,"message":{"id":"msg_1","type":"message","role":"assistant",)"
                               R"("model":"x","content":[],"usage":{"input_tokens":5,"output_tokens":1}})");
    auto text = [&](int index, std::string_view words) {
      std::string i = std::to_string(index);
      return event("content_block_start",
                   R"(,"index":)" + i + R"(,"content_block":{"type":"text","text":""})") +
             event("content_block_delta", R"(,"index":)" + i + R"(,"delta":{"type":"text_delta","text":")" +
                                              std::string(words) + R"("})");
    };
    auto thought =
        event("content_block_start",
              R"(,"index":0,"content_block":{"type":"thinking","thinking":"","signature":""})") +
        event("content_block_delta", R"(,"index":0,"delta":{"type":"thinking_delta","thinking":"h"})") +
        event("content_block_delta", R"(,"index":0,"delta":{"type":"signature_delta","signature":"of-p0"})") +
        event("content_block_stop", R"(,"index":0)");
    s.add_anthropic(cut_after({start, thought, text(1, "The lazy ")}));
    s.add_anthropic(
        streams({start, text(0, "brown dog."), event("content_block_stop", R"(,"index":0)"),
                 event("message_delta", R"(,"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5})"),
                 event("message_stop", "")}));
    co_await s.call();
    EXPECT_TRUE(s.outcome);
    EXPECT_EQ(s.exchange.outcome.continuations, 1);
    const exchange::Target* signer = s.pins.find("of-p0", s.exchange.route.targets);
    EXPECT_TRUE(signer && signer->provider == "p0");
  });
}

TEST(SignedThoughts, TheReasonIsWhyTheSignerFailedNotThatOthersAreForeign) {
  run([](Scene& s) -> Task<void> {
    ask_with_thought(s, "not known here");
    s.add_anthropic(
        {.status = 503, .body = R"({"type":"error","error":{"type":"api_error","message":"x"}})"});
    Model& other = s.add_anthropic(kForeign);
    co_await s.call();
    EXPECT_EQ(other.bodies.size(), 1u);
    EXPECT_TRUE(s.outcome && s.exchange.answer && s.exchange.answer->status == 503);
    EXPECT_TRUE(s.exchange.outcome.error && s.exchange.outcome.error->reason == "upstream_status");
  });
}

TEST(SignedThoughts, AreFoundAgainByWhatTheyAreAndWhoseTheyAre) {
  ThoughtPins pins;
  std::vector<exchange::Target> targets{{.provider = "a", .model = "m", .timeouts = {}},
                                        {.provider = "b", .model = "m", .timeouts = {}}};
  EXPECT_EQ(pins.find("s", targets), nullptr);
  for (int i = 0; i < 1000; ++i)
    pins.note("s" + std::to_string(i), i % 2 ? "a" : "b", "m");
  int found = 0;
  for (int i = 0; i < 1000; ++i)
    if (const exchange::Target* target = pins.find("s" + std::to_string(i), targets)) {
      ++found;
      EXPECT_EQ(target->provider, i % 2 ? "a" : "b");
    }
  EXPECT_GT(found, 950);  // a few gave way
  pins.note("s", "gone", "m");
  EXPECT_EQ(pins.find("s", targets), nullptr);
}

}  // namespace
}  // namespace weir::upstream
