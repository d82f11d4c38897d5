// Streams of the Anthropic wire: read at every cut, refused where they break the order of blocks, written
// from other dialects' streams, and what a relay learns from an event without translating it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "weir/wire/anthropic/anthropic.h"
#include "weir/wire/openai/openai.h"
#include "weir/wire/testing.h"

namespace weir::wire::anthropic {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// As Anthropic frames it: the event's name twice.
std::string event(std::string_view type, std::string_view rest = "") {
  return fmt::format("event: {0}\ndata: {{\"type\":\"{0}\"{1}}}\n\n", type, rest);
}
std::string start(std::string_view usage = R"({"input_tokens":3,"output_tokens":1})") {
  return event(
      "message_start",
      fmt::format(R"(,"message":{{"id":"msg_1","type":"message","role":"assistant","model":"claude",)"
                  R"("content":[],"stop_reason":null,"stop_sequence":null,"usage":{}}})",
                  usage));
}
std::string open(int index, std::string_view block) {
  return event("content_block_start", fmt::format(R"(,"index":{},"content_block":{})", index, block));
}
std::string delta(int index, std::string_view delta) {
  return event("content_block_delta", fmt::format(R"(,"index":{},"delta":{})", index, delta));
}
std::string text_delta(int index, std::string_view text) {
  return delta(index, fmt::format(R"({{"type":"text_delta","text":"{}"}})", text));
}
std::string close(int index) {
  return event("content_block_stop", fmt::format(R"(,"index":{})", index));
}
std::string finish(std::string_view reason, std::string_view usage = R"({"output_tokens":5})",
                   std::string_view sequence = "null") {
  return event("message_delta",
               fmt::format(R"(,"delta":{{"stop_reason":"{}","stop_sequence":{}}},"usage":{})", reason,
                           sequence, usage));
}
const std::string kText = R"({"type":"text","text":""})";
const std::string kThinking = R"({"type":"thinking","thinking":"","signature":""})";
const std::string kTool = R"({"type":"tool_use","id":"toolu_1","name":"f","input":{}})";
const std::string kStart = "start msg_1 claude\nusage in=3 out=1 cached=-1 written=-1 reasoning=-1\n";
const std::string kUsage = "usage in=3 out=5 cached=-1 written=-1 reasoning=-1\n";

std::string steps(const std::string& stream) {
  return steps_of(anthropic_wire(), stream);
}

// ------------------------------------------------------------------------------------------------ reading

TEST(AnthropicStream, EveryKindOfBlock) {
  std::string stream = start() + open(0, kThinking) + event("ping") +
                       delta(0, R"({"type":"thinking_delta","thinking":"h\u00e4"})") +
                       delta(0, R"({"type":"signature_delta","signature":"c2ln+/=="})") + close(0) +
                       open(1, R"({"type":"redacted_thinking","data":"ZGF0YQ=="})") + close(1) +
                       open(2, kText) + text_delta(2, "Hel") +
                       delta(2, R"({"type":"citations_delta","citation":{"type":"char_location"}})") +
                       text_delta(2, "lo \\\"x\\\"") + close(2) + open(3, kTool) +
                       delta(3, R"({"type":"input_json_delta","partial_json":""})") +
                       delta(3, R"({"type":"input_json_delta","partial_json":"{\"a\":"})") +
                       delta(3, R"({"type":"input_json_delta","partial_json":" 1}"})") + close(3) +
                       finish("tool_use") + event("message_stop");
  EXPECT_EQ(steps(stream),
            kStart +
                "0 open thinking  \n0 thinking hä\n0 signature c2ln+/==\n0 close thinking\n"
                "0 open redacted_thinking  ZGF0YQ==\n0 close redacted_thinking\n"
                "0 open text  \n0 text Hel\n0 text lo \"x\"\n0 close text\n"
                "0 open tool_call toolu_1 f\n0 tool_call {\"a\":\n0 tool_call  1}\n0 close tool_call\n" +
                kUsage + "0 finish tool_calls \nend\n");
}

TEST(AnthropicStream, EveryReasonToStop) {
  struct Row {
    std::string_view reason, finish;
  };
  for (const Row& row : std::initializer_list<Row>{{"end_turn", "stop"},
                                                   {"max_tokens", "length"},
                                                   {"model_context_window_exceeded", "length"},
                                                   {"tool_use", "tool_calls"},
                                                   {"pause_turn", "pause"},
                                                   {"refusal", "refusal"},
                                                   {"compaction", "other"},
                                                   {"later_invention", "other"}})
    EXPECT_EQ(steps(start() + finish(row.reason) + event("message_stop")),
              kStart + kUsage + "0 finish " + std::string(row.finish) + " \nend\n");
  EXPECT_THAT(steps(start() + finish("stop_sequence", "{}", R"("EN\u0044")")),
              EndsWith("0 finish stop_sequence END\nend\n"));
}

TEST(AnthropicStream, UsageIsCumulativeAndIncludesTheCache) {
  std::string first = start(
      R"({"input_tokens":3,"cache_creation_input_tokens":20,"cache_read_input_tokens":100,"output_tokens":1,)"
      R"("cache_creation":{"ephemeral_5m_input_tokens":15,"ephemeral_1h_input_tokens":5}})");
  EXPECT_EQ(steps(first), "start msg_1 claude\nusage in=123 out=1 cached=100 written=20 reasoning=-1\n");
  // Only output; everything again; zeros where the server no longer knows.
  for (
      std::string_view later :
      {R"({"output_tokens":9})",
       R"({"input_tokens":3,"cache_creation_input_tokens":20,"cache_read_input_tokens":100,"output_tokens":9})",
       R"({"input_tokens":0,"cache_read_input_tokens":null,"output_tokens":9})"})
    EXPECT_THAT(steps(first + finish("end_turn", later)),
                HasSubstr("usage in=123 out=9 cached=100 written=20 reasoning=-1\n"));
  // A server that knows its input only at the end.
  EXPECT_THAT(
      steps(start(R"({"input_tokens":0,"output_tokens":0})") +
            finish("end_turn",
                   R"({"input_tokens":7,"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}})")),
      HasSubstr("usage in=7 out=9 cached=-1 written=-1 reasoning=4\n"));
  EXPECT_THAT(
      steps(start(R"({"input_tokens":-4,"output_tokens":1e9,"cache_read_input_tokens":99999999999999999})")),
      Not(HasSubstr("usage")));
}

TEST(AnthropicStream, WhatOnlyItsOwnServersSendIsPassedOver) {
  EXPECT_EQ(steps(start() + open(0, R"({"type":"server_tool_use","id":"s","name":"web_search","input":{}})") +
                  delta(0, R"({"type":"input_json_delta","partial_json":"{}"})") + close(0) +
                  open(1, R"({"type":"web_search_tool_result","tool_use_id":"s","content":[]})") + close(1) +
                  event("brand_new") + open(2, kText) + delta(2, R"({"type":"brand_new_delta"})") +
                  text_delta(2, "a") + close(2) + finish("pause_turn") + event("message_stop")),
            kStart + "0 open text  \n0 text a\n0 close text\n" + kUsage + "0 finish pause \nend\n");
}

TEST(AnthropicStream, WhatOtherServersOfThisDialectDo) {
  // Content in the opening event, blocks that are never closed, gaps in the indices, no event names.
  std::string stream = start() + open(0, R"({"type":"thinking","thinking":"h","signature":"s"})") +
                       open(1, R"({"type":"text","text":"a"})") + text_delta(1, "b") + close(0) +
                       open(4, R"({"type":"tool_use","id":"t","name":"f","input":{"x":1}})") + close(4) +
                       finish("tool_use") + event("message_stop") + "data: [DONE]\n\n";
  std::string expected =
      kStart +
      "0 open thinking  \n0 thinking h\n0 signature s\n0 close thinking\n0 open text  \n0 text a\n"
      "0 text b\n0 close text\n0 open tool_call t f\n0 tool_call {\"x\":1}\n0 close tool_call\n" +
      kUsage + "0 finish tool_calls \nend\n";
  EXPECT_EQ(steps(stream), expected);
  std::string bare;
  for (size_t at = 0, end; (end = stream.find('\n', at)) != std::string::npos; at = end + 1)
    if (std::string line = stream.substr(at, end + 1 - at); !line.starts_with("event:")) bare += line;
  EXPECT_EQ(steps(bare), expected);
  // The arguments in both places: the pieces count.
  EXPECT_THAT(steps(start() + open(0, R"({"type":"tool_use","id":"t","name":"f","input":{"x":1}})") +
                    delta(0, R"({"type":"input_json_delta","partial_json":"{\"x\":1}"})") + close(0)),
              EndsWith("0 open tool_call t f\n0 tool_call {\"x\":1}\n0 close tool_call\n"));
  // The type said by the frame only.
  EXPECT_EQ(steps(start() + "event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n"
                            "event: message_stop\ndata: {}\n\n"),
            kStart + "0 finish stop \nend\n");
}

TEST(AnthropicStream, CutOrWhole) {
  std::string begun = start() + open(0, kText) + text_delta(0, "a");
  EXPECT_EQ(steps(begun), kStart + "0 open text  \n0 text a\n");
  EXPECT_EQ(steps(begun + close(0)), kStart + "0 open text  \n0 text a\n0 close text\n");
  // No terminator, but the reason to stop came: whole.
  EXPECT_EQ(steps(begun + finish("end_turn")),
            kStart + "0 open text  \n0 text a\n" + kUsage + "0 close text\n0 finish stop \nend\n");
  // A terminator without the reason.
  EXPECT_EQ(steps(begun + event("message_stop")),
            kStart + "0 open text  \n0 text a\n0 close text\n0 finish other \nend\n");
  EXPECT_EQ(steps(""), "");
  // Nothing counts after the end.
  EXPECT_THAT(steps(begun + finish("end_turn") + event("message_stop") + open(1, kText) + "data: x\n\n"),
              EndsWith("finish stop \nend\n"));
}

TEST(AnthropicStream, RefusesWhatBreaksTheOrderOfBlocks) {
  const std::string kMalformed = "error: malformed_response: ";
  std::string text = start() + open(0, kText);
  for (const std::string& stream : {
           open(0, kText),
           text_delta(0, "a"),
           finish("end_turn"),
           event("message_stop"),
           event("message_start"),
           start() + start(),
           start() + text_delta(0, "a"),
           start() + close(0),
           start() + open(-1, kText),
           start() + event("content_block_start", R"(,"index":0)"),
           start() + event("content_block_delta", R"(,"index":0)"),
           text + text_delta(1, "a"),
           text + close(1),
           text + open(0, kText),
           text + close(0) + text_delta(0, "a"),
           text + close(0) + open(0, kText),
           text + delta(0, R"({"type":"thinking_delta","thinking":"a"})"),
           text + delta(0, R"({"type":"input_json_delta","partial_json":"a"})"),
           text + delta(0, R"({"type":"signature_delta","signature":"a"})"),
           start() + open(0, kTool) + text_delta(0, "a"),
           start() + open(0, kThinking) + text_delta(0, "a"),
           text + finish("end_turn") + open(1, kText),
           text + finish("end_turn") + text_delta(0, "a"),
           std::string("data: oops\n\n"),
           std::string("data: {\"a\":1}\n\n"),
           std::string("data: [1]\n\n"),
           std::string("data: {\"type\":\"message_start\"\n\n"),
       })
    EXPECT_THAT(steps(stream), HasSubstr(kMalformed)) << stream;
}

TEST(AnthropicStream, ErrorsInTheirServersWords) {
  EXPECT_EQ(
      steps(start() + event("error", R"(,"error":{"type":"overloaded_error","message":"Over\nloaded"})")),
      kStart + "error: upstream_error_event: Over\nloaded\n");
  EXPECT_EQ(steps("data: {\"error\":\"gone\"}\n\n"), "error: upstream_error_event: gone\n");
  auto of = [](std::string_view type) {
    return error_of(R"({"type":"error","error":{"type":")" + std::string(type) + R"(","message":"m"}})");
  };
  EXPECT_EQ(anthropic_wire().event_error_text({.data = R"({"type":"error","error":{"message":"m"}})"}), "m");
  EXPECT_TRUE(of("overloaded_error").retryable);
  EXPECT_TRUE(of("api_error").retryable);
  EXPECT_FALSE(of("invalid_request_error").retryable);
  EXPECT_EQ(of("x").code, ErrorCode::kUpstream);
  EXPECT_EQ(error_text(R"({"error":{"message":")" + std::string(9000, 'x') + "\"}}").size(), 500u);
  EXPECT_EQ(error_text("{}"), "");
  EXPECT_EQ(error_text(R"({"error":{"message":1}})"), "");
}

// Nobody checked these bytes: whatever they are, reading them stays inside them and gives steps in order.
TEST(AnthropicStream, DamagedStreamsAreSurvived) {
  const std::string stream =
      start() + open(0, kThinking) + delta(0, R"({"type":"signature_delta","signature":"s"})") + close(0) +
      open(1, kTool) + delta(1, R"({"type":"input_json_delta","partial_json":"{\"a\":1}"})") + close(1) +
      finish("tool_use") + event("message_stop");
  class Order final : public chat::Sink {
   public:
    void take(const chat::Step& step) override {
      using Kind = chat::Step::Kind;
      EXPECT_FALSE(ended);
      if (step.kind == Kind::kOpen) EXPECT_FALSE(std::exchange(open, true));
      if (step.kind == Kind::kText || step.kind == Kind::kSignature) EXPECT_TRUE(open);
      if (step.kind == Kind::kClose) EXPECT_TRUE(std::exchange(open, false));
      if (step.kind == Kind::kFinish) EXPECT_FALSE(open || std::exchange(finished, true));
      if (step.kind == Kind::kEnd) EXPECT_TRUE(finished);
      ended = step.kind == Kind::kEnd;
    }
    bool open = false, finished = false, ended = false;
  };
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = stream;
    for (int n = static_cast<int>(random() % 4); n >= 0; --n)
      bytes[random() % bytes.size()] = "{}[]\",:\\\n x1"[random() % 12];
    if (i % 3 == 0) bytes.resize(random() % bytes.size());
    Order order;
    read_stream(anthropic_wire(), bytes, random() % (bytes.size() + 1), order);
  }
}

// ------------------------------------------------------------------------------------------------ writing

AnswerContext context() {
  return {.model = "asked", .id = "req_00ff", .created_s = 7};
}

// The stream of another dialect that a caller of this one gets.
std::string written(const std::string& in) {
  return translated(openai::openai_wire(), anthropic_wire(), in, context());
}
std::string chunk(std::string_view delta, std::string_view reason = "null") {
  return fmt::format(
      R"(data: {{"id":"x","model":"m","choices":[{{"index":0,"delta":{},"finish_reason":{}}}]}})"
      "\n\n",
      delta, reason);
}
std::string begun(std::string_view usage) {
  return event(
      "message_start",
      fmt::format(R"(,"message":{{"id":"msg_00ff","type":"message","role":"assistant","model":"asked",)"
                  R"("content":[],"stop_reason":null,"stop_sequence":null,"usage":{}}})",
                  usage));
}
const std::string kNoUsage =
    R"({"input_tokens":0,"cache_creation_input_tokens":null,"cache_read_input_tokens":null,"output_tokens":0})";

TEST(AnthropicStream, WritesWhatAnOpenAiServerSends) {
  EXPECT_EQ(
      written(
          chunk(R"({"role":"assistant","content":""})") + chunk(R"({"reasoning_content":"hm"})") +
          chunk(R"({"content":"o\"k"})") + chunk(R"({"content":"!"})") +
          chunk(
              R"({"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]})") +
          chunk(R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]})") +
          chunk(R"({"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]})") +
          chunk("{}", R"("tool_calls")") +
          R"(data: {"choices":[],"usage":{"prompt_tokens":30,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":10}}})"
          "\n\ndata: [DONE]\n\n"),
      begun(kNoUsage) + open(0, kThinking) + delta(0, R"({"type":"thinking_delta","thinking":"hm"})") +
          close(0) + open(1, kText) + text_delta(1, "o\\\"k") + text_delta(1, "!") + close(1) +
          open(2, R"({"type":"tool_use","id":"a","name":"f","input":{}})") +
          delta(2, R"({"type":"input_json_delta","partial_json":"{\"x\":"})") +
          delta(2, R"({"type":"input_json_delta","partial_json":"1}"})") + close(2) +
          finish(
              "tool_use",
              R"({"input_tokens":20,"cache_creation_input_tokens":null,"cache_read_input_tokens":10,"output_tokens":2})") +
          event("message_stop"));
}

TEST(AnthropicStream, SaysWhyItStopped) {
  auto reason = [](const std::string& in) {
    std::string out = written(in + "data: [DONE]\n\n");
    size_t at = out.rfind("\"stop_reason\":\"") + 15;
    return out.substr(at, out.find('"', at) - at);
  };
  std::string call = R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]})";
  EXPECT_EQ(reason(chunk(R"({"content":"a"})", "\"stop\"")), "end_turn");
  EXPECT_EQ(reason(chunk(R"({"content":"a"})", "\"length\"")), "max_tokens");
  EXPECT_EQ(reason(chunk(R"({"content":"a"})", "\"content_filter\"")), "refusal");
  EXPECT_EQ(reason(chunk(R"({"refusal":"no"})", "\"stop\"")), "refusal");
  EXPECT_EQ(reason(chunk(call, "\"stop\"")), "tool_use");
  EXPECT_EQ(stop_reason(chat::Finish::kPause, false, false), "pause_turn");
  EXPECT_EQ(stop_reason(chat::Finish::kStop, true, false), "tool_use");
  EXPECT_EQ(stop_reason(chat::Finish::kLength, true, false), "max_tokens");
}

TEST(AnthropicStream, ACutStreamGetsNoTerminator) {
  std::string out = written(chunk(R"({"content":"a"})"));
  EXPECT_EQ(out, begun(kNoUsage) + open(0, kText) + text_delta(0, "a"));
  EXPECT_EQ(written(chunk(R"({"role":"assistant"})")), "");
}

// What this wire writes is what it reads; it adds nothing and loses nothing.
TEST(AnthropicStream, ItsOwnStreamComesBack) {
  std::string usage =
      R"({"input_tokens":3,"cache_creation_input_tokens":20,"cache_read_input_tokens":100,"cache_creation":{"ephemeral_5m_input_tokens":15,"ephemeral_1h_input_tokens":5},"output_tokens":1})";
  std::string last =
      R"({"input_tokens":3,"cache_creation_input_tokens":20,"cache_read_input_tokens":100,"cache_creation":{"ephemeral_5m_input_tokens":15,"ephemeral_1h_input_tokens":5},"output_tokens":50,"output_tokens_details":{"thinking_tokens":30}})";
  std::string stream = begun(usage) + open(0, kThinking) +
                       delta(0, R"({"type":"thinking_delta","thinking":"hm"})") +
                       delta(0, R"({"type":"signature_delta","signature":"c2ln+/=="})") + close(0) +
                       open(1, R"({"type":"redacted_thinking","data":"ZGF0YQ=="})") + close(1) +
                       open(2, kText) + text_delta(2, "Hello") + close(2) + open(3, kTool) +
                       delta(3, R"({"type":"input_json_delta","partial_json":"{\"a\": 1}"})") + close(3) +
                       finish("stop_sequence", last, "\"END\"") + event("message_stop");
  EXPECT_EQ(translated(anthropic_wire(), anthropic_wire(), stream, context()), stream);
}

TEST(AnthropicStream, WritesNoStepThatHasNoPlace) {
  auto writer = stream_writer(context());
  using Kind = chat::Step::Kind;
  using chat::PartKind;
  auto take = [&](chat::Step step) {
    writer->take(step);
    return std::exchange(writer->out, {});
  };
  EXPECT_EQ(take({.kind = Kind::kStart, .id = "x", .name = "m"}), "");
  EXPECT_EQ(take({.kind = Kind::kOpen, .choice = 1}), "");
  EXPECT_EQ(take({.kind = Kind::kText, .choice = 1, .text = "second answer"}), "");
  EXPECT_EQ(take({.kind = Kind::kOpen, .part = PartKind::kAudio}), begun(kNoUsage));
  EXPECT_EQ(take({.kind = Kind::kText, .part = PartKind::kAudio, .text = "beep"}), "");
  EXPECT_EQ(take({.kind = Kind::kClose, .part = PartKind::kAudio}), "");
  // A call without an id gets one; a signature of a call has no place.
  EXPECT_EQ(take({.kind = Kind::kOpen, .part = PartKind::kToolCall, .name = "f"}),
            open(0, R"({"type":"tool_use","id":"toolu_00ff_1","name":"f","input":{}})"));
  EXPECT_EQ(take({.kind = Kind::kSignature, .part = PartKind::kToolCall, .text = "s"}), "");
  EXPECT_EQ(take({.kind = Kind::kText, .part = PartKind::kToolCall, .text = ""}), "");
  EXPECT_EQ(take({.kind = Kind::kFinish, .finish = chat::Finish::kStop}), close(0));
  EXPECT_EQ(take({.kind = Kind::kOpen, .part = PartKind::kText}), "");
  EXPECT_EQ(take({.kind = Kind::kEnd}), finish("tool_use", kNoUsage) + event("message_stop"));
  EXPECT_EQ(take({.kind = Kind::kEnd}), "");
}

// ----------------------------------------------------------------------------------------------- relaying

EventFacts facts(const std::string& frame, bool look = true) {
  SseFramer framer;
  framer.feed(frame);
  auto event = framer.next();
  EXPECT_TRUE(event) << frame;
  EventFacts f = read_event(*event, look);
  f.usage_value.reset();  // a view
  return f;
}

TEST(AnthropicEvent, SaysWhatARelayNeeds) {
  EXPECT_TRUE(facts(event("message_stop")).done);
  EXPECT_TRUE(facts(event("error", R"(,"error":{"type":"api_error","message":"x"})")).error);
  EXPECT_EQ(facts(finish("end_turn")).finished, 1);
  EXPECT_EQ(
      facts(event("message_delta", R"(,"delta":{"stop_reason":null},"usage":{"output_tokens":4})")).finished,
      0);
  for (const std::string& frame : {event("ping"), event("content_block_stop"), start(), finish("end_turn"),
                                   event("brand_new"), open(0, kText), open(0, kThinking), text_delta(0, ""),
                                   delta(0, R"({"type":"signature_delta","signature":"s"})")}) {
    EventFacts f = facts(frame);
    EXPECT_FALSE(f.has_output || f.malformed || f.error || f.done) << frame;
  }
  for (const std::string& frame :
       {text_delta(0, "a"), delta(0, R"({"type":"thinking_delta","thinking":"a"})"),
        delta(0, R"({"type":"input_json_delta","partial_json":"{"})"), open(0, kTool),
        open(0, R"({"type":"text","text":"a"})"), open(0, R"({"type":"server_tool_use"})")}) {
    EXPECT_TRUE(facts(frame).has_output) << frame;
    EXPECT_FALSE(facts(frame, false).has_output) << frame;
  }
  for (std::string_view data : {"oops", "{", "[1]", "{\"a\":1}", "null"})
    EXPECT_TRUE(facts("data: " + std::string(data) + "\n\n").malformed) << data;
  EXPECT_FALSE(facts("data: [DONE]\n\n").malformed);
}

TEST(AnthropicEvent, UsageMergesToTheStreams) {
  auto merged = [](std::initializer_list<std::string> frames) {
    exchange::Usage usage;
    for (const std::string& frame : frames)
      if (auto f = facts(frame); f.usage) usage.merge(*f.usage);
    return usage;
  };
  std::string first = start(
      R"({"input_tokens":3,"cache_creation_input_tokens":20,"cache_read_input_tokens":100,"output_tokens":1})");
  exchange::Usage expected{
      .input_tokens = 123, .output_tokens = 9, .cached_input_tokens = 100, .cache_write_tokens = 20};
  EXPECT_EQ(merged({first, finish("end_turn", R"({"output_tokens":9})")}), expected);
  EXPECT_EQ(
      merged(
          {first,
           finish(
               "end_turn",
               R"({"input_tokens":3,"cache_creation_input_tokens":20,"cache_read_input_tokens":100,"output_tokens":9})")}),
      expected);
  EXPECT_EQ(
      merged(
          {first,
           finish(
               "end_turn",
               R"({"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":9})")}),
      expected);
  EXPECT_EQ(merged({start(R"({"input_tokens":0,"output_tokens":0})"),
                    finish("end_turn", R"({"input_tokens":7,"output_tokens":9})")})
                .input_tokens,
            7);
  EXPECT_FALSE(facts(event("message_delta", R"(,"delta":{})")).usage);
}

}  // namespace
}  // namespace weir::wire::anthropic
