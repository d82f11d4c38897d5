// OpenAI's Responses wire: requests into the canonical tree, answers and streams out of it.
#include "weir/wire/responses/responses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "weir/wire/openai/openai.h"
#include "weir/wire/testing.h"

namespace weir::wire::responses {
namespace {

using exchange::ModelRequest;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

// What an OpenAI chat server gets for this request; losses in braces.
std::string as_chat(std::string_view body) {
  json::Parser parser;
  ModelRequest request;
  request.body = json::PaddedBuffer(body);
  if (auto read = read_request(Operation::kChat, parser, request); !read)
    return read.error().param + ": " + read.error().message;
  auto canonical = read_chat(request);
  if (!canonical) return canonical.error().param + ": " + canonical.error().message;
  chat::Losses losses;
  std::string out = openai::write_chat(*canonical, "m", losses);
  for (const std::string& field : losses.fields())
    out += " {" + field + "}";
  return out;
}

TEST(ResponsesRequest, TextIsAUsersMessage) {
  EXPECT_EQ(
      as_chat(R"({"model":"m","instructions":"Be brief.","input":"hi","max_output_tokens":5,"store":false})"),
      R"({"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}],)"
      R"("max_completion_tokens":5})");
}

TEST(ResponsesRequest, AnAssistantsItemsAreOneTurn) {
  EXPECT_EQ(
      as_chat(R"({"model":"m","input":[
        {"role":"user","content":[{"type":"input_text","text":"look"},{"type":"input_image","image_url":"data:image/png;base64,AA"}]},
        {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}]},
        {"type":"message","role":"assistant","content":[{"type":"output_text","text":"ok","annotations":[]}]},
        {"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},
        {"type":"function_call","call_id":"c2","name":"g","arguments":"{\"a\":1}"},
        {"type":"function_call_output","call_id":"c1","output":"1"},
        {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"2"}]}],
        "tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true},{"type":"web_search"}],
        "tool_choice":{"type":"function","name":"f"},
        "text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true}},
        "reasoning":{"effort":"low"}})"),
      R"({"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"look"},)"
      R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]},)"
      R"({"role":"assistant","content":"ok","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},)"
      R"({"id":"c2","type":"function","function":{"name":"g","arguments":"{\"a\":1}"}}]},)"
      R"({"role":"tool","tool_call_id":"c1","content":"1"},{"role":"tool","tool_call_id":"c2","content":"2"}],)"
      R"("tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"},"strict":true}}],)"
      R"("tool_choice":{"type":"function","function":{"name":"f"}},)"
      R"("response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true}},)"
      R"("reasoning_effort":"low"} {messages.content.thinking} {tools.web_search})");
}

TEST(ResponsesRequest, NamesTheItemAtFault) {
  auto with = [](std::string_view item) {
    return as_chat(R"({"model":"m","input":[)" + std::string(item) + "]}");
  };
  EXPECT_THAT(with("1"), HasSubstr("input[0]: "));
  EXPECT_THAT(with(R"({"role":"robot","content":"x"})"), HasSubstr("input[0].role: "));
  EXPECT_THAT(with(R"({"role":"user","content":[{"type":"smell"}]})"),
              HasSubstr("input[0].content[0].type: "));
  EXPECT_THAT(with(R"({"type":"function_call","name":"f"})"), HasSubstr("input[0].call_id: "));
  EXPECT_THAT(with(R"({"type":"item_reference","id":"msg_1"})"), HasSubstr("input[0]: "));
  EXPECT_THAT(as_chat(R"({"model":"m"})"), HasSubstr("input: "));
  EXPECT_THAT(as_chat(R"({"model":"m","input":"a","background":true})"), HasSubstr("background: "));
  EXPECT_THAT(as_chat(R"({"model":"m","input":"a","previous_response_id":"resp_1"})"),
              HasSubstr("previous_response_id: "));
}

AnswerContext context() {
  return {.model = "asked", .id = "req_00ff", .created_s = 7, .echo = R"(,"store":true)"};
}

std::string chunk(std::string_view delta, std::string_view reason = "null") {
  return fmt::format(
      "data: {{\"id\":\"x\",\"choices\":[{{\"index\":0,\"delta\":{},\"finish_reason\":{}}}]}}\n\n", delta,
      reason);
}

// One line an event: its type and what matters of it.
std::string outline(std::string_view stream) {
  std::string out;
  SseFramer framer;
  framer.feed(stream);
  uint64_t expected = 0;
  while (auto event = framer.next()) {
    json::PaddedBuffer bytes(event->data);
    json::Parser parser;
    auto document = parser.parse(bytes.view());
    if (!document || !document->find("type")->is_string(event->event)) return out + "NOT JSON\n";
    if (document->find("sequence_number")->as_int() != static_cast<int64_t>(expected++))
      return out + "SEQUENCE\n";
    out += std::string(event->event);
    for (std::string_view key : {"output_index", "delta", "text", "arguments"})
      if (const json::Value* v = document->find(key)) out += " " + std::string(v->raw);
    out += '\n';
  }
  return out;
}

TEST(ResponsesStream, EveryItemOpensAndCloses) {
  std::string in =
      chunk(R"({"reasoning_content":"hm"})") + chunk(R"({"content":"o"})") + chunk(R"({"content":"k"})") +
      chunk(R"({"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{"}}]})") +
      chunk(R"({"tool_calls":[{"index":0,"function":{"arguments":"}"}}]})", "\"tool_calls\"") +
      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
  std::string got = translated(openai::openai_wire(), responses_wire(), in, context());
  EXPECT_EQ(
      outline(got),
      "response.created\nresponse.in_progress\n"
      "response.output_item.added 0\nresponse.reasoning_summary_part.added 0\n"
      "response.reasoning_summary_text.delta 0 \"hm\"\nresponse.reasoning_summary_text.done 0 \"hm\"\n"
      "response.reasoning_summary_part.done 0\nresponse.output_item.done 0\n"
      "response.output_item.added 1\nresponse.content_part.added 1\nresponse.output_text.delta 1 \"o\"\n"
      "response.output_text.delta 1 \"k\"\nresponse.output_text.done 1 \"ok\"\nresponse.content_part.done 1\n"
      "response.output_item.done 1\n"
      "response.output_item.added 2\nresponse.function_call_arguments.delta 2 \"{\"\n"
      "response.function_call_arguments.delta 2 \"}\"\nresponse.function_call_arguments.done 2 \"{}\"\n"
      "response.output_item.done 2\nresponse.completed\n");
  EXPECT_THAT(
      got,
      HasSubstr(R"("usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":0},"output_tokens":2,)"
                R"("output_tokens_details":{"reasoning_tokens":0},"total_tokens":5},"store":true})"));
}

TEST(ResponsesStream, ACutHasNoEndAndALimitIsIncomplete) {
  EXPECT_THAT(translated(openai::openai_wire(), responses_wire(), chunk(R"({"content":"a"})"), context()),
              Not(HasSubstr("response.completed")));
  std::string limited = translated(openai::openai_wire(), responses_wire(),
                                   chunk(R"({"content":"a"})", "\"length\"") + "data: [DONE]\n\n", context());
  EXPECT_THAT(limited, HasSubstr("event: response.incomplete\n"));
  EXPECT_THAT(limited, HasSubstr(R"("incomplete_details":{"reason":"max_output_tokens"})"));
  Error error = make_error(ErrorCode::kUpstream, "cut");
  EXPECT_THAT(responses_wire().error_event(error), HasSubstr("event: error\ndata: {\"type\":\"error\""));
}

TEST(ResponsesWhole, HasTheItemsOfTheStreamsEnd) {
  chat::Answer answer;
  answer.choices.resize(1);
  answer.choices[0].parts = {{.text = "hi"},
                             {.kind = chat::PartKind::kToolCall, .text = "{}", .id = "c", .name = "f"}};
  answer.choices[0].finish = chat::Finish::kToolCalls;
  answer.usage.input_tokens = 1;
  EXPECT_EQ(
      write_answer(context(), answer),
      R"({"id":"resp_00ff","object":"response","created_at":7,"status":"completed","error":null,)"
      R"("incomplete_details":null,"model":"asked","output":[{"id":"msg_00ff_0","type":"message","status":"completed",)"
      R"("role":"assistant","content":[{"type":"output_text","text":"hi","annotations":[],"logprobs":[]}]},)"
      R"({"id":"fc_00ff_1","type":"function_call","status":"completed","call_id":"c","name":"f","arguments":"{}"}],)"
      R"("usage":{"input_tokens":1,"input_tokens_details":{"cached_tokens":0},"output_tokens":0,)"
      R"("output_tokens_details":{"reasoning_tokens":0},"total_tokens":1},"store":true})");
}

TEST(ResponsesEvents, WhatARelayNeedsToKnow) {
  auto facts = [](std::string_view data) { return read_event({.data = data, .has_data = true}, true); };
  EXPECT_TRUE(facts(R"({"type":"response.output_text.delta","delta":"a"})").has_output);
  EXPECT_FALSE(facts(R"({"type":"response.created"})").has_output);
  auto last = facts(
      R"({"type":"response.completed","response":{"usage":{"input_tokens":5,"output_tokens":1,"input_tokens_details":{"cached_tokens":4}}}})");
  EXPECT_TRUE(last.done);
  ASSERT_TRUE(last.usage);
  EXPECT_EQ(last.usage->cached_input_tokens, 4);
  EXPECT_TRUE(facts(R"({"type":"response.failed"})").error);
  EXPECT_TRUE(facts("[DONE]").malformed);
}

}  // namespace
}  // namespace weir::wire::responses
