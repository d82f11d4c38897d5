// Whole answers, usage and errors of the Anthropic wire.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weir/wire/anthropic/anthropic.h"
#include "weir/wire/testing.h"

namespace weir::wire::anthropic {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

AnswerContext context() {
  return {.model = "asked", .id = "req_00ff", .created_s = 7};
}

// The answer's steps; "error: ..." if it is refused.
std::string steps(std::string_view body, chat::Sink* also = nullptr) {
  json::Parser parser;
  json::PaddedBuffer bytes(body);
  auto document = parser.parse(bytes.view());
  if (!document) return "no JSON";
  StepLog log;
  auto read = read_answer(*document, log);
  if (!read) log.text += "error: " + read.error().reason + ": " + read.error().safe + "\n";
  if (also && read) (void)read_answer(*document, *also);
  return log.text;
}

constexpr std::string_view kAnswer =
    R"({"id":"msg_00ff","type":"message","role":"assistant","model":"asked","content":[)"
    R"({"type":"thinking","thinking":"hm","signature":"c2ln+/=="},{"type":"redacted_thinking","data":"ZGF0YQ=="},)"
    R"({"type":"text","text":"Hi \"x\""},{"type":"tool_use","id":"toolu_1","name":"f","input":{"b": 1,"a":[]}}],)"
    R"("stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":20,)"
    R"("cache_read_input_tokens":100,"cache_creation":{"ephemeral_5m_input_tokens":15,"ephemeral_1h_input_tokens":5},)"
    R"("output_tokens":50,"output_tokens_details":{"thinking_tokens":30}}})";

TEST(AnthropicAnswer, IsRead) {
  EXPECT_EQ(steps(kAnswer),
            "start msg_00ff asked\n0 open thinking  \n0 thinking hm\n0 signature c2ln+/==\n0 close thinking\n"
            "0 open redacted_thinking  ZGF0YQ==\n0 close redacted_thinking\n0 open text  \n0 text Hi \"x\"\n"
            "0 close text\n0 open tool_call toolu_1 f\n0 tool_call {\"b\": 1,\"a\":[]}\n0 close tool_call\n"
            "0 finish tool_calls \nusage in=123 out=50 cached=100 written=20 reasoning=30\nend\n");
  EXPECT_EQ(steps(R"({"content":[],"stop_reason":"stop_sequence","stop_sequence":"END"})"),
            "start  \n0 finish stop_sequence END\nend\n");
  EXPECT_EQ(
      steps(
          R"({"content":[{"type":"server_tool_use"},{"type":"text","text":""},7],"stop_reason":"end_turn"})"),
      "start  \n0 open text  \n0 close text\n0 finish stop \nend\n");
}

TEST(AnthropicAnswer, IsWrittenAsItWasRead) {
  chat::Collector collected;
  steps(kAnswer, &collected);
  ASSERT_TRUE(collected.answer.ended);
  EXPECT_EQ(write_answer(context(), collected.answer), kAnswer);
}

TEST(AnthropicAnswer, IsRefusedWhenItIsNone) {
  EXPECT_EQ(steps("{}"), "error: malformed_response: \n");
  EXPECT_EQ(steps("[]"), "error: malformed_response: \n");
  EXPECT_EQ(steps(R"({"content":"text"})"), "error: malformed_response: \n");
  EXPECT_EQ(steps(R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})"),
            "error: upstream_error_event: Overloaded\n");
}

TEST(AnthropicAnswer, WritesWhatOtherDialectsLeaveOut) {
  chat::Answer answer;
  answer.choices.push_back(
      {.parts = {{.kind = chat::PartKind::kRefusal, .text = "no"}}, .finish = chat::Finish::kStop});
  answer.choices.push_back({.parts = {{.text = "second"}}, .finish = chat::Finish::kStop});
  EXPECT_EQ(
      write_answer(context(), answer),
      R"({"id":"msg_00ff","type":"message","role":"assistant","model":"asked","content":[{"type":"text","text":"no"}],)"
      R"("stop_reason":"refusal","stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":null,)"
      R"("cache_read_input_tokens":null,"output_tokens":0}})");
  answer.choices = {{.parts = {{.kind = chat::PartKind::kToolCall, .text = "{\"a\":", .name = "f"},
                               {.kind = chat::PartKind::kToolCall, .id = "t", .name = "g"}},
                     .finish = chat::Finish::kStop}};
  EXPECT_THAT(
      write_answer(context(), answer),
      HasSubstr(
          R"("content":[{"type":"tool_use","id":"toolu_00ff_1","name":"f","input":{"arguments":"{\"a\":"}},)"
          R"({"type":"tool_use","id":"t","name":"g","input":{}}],"stop_reason":"tool_use")"));
  EXPECT_THAT(write_answer(context(), {}), HasSubstr(R"("content":[],"stop_reason":"end_turn")"));
}

TEST(AnthropicAnswer, CountsTokens) {
  AnswerContext c = context();
  c.operation = Operation::kCountTokens;
  chat::Answer answer;
  answer.usage.input_tokens = 42;
  EXPECT_EQ(write_answer(c, answer), R"({"input_tokens":42})");
}

// ------------------------------------------------------------------------------------------------- usage

std::optional<exchange::Usage> usage_in(std::string_view body) {
  json::Parser parser;
  json::PaddedBuffer bytes(body);
  auto document = parser.parse(bytes.view());
  if (!document) return std::nullopt;
  return anthropic_wire().usage_of(*document);
}

TEST(AnthropicUsage, IsReadWithCare) {
  auto usage = usage_in(kAnswer);
  ASSERT_TRUE(usage);
  EXPECT_EQ(*usage, (exchange::Usage{.input_tokens = 123,
                                     .output_tokens = 50,
                                     .cached_input_tokens = 100,
                                     .cache_write_tokens = 20,
                                     .cache_write_1h_tokens = 5,
                                     .reasoning_tokens = 30}));
  // The breakdown alone tells the sum.
  usage = usage_in(
      R"({"usage":{"input_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":3}}})");
  ASSERT_TRUE(usage);
  EXPECT_EQ(usage->input_tokens, 6);
  EXPECT_EQ(usage->cache_write_tokens, 5);
  for (std::string_view body :
       {R"({})", R"({"usage":null})", R"({"usage":[]})", R"({"usage":{}})",
        R"({"usage":{"input_tokens":-1}})", R"({"usage":{"input_tokens":"5"}})",
        R"({"usage":{"input_tokens":1.5}})", R"({"usage":{"output_tokens":9223372036854775807}})",
        R"({"input_tokens":14})"})
    EXPECT_FALSE(usage_in(body)) << body;
}

TEST(AnthropicUsage, IsWrittenWithoutTheCache) {
  auto written = [](const exchange::Usage& usage) {
    std::string out;
    append_usage(out, usage);
    return out;
  };
  EXPECT_EQ(
      written({.input_tokens = 10, .output_tokens = 2, .cached_input_tokens = 4}),
      R"({"input_tokens":6,"cache_creation_input_tokens":null,"cache_read_input_tokens":4,"output_tokens":2})");
  // A server whose parts exceed the whole.
  EXPECT_THAT(
      written(
          {.input_tokens = 3, .cached_input_tokens = 4, .cache_write_tokens = 1, .cache_write_1h_tokens = 2}),
      HasSubstr(R"("input_tokens":0,)"));
}

// ------------------------------------------------------------------------------------------------ errors

TEST(AnthropicError, HasItsShapeAndType) {
  EXPECT_EQ(
      error_body(
          make_error(ErrorCode::kInvalidRequest, "'max_tokens' is missing", "max_tokens", "invalid_value")),
      R"({"type":"error","error":{"type":"invalid_request_error","message":"'max_tokens' is missing"},"request_id":null})");
  EXPECT_EQ(error_event(make_error(ErrorCode::kRateLimited, "slow\ndown")),
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":"
            "\"slow\\ndown\"},\"request_id\":null}\n\n");
  EXPECT_THAT(error_body(make_error(ErrorCode::kInvalidRequest, "no", "tools[0]")),
              HasSubstr("\"tools[0]: no\""));
  struct Row {
    ErrorCode code;
    std::string_view type;
  };
  for (const Row& row : std::initializer_list<Row>{{ErrorCode::kUnauthenticated, "authentication_error"},
                                                   {ErrorCode::kPermissionDenied, "permission_error"},
                                                   {ErrorCode::kNotFound, "not_found_error"},
                                                   {ErrorCode::kPayloadTooLarge, "request_too_large"},
                                                   {ErrorCode::kRateLimited, "rate_limit_error"},
                                                   {ErrorCode::kUnavailable, "overloaded_error"},
                                                   {ErrorCode::kUpstreamTimeout, "timeout_error"},
                                                   {ErrorCode::kRequestTimeout, "timeout_error"},
                                                   {ErrorCode::kUpstream, "api_error"},
                                                   {ErrorCode::kInternal, "api_error"},
                                                   {ErrorCode::kMethodNotAllowed, "invalid_request_error"}})
    EXPECT_THAT(error_body(internal_error(row.code, "")),
                HasSubstr("\"type\":\"" + std::string(row.type) + "\""));
  for (int code = 0; code <= static_cast<int>(ErrorCode::kConfig); ++code) {
    std::string body = error_body(internal_error(static_cast<ErrorCode>(code), "the operator's eyes only"));
    EXPECT_THAT(body, Not(HasSubstr("operator's eyes")));
  }
}

// What this wire writes as a caller's it understands as a model server's.
TEST(AnthropicError, ComesBack) {
  std::string event = error_event(make_error(ErrorCode::kUnavailable, "busy"));
  EXPECT_EQ(steps_of(anthropic_wire(), event), "error: upstream_error_event: busy\n");
  json::Parser parser;
  json::PaddedBuffer bytes{std::string_view(error_body(make_error(ErrorCode::kUnavailable, "busy")))};
  auto document = parser.parse(bytes.view());
  ASSERT_TRUE(document);
  EXPECT_EQ(anthropic_wire().error_text(*document), "busy");
}

}  // namespace
}  // namespace weir::wire::anthropic
