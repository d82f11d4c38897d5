// Chat between OpenAI's wire and the canonical forms: requests, streams of several servers, whole answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weir/wire/openai/openai.h"
#include "weir/wire/testing.h"

namespace weir::wire::openai {
namespace {

using exchange::ModelRequest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The request as another server of this dialect would get it after a way through the canonical tree; losses
// in braces behind it.
std::string through(std::string_view body, Operation operation = Operation::kChat) {
  json::Parser parser;
  ModelRequest request;
  request.body = json::PaddedBuffer(body);
  if (auto read = read_request(operation, parser, request); !read)
    return read.error().param + ": " + read.error().message;
  auto canonical = read_chat(operation, request);
  if (!canonical) return canonical.error().param + ": " + canonical.error().message;
  chat::Losses losses;
  std::string out = write_chat(*canonical, "other", losses);
  for (const std::string& field : losses.fields())
    out += " {" + field + "}";
  return out;
}

TEST(OpenAiChat, AConversationWithToolsComesThrough) {
  EXPECT_EQ(
      through(R"({"model":"m","messages":[
    {"role":"system","content":"Be brief."},
    {"role":"user","name":"ada","content":[{"type":"text","text":"Look"},
      {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},
      {"type":"input_audio","input_audio":{"data":"BBBB","format":"wav"}},
      {"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,CCCC"}}]},
    {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},
    {"role":"tool","tool_call_id":"c1","content":"42"}],
    "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}}],
    "tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,
    "max_tokens":7,"temperature":0.5,"stop":"END","seed":3,"user":"u"})"),
      R"({"model":"other","messages":[{"role":"system","content":"Be brief."},)"
      R"({"role":"user","name":"ada","content":[{"type":"text","text":"Look"},)"
      R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},)"
      R"({"type":"input_audio","input_audio":{"data":"BBBB","format":"wav"}},)"
      R"({"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,CCCC"}}]},)"
      R"({"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},)"
      R"({"role":"tool","tool_call_id":"c1","content":"42"}],)"
      R"("tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}}],)"
      R"("parallel_tool_calls":false,"tool_choice":{"type":"function","function":{"name":"f"}},)"
      R"("max_completion_tokens":7,"temperature":0.5,"seed":3,"stop":["END"],"user":"u"})");
}

TEST(OpenAiChat, NamesWhatTheTreeCannotHold) {
  EXPECT_THAT(
      through(
          R"({"model":"m","messages":[{"role":"user","content":"hi"}],"logit_bias":{"1":2},"foo":1,"bar":null})"),
      HasSubstr("{logit_bias} {foo}"));
  EXPECT_THAT(
      through(R"({"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"web_search"}]})"),
      HasSubstr("{tools.web_search}"));
  EXPECT_THAT(
      through(R"({"model":"m","messages":[{"role":"assistant","content":"a","reasoning_content":"t"}]})"),
      HasSubstr("{messages.content.thinking}"));
}

TEST(OpenAiChat, NamesTheMessageAtFault) {
  auto with = [](std::string_view message) {
    return through(R"({"model":"m","messages":[{"role":"user","content":"hi"},)" + std::string(message) +
                   "]}");
  };
  EXPECT_THAT(with("1"), HasSubstr("messages[1]: "));
  EXPECT_THAT(with(R"({"role":"robot","content":"x"})"), HasSubstr("messages[1].role: "));
  EXPECT_THAT(with(R"({"role":"user","content":1})"), HasSubstr("messages[1].content: "));
  EXPECT_THAT(with(R"({"role":"user","content":[{"type":"smell"}]})"),
              HasSubstr("messages[1].content[0].type: "));
  EXPECT_THAT(with(R"({"role":"user","content":[{"type":"image_url","image_url":"x"}]})"),
              HasSubstr("messages[1].content[0].image_url: "));
  EXPECT_THAT(with(R"({"role":"assistant","tool_calls":[{"id":"a"}]})"),
              HasSubstr("messages[1].tool_calls[0].function: "));
}

TEST(OpenAiChat, ACompletionsPromptIsAUsersMessage) {
  EXPECT_EQ(through(R"({"model":"m","prompt":"once","max_tokens":5})", Operation::kCompletion),
            R"({"model":"other","messages":[{"role":"user","content":"once"}],"max_completion_tokens":5})");
  EXPECT_THAT(through(R"({"model":"m","prompt":["a","b"]})", Operation::kCompletion), HasSubstr("prompt: "));
  EXPECT_THAT(through(R"({"model":"m","prompt":[1,2]})", Operation::kCompletion), HasSubstr("prompt: "));
}

std::string frame(std::string_view delta, std::string_view reason = "null", int index = 0) {
  return fmt::format(
      R"(data: {{"id":"x","model":"m","choices":[{{"index":{},"delta":{},"finish_reason":{}}}]}})"
      "\n\n",
      index, delta, reason);
}

// OpenAI's own servers refuse the whole request for a parameter that others of their kind take.
TEST(OpenAiChat, OwnModelsGetWhatTheyTake) {
  chat::Request request;
  request.top_k = 40;
  request.temperature = 0.5;
  request.frequency_penalty = 1;
  request.stop = {"END"};
  request.reasoning.budget_tokens = 2048;
  auto written = [&](std::string_view model) {
    chat::Losses losses;
    std::string out = write_chat(request, model, losses);
    out = out.substr(out.find("],") + 1);
    for (const std::string& loss : losses.fields())
      out += " -" + loss;
    return out;
  };
  std::string all =
      R"(,"reasoning_effort":"low","temperature":0.5,"top_k":40,"frequency_penalty":1,"stop":["END"]})";
  for (std::string_view model : {"llama3.2", "openai/gpt-4o", "gpt-oss-120b", "olmo", "deepseek-reasoner"})
    EXPECT_EQ(written(model), all) << model;
  for (std::string_view model : {"gpt-4o", "chatgpt-4o-latest", "gpt-5-chat-latest", "ft:gpt-4.1:acme::x"})
    EXPECT_EQ(written(model), R"(,"temperature":0.5,"frequency_penalty":1,"stop":["END"]} -top_k -reasoning)")
        << model;
  for (std::string_view model : {"o3-mini", "gpt-5", "gpt-5.1-2025-11-13"})
    EXPECT_EQ(written(model), R"(,"reasoning_effort":"low"} -top_k -temperature -frequency_penalty -stop)")
        << model;
  request.temperature = 1;  // what many clients always say
  EXPECT_EQ(written("o3-mini"), R"(,"reasoning_effort":"low"} -top_k -frequency_penalty -stop)");
}

TEST(OpenAiStream, TextThenUsageThenDone) {
  EXPECT_EQ(steps_of(openai_wire(),
                     frame(R"({"role":"assistant","content":""})") + frame(R"({"content":"Hel"})") +
                         frame(R"({"content":"lo \u00e4"})") + frame("{}", "\"stop\"") +
                         "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n"
                         "data: [DONE]\n\n"),
            "start x m\n0 open text  \n0 text Hel\n0 text lo ä\n0 close text\n0 finish stop \n"
            "usage in=3 out=2 cached=-1 written=-1 reasoning=-1\nend\n");
}

TEST(OpenAiStream, DoneWithoutAReasonClosesWhatIsOpen) {
  EXPECT_EQ(steps_of(openai_wire(), frame(R"({"content":"a"})") + "data: [DONE]\n\n"),
            "start x m\n0 open text  \n0 text a\n0 close text\n0 finish stop \nend\n");
  EXPECT_THAT(steps_of(openai_wire(), "data: [DONE]\n\n"), HasSubstr("error: malformed_response"));
}

TEST(OpenAiStream, ThoughtsTextAndTwoToolCallsAreFourBlocks) {
  EXPECT_EQ(
      steps_of(
          openai_wire(),
          frame(R"({"reasoning_content":"hm"})") + frame(R"({"content":"ok"})") +
              frame(
                  R"({"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]})") +
              frame(R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]})") +
              frame(R"({"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]})") +
              frame(R"({"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]})") +
              frame("{}", "\"tool_calls\"") + "data: [DONE]\n\n"),
      "start x m\n0 open thinking  \n0 thinking hm\n0 close thinking\n0 open text  \n0 text ok\n0 close "
      "text\n"
      "0 open tool_call a f\n0 tool_call {\"x\":\n0 tool_call 1}\n0 close tool_call\n"
      "0 open tool_call b g\n0 tool_call {}\n0 close tool_call\n0 finish tool_calls \nend\n");
}

TEST(OpenAiStream, WhatServersOfThisKindDo) {
  // Calls without ids or numbers, arguments as an object, "stop" where tools were called.
  EXPECT_EQ(steps_of(openai_wire(),
                     frame(R"({"tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]})") +
                         frame(R"({"tool_calls":[{"function":{"name":"g","arguments":"{}"}}]})", "\"stop\"") +
                         "data: [DONE]\n\n"),
            "start x m\n0 open tool_call call_x_0_1 f\n0 tool_call {\"a\":1}\n0 close tool_call\n"
            "0 open tool_call call_x_0_2 g\n0 tool_call {}\n0 close tool_call\n0 finish tool_calls \nend\n");
  // No [DONE] after the finish: whole. No finish: cut.
  EXPECT_THAT(steps_of(openai_wire(), frame(R"({"content":"a"})", "\"length\"")),
              HasSubstr("finish length \nend\n"));
  EXPECT_THAT(steps_of(openai_wire(), frame(R"({"content":"a"})")), ::testing::EndsWith("0 text a\n"));
  EXPECT_THAT(steps_of(openai_wire(), "data: {\"error\":{\"message\":\"out of memory\"}}\n\n"),
              HasSubstr("error: upstream_error_event: out of memory"));
  EXPECT_THAT(steps_of(openai_wire(), "data: oops\n\n"), HasSubstr("error: malformed_response"));
  EXPECT_THAT(steps_of(openai_wire(), frame("{}", "null", 500)), HasSubstr("error: malformed_response"));
  EXPECT_THAT(
      steps_of(openai_wire(),
               frame(R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]})") +
                   frame(R"({"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{"}}]})") +
                   frame(R"({"tool_calls":[{"index":0,"function":{"arguments":"}"}}]})")),
      HasSubstr("error: malformed_response"));
}

AnswerContext context() {
  return {.model = "asked", .id = "req_00ff", .created_s = 7, .usage_wanted = true};
}

TEST(OpenAiStream, WritesChunksAsItsServersDo) {
  std::string in =
      frame(R"({"reasoning_content":"hm"})") + frame(R"({"content":"o\"k"})") +
      frame(R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]})",
            "\"tool_calls\"") +
      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
  std::string head =
      R"(data: {"id":"chatcmpl-00ff","object":"chat.completion.chunk","created":7,"model":"asked","choices":[)";
  auto line = [&](std::string_view rest) { return head + std::string(rest) + "\n\n"; };
  EXPECT_EQ(
      translated(openai_wire(), openai_wire(), in, context()),
      line(R"({"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]})") +
          line(R"({"index":0,"delta":{"reasoning_content":"hm"},"finish_reason":null}]})") +
          line(R"({"index":0,"delta":{"content":"o\"k"},"finish_reason":null}]})") +
          line(
              R"({"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}]})") +
          line(
              R"({"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]},"finish_reason":null}]})") +
          line(R"({"index":0,"delta":{},"finish_reason":"tool_calls"}]})") +
          line(R"(],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}})") +
          "data: [DONE]\n\n");
}

TEST(OpenAiStream, WritesCompletions) {
  AnswerContext c = context();
  c.operation = Operation::kCompletion;
  c.usage_wanted = false;
  EXPECT_EQ(
      translated(openai_wire(), openai_wire(), frame(R"({"content":"a"})", "\"length\"") + "data: [DONE]\n\n",
                 c),
      R"(data: {"id":"cmpl-00ff","object":"text_completion","created":7,"model":"asked","choices":[{"index":0,"text":"a","logprobs":null,"finish_reason":null}]})"
      "\n\n"
      R"(data: {"id":"cmpl-00ff","object":"text_completion","created":7,"model":"asked","choices":[{"index":0,"text":"","logprobs":null,"finish_reason":"length"}]})"
      "\n\ndata: [DONE]\n\n");
}

TEST(OpenAiWhole, AnAnswerSurvivesTheTree) {
  json::Parser parser;
  json::PaddedBuffer bytes(std::string_view(
      R"({"id":"z","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi","reasoning":"hm",
      "tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}],
      "usage":{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":1}}})"));
  auto document = parser.parse(bytes.view());
  ASSERT_TRUE(document);
  chat::Collector collected;
  ASSERT_TRUE(read_answer(*document, collected));
  EXPECT_TRUE(collected.answer.ended);
  EXPECT_EQ(
      write_answer(context(), collected.answer),
      R"({"id":"chatcmpl-00ff","object":"chat.completion","created":7,"model":"asked","choices":[{"index":0,)"
      R"("message":{"role":"assistant","content":"hi","refusal":null,"reasoning_content":"hm","tool_calls":[)"
      R"({"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},"logprobs":null,)"
      R"("finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,)"
      R"("prompt_tokens_details":{"cached_tokens":1}}})");
  StepLog direct, replayed;
  ASSERT_TRUE(read_answer(*document, direct));
  chat::replay(collected.answer, replayed);
  EXPECT_EQ(direct.text, replayed.text);
}

TEST(OpenAiEmbedding, BothEncodings) {
  json::Parser parser;
  ModelRequest request;
  request.body =
      json::PaddedBuffer(std::string_view(R"({"model":"m","input":"a","encoding_format":"base64"})"));
  ASSERT_TRUE(read_request(Operation::kEmbedding, parser, request));
  EmbeddingAnswer answer{{"[1,-2.5]"}, {.input_tokens = 4}};
  std::string written = write_embedding(context(), request, answer);
  EXPECT_EQ(
      written,
      R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPwAAIMA="}],"model":"asked",)"
      R"("usage":{"prompt_tokens":4,"total_tokens":4}})");
  json::Parser second;
  json::PaddedBuffer bytes{std::string_view(written)};
  auto document = second.parse(bytes.view());
  ASSERT_TRUE(document);
  auto back = read_embedding_answer(*document);
  ASSERT_TRUE(back);
  EXPECT_THAT(back->vectors, ElementsAre("[1,-2.5]"));
  EXPECT_EQ(back->usage.input_tokens, 4);
}

}  // namespace
}  // namespace weir::wire::openai
