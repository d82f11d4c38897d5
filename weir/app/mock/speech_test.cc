#include "weir/app/mock/speech.h"

#include <gtest/gtest.h>

#include "weir/app/mock/call.h"

namespace weir::app {
namespace {

namespace chat = exchange::chat;
using exchange::Dialect;

Script script_of(std::string_view object) {
  Script script;
  auto applied = script.apply(object);
  EXPECT_TRUE(applied) << applied.error().message;
  return script;
}

chat::Message says(chat::Role role, std::string text) {
  return {.role = role, .parts = {{.kind = chat::PartKind::kText, .text = std::move(text)}}};
}

chat::Request conversation(std::vector<chat::Message> messages) {
  chat::Request asked;
  asked.messages = std::move(messages);
  return asked;
}

chat::Answer::Choice answer(const Script& script, const chat::Request& asked,
                            exchange::Usage* usage = nullptr) {
  Speech speech(script, asked, Dialect::kOpenAi, true);
  chat::Collector collector;
  while (speech.more())
    speech.next(collector);
  speech.finish(collector);
  if (usage) *usage = collector.answer.usage;
  return collector.answer.choices.at(0);
}

std::string text_of(const chat::Answer::Choice& choice) {
  std::string text;
  for (const chat::Part& part : choice.parts)
    if (part.kind == chat::PartKind::kText) text += part.text;
  return text;
}

TEST(Speech, ATextThatWasBegunGoesOnAtEveryByte) {
  Script script = script_of(R"({"text_seed":7,"frames":6})");
  chat::Message question = says(chat::Role::kUser, "Tell me.");
  std::string all = text_of(answer(script, conversation({question})));
  EXPECT_EQ(all.substr(0, 3), " 0-");
  for (size_t cut = 1; cut <= all.size(); ++cut) {
    exchange::Usage usage;
    chat::Message begun = says(chat::Role::kAssistant, all.substr(0, cut));
    chat::Answer::Choice rest = answer(script, conversation({question, begun}), &usage);
    EXPECT_EQ(text_of(rest), all.substr(cut)) << cut;
    EXPECT_LE(*usage.output_tokens, 6) << cut;
    begun.parts[0].text.erase(0, 1);  // the space it began with is gone
    if (cut > 1) EXPECT_EQ(text_of(answer(script, conversation({question, begun}))), all.substr(cut)) << cut;
  }
}

TEST(Speech, WhoAsksToGoOnGetsTheRest) {
  Script script = script_of(R"({"text_seed":7,"frames":6})");
  chat::Message question = says(chat::Role::kUser, "Tell me."), more = says(chat::Role::kUser, "Go on.");
  std::string all = text_of(answer(script, conversation({question})));
  chat::Message begun = says(chat::Role::kAssistant, all.substr(0, 10));
  EXPECT_EQ(text_of(answer(script, conversation({question, begun, more}))), all.substr(10));
  script.overlap = 1;
  EXPECT_EQ(text_of(answer(script, conversation({question, begun, more}))), all);  // word 1 was under way
  script.prefill = "fresh";
  EXPECT_EQ(text_of(answer(script, conversation({question, begun, more}))), all);
  script = script_of(R"({"text_seed":7,"frames":6})");
  // An answer that was whole, or somebody else's, is not gone on with.
  EXPECT_EQ(text_of(answer(script, conversation({question, says(chat::Role::kAssistant, all), more}))), all);
  EXPECT_EQ(text_of(answer(script, conversation({question, says(chat::Role::kAssistant, "Ah"), more}))), all);
}

TEST(Speech, ToolsAreCalledOnce) {
  Script script = script_of(R"({"tools":2})");
  chat::Request asked = conversation({says(chat::Role::kUser, "Weather?")});
  asked.tools = {{.name = "get_weather"}, {.name = "get_time"}};
  chat::Answer::Choice calls = answer(script, asked);
  ASSERT_EQ(calls.parts.size(), 2u);
  EXPECT_EQ(calls.parts[0].name, "get_weather");
  EXPECT_EQ(calls.parts[0].text, R"({"city":"Paris"})");
  EXPECT_EQ(calls.parts[1].name, "get_time");
  EXPECT_EQ(calls.finish, chat::Finish::kToolCalls);
  chat::Part result{.kind = chat::PartKind::kToolResult, .id = "call_mock_1"};
  result.content = {{.kind = chat::PartKind::kText, .text = "rain"}};
  asked.messages.push_back({.role = chat::Role::kUser, .parts = {result}});
  chat::Answer::Choice words = answer(script, asked);
  EXPECT_EQ(text_of(words), "The tools said: rain");
  EXPECT_EQ(words.finish, chat::Finish::kStop);
}

TEST(Speech, SaysWhatItGot) {
  chat::Message message = says(chat::Role::kUser, "mock: {\"received\":true}\nWhat is this?");
  message.parts.push_back({.kind = chat::PartKind::kImage, .media_type = "image/png", .data = "AAAA"});
  chat::Request asked = conversation({message});
  EXPECT_EQ(script_in(asked), R"({"received":true})");
  EXPECT_EQ(text_of(answer(script_of(R"({"received":true})"), asked)),
            "user text 'What is this?' image image/png 4 base64 bytes");
  EXPECT_EQ(text_of(answer(script_of(R"({"echo":true})"), asked)), "What is this?");
  EXPECT_EQ(script_in("\n mock: {\"frames\":1}\nHi"), "{\"frames\":1}");
  EXPECT_EQ(script_in("A mock: {}"), "");
}

TEST(Script, RefusesWhatItDoesNotKnow) {
  for (std::string_view bad :
       {R"({"framez":1})", R"({"frames":"1"})", R"({"fault":"fire"})", R"({"finish":"x"})",
        R"({"tools":"x"})", R"({"done":1})", R"({"prefill":"maybe"})", R"({"headers":1})"})
    EXPECT_FALSE(Script().apply(bad)) << bad;
}

TEST(MockRoute, FollowsThePathsEnd) {
  EXPECT_EQ(mock_route("/v1/messages").dialect, Dialect::kAnthropic);
  EXPECT_EQ(mock_route("/v1/messages/count_tokens").operation, wire::Operation::kCountTokens);
  EXPECT_EQ(mock_route("/v1/completions").operation, wire::Operation::kCompletion);
  EXPECT_EQ(mock_route("/api/embeddings").dialect, Dialect::kOllama);
  MockRoute gemini = mock_route("/v1beta/models/gemini-2.5-flash:streamGenerateContent");
  EXPECT_EQ(gemini.model, "gemini-2.5-flash");
  EXPECT_TRUE(gemini.stream);
}

}  // namespace
}  // namespace weir::app
