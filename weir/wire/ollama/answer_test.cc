// The Ollama wire: streams in and out, whole answers, lists. Examples are written by hand after the API
// reference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "weir/wire/ollama/ollama.h"
#include "weir/wire/step_order.h"
#include "weir/wire/testing.h"

namespace weir::wire::ollama {
namespace {

using chat::PartKind;
using ::testing::HasSubstr;
using ::testing::Not;

// ---------------------------------------------------------------------------------- streams in

std::string chunk(std::string_view message) {
  return R"({"model":"m","created_at":"2026-11-21T08:15:30.5Z","message":)" + std::string(message) +
         ",\"done\":false}\n";
}
constexpr std::string_view kLast =
    R"({"model":"m","created_at":"2026-11-21T08:15:31Z","message":{"role":"assistant","content":""},"done":true,)"
    R"("done_reason":"stop","total_duration":9,"load_duration":1,"prompt_eval_count":26,"prompt_eval_duration":3,)"
    R"("eval_count":298,"eval_duration":4})"
    "\n";

TEST(OllamaStream, ThinkingThenTextThenUsage) {
  EXPECT_EQ(steps_of(ollama_wire(), chunk(R"({"role":"assistant","content":"","thinking":"Hm"})") +
                                        chunk(R"({"role":"assistant","content":"","thinking":", so"})") +
                                        chunk(R"({"role":"assistant","content":"Hel"})") +
                                        chunk(R"({"role":"assistant","content":"l\u00f6\n"})") +
                                        std::string(kLast)),
            "start  m\n0 open thinking  \n0 thinking Hm\n0 thinking , so\n0 close thinking\n"
            "0 open text  \n0 text Hel\n0 text lö\n\n0 close text\n"
            "usage in=26 out=298 cached=-1 written=-1 reasoning=-1\n0 finish stop \nend\n");
}

TEST(OllamaStream, ToolCallsComeInOnePiece) {
  EXPECT_EQ(
      steps_of(
          ollama_wire(),
          chunk(
              R"({"role":"assistant","content":"","tool_calls":[{"id":"a","function":{"index":0,"name":"f","arguments":{"x": 1}}},{"id":"b","function":{"index":1,"name":"g","arguments":{}}}]})") +
              std::string(kLast)),
      "start  m\n0 open tool_call a f\n0 tool_call {\"x\": 1}\n0 close tool_call\n0 open tool_call b g\n"
      "0 tool_call {}\n0 close tool_call\nusage in=26 out=298 cached=-1 written=-1 reasoning=-1\n"
      "0 finish tool_calls \nend\n");
}

TEST(OllamaStream, MissingIdsAreMadeUpAndStayTheSame) {
  auto id = [](std::string_view created_at, std::string_view name) {
    std::string steps =
        steps_of(ollama_wire(), R"({"model":"m","created_at":")" + std::string(created_at) +
                                    R"(","message":{"tool_calls":[{"function":{"name":")" +
                                    std::string(name) + R"(","arguments":{}}}]},"done":false})" + "\n");
    size_t at = steps.find("call_");
    return steps.substr(at, steps.find(' ', at) - at);
  };
  EXPECT_EQ(id("t1", "f"), id("t1", "f"));
  EXPECT_EQ(id("t1", "f").size(), 21u) << id("t1", "f");
  EXPECT_NE(id("t1", "f"), id("t2", "f"));  // another turn of the conversation
  EXPECT_NE(id("t1", "f"), id("t1", "g"));
}

TEST(OllamaStream, GenerationsHaveTheirTextInTheFrame) {
  EXPECT_EQ(
      steps_of(
          ollama_wire(),
          "{\"model\":\"m\",\"response\":\"a\",\"thinking\":\"t\",\"done\":false}\n\n"
          "{\"model\":\"m\",\"response\":\"b\",\"done\":false}\r\n"
          "{\"model\":\"m\",\"response\":\"c\",\"done\":true,\"done_reason\":\"length\",\"context\":[1]}"),
      "start  m\n0 open thinking  \n0 thinking t\n0 close thinking\n0 open text  \n0 text a\n0 text b\n"
      "0 text c\n0 close text\n0 finish length \nend\n");
}

TEST(OllamaStream, WithoutItsLastFrameItWasCut) {
  std::string steps = steps_of(ollama_wire(), chunk(R"({"content":"a"})") + chunk(R"({"content":"b"})"));
  EXPECT_EQ(steps, "start  m\n0 open text  \n0 text a\n0 text b\n");
  // Its last line is cut in the middle.
  EXPECT_THAT(steps_of(ollama_wire(), chunk(R"({"content":"a"})") + R"({"model":"m","mess)"),
              HasSubstr("error: malformed_response"));
}

TEST(OllamaStream, ErrorsAreTheServersWords) {
  EXPECT_EQ(steps_of(ollama_wire(), chunk(R"({"content":"a"})") + R"({"error":"out of \"memory\""})" + "\n"),
            "start  m\n0 open text  \n0 text a\nerror: upstream_error_event: out of \"memory\"\n");
  for (std::string_view frame :
       {"x", "[1]", "{}", R"({"model":"m"})", R"({"done":"yes"})", R"({"message":1,"done":false})",
        R"({"message":{"tool_calls":[1]},"done":false})",
        R"({"message":{"tool_calls":[{"function":{}}]},"done":false})",
        R"({"message":{"tool_calls":[{"function":{"name":"f","arguments":[]}}]},"done":false})"})
    EXPECT_THAT(steps_of(ollama_wire(), frame), HasSubstr("error: malformed_response")) << frame;
  // After the end nothing counts.
  EXPECT_THAT(steps_of(ollama_wire(), std::string(kLast) + "garbage\n"), testing::EndsWith("end\n"));
}

TEST(OllamaStream, FinishReasons) {
  auto finish = [](std::string_view reason) {
    std::string steps = steps_of(ollama_wire(), R"({"model":"m","response":"","done":true,"done_reason":)" +
                                                    std::string(reason) + "}");
    size_t at = steps.find("finish ") + 7;
    return steps.substr(at, steps.find(' ', at) - at);
  };
  EXPECT_EQ(finish("\"stop\""), "stop");
  EXPECT_EQ(finish("\"length\""), "length");
  EXPECT_EQ(finish("\"load\""), "stop");
  EXPECT_EQ(finish("\"\""), "stop");
  EXPECT_EQ(finish("null"), "stop");
  EXPECT_EQ(finish("\"content_filter\""), "content_filter");
  EXPECT_EQ(finish("\"tired\""), "other");
}

TEST(OllamaStream, FactsOfAFrame) {
  auto facts = [](std::string_view data, bool look = true) {
    return ollama_wire().read_event({.raw = data, .data = data, .has_data = true}, look);
  };
  EventFacts text = facts(chunk(R"({"role":"assistant","content":"a"})"));
  EXPECT_TRUE(text.has_output);
  EXPECT_FALSE(text.done || text.error || text.malformed || text.usage);
  EXPECT_FALSE(facts(chunk(R"({"role":"assistant","content":"a"})"), false).has_output);
  EXPECT_FALSE(facts(chunk(R"({"role":"assistant","content":""})")).has_output);
  EXPECT_TRUE(facts(chunk(R"({"content":"","thinking":"a"})")).has_output);
  EXPECT_TRUE(facts(chunk(R"({"content":"","tool_calls":[{}]})")).has_output);
  EXPECT_TRUE(facts(R"({"response":"a","done":false})").has_output);
  EventFacts last = facts(kLast);
  EXPECT_TRUE(last.done);
  EXPECT_EQ(last.finished, 1);
  EXPECT_EQ(last.usage->input_tokens, 26);
  EXPECT_EQ(last.usage->output_tokens, 298);
  EXPECT_TRUE(facts(R"({"error":"x"})").error);
  EXPECT_FALSE(facts(chunk(R"({"content":"\"error\":\"x\""})")).error);
  EXPECT_EQ(ollama_wire().event_error_text({.data = R"( {"error":"too \"hot\""})"}), "too \"hot\"");
  EXPECT_EQ(ollama_wire().event_error_text({.data = "{}"}), "");
  for (std::string_view bad : {"", "x", "{}", "[]", "{\"done\":1}", "{\"done\":true"})
    EXPECT_TRUE(facts(bad).malformed) << bad;
}

// Nobody checked these bytes: whatever they are, reading them stays inside them and the steps stay in order.
TEST(OllamaStream, DamagedFramesAreSurvived) {
  const std::string frames[] = {
      chunk(
          R"({"role":"assistant","content":"a\"b","thinking":"t","tool_calls":[{"id":"x","function":{"name":"f","arguments":{"a":[1]}}}]})"),
      std::string(kLast)};
  std::mt19937 random(3);
  for (int i = 0; i < 20'000; ++i) {
    std::string frame = frames[i % 2];
    for (int n = static_cast<int>(random() % 4); n >= 0; --n)
      frame[random() % frame.size()] = "{}[]\",:\\\n x1"[random() % 12];
    if (i % 3 == 0) frame.resize(random() % frame.size());
    std::vector<char> exact(frame.begin(), frame.end());  // a sanitizer sees every byte beyond
    std::string_view data(exact.data(), exact.size());
    (void)ollama_wire().read_event({.raw = data, .data = data, .has_data = true}, true);
    auto reader = ollama_wire().stream_reader();
    auto writer = ollama_wire().stream_writer({.model = "m"});
    StepOrder order(writer.get());
    (void)reader->read({.raw = data, .data = data, .has_data = true}, order);
    reader->finish(order);
    EXPECT_EQ(order.fault, "") << frame;
  }
}

// ---------------------------------------------------------------------------------- streams out

const AnswerContext kContext{.model = "m:latest", .created_s = 1763712930, .created_ns = 5};

TEST(OllamaWriter, WritesWhatItReads) {
  std::string stream =
      chunk(R"({"role":"assistant","content":"","thinking":"Hm"})") +
      chunk(R"({"role":"assistant","content":"a"})") +
      chunk(
          R"({"role":"assistant","content":"","tool_calls":[{"id":"c","function":{"name":"f","arguments":{"x": 1}}}]})") +
      std::string(kLast);
  std::string head =
      R"({"model":"m:latest","created_at":"2025-11-21T08:15:30.000000005Z","message":{"role":"assistant",)";
  EXPECT_EQ(
      translated(ollama_wire(), ollama_wire(), stream, kContext),
      head + R"("content":"","thinking":"Hm"},"done":false})" + "\n" + head +
          R"("content":"a"},"done":false})" + "\n" + head +
          R"("content":"","tool_calls":[{"id":"c","function":{"index":0,"name":"f","arguments":{"x": 1}}}]},"done":false})" +
          "\n" + head +
          R"("content":""},"done":true,"done_reason":"stop","total_duration":0,"load_duration":0,"prompt_eval_count":26,"prompt_eval_duration":0,"eval_count":298,"eval_duration":0})" +
          "\n");
}

TEST(OllamaWriter, EveryLineIsJsonOfThisDialectAndTakesItsTimeFromItsUser) {
  AnswerContext context = kContext;
  context.operation = Operation::kCompletion;
  auto writer = ollama_wire().stream_writer(context);
  using Kind = chat::Step::Kind;
  writer->take({.kind = Kind::kStart, .id = "x", .name = "other"});
  writer->elapsed_ns = 2'000'000'000;
  writer->take({.kind = Kind::kOpen});
  writer->take({.kind = Kind::kText, .text = "a\n\"b\""});
  EXPECT_EQ(
      writer->out,
      R"({"model":"m:latest","created_at":"2025-11-21T08:15:32.000000005Z","response":"a\n\"b\"","done":false})"
      "\n");
  writer->out.clear();
  writer->take({.kind = Kind::kClose});
  writer->take({.kind = Kind::kFinish, .finish = chat::Finish::kLength});
  exchange::Usage usage{.input_tokens = 3, .output_tokens = 2};
  writer->take({.kind = Kind::kUsage, .usage = &usage});
  EXPECT_EQ(writer->out, "");  // its last line waits for the end
  writer->elapsed_ns = 5'000'000'000;
  writer->take({.kind = Kind::kEnd});
  EXPECT_EQ(
      writer->out,
      R"({"model":"m:latest","created_at":"2025-11-21T08:15:35.000000005Z","response":"","done":true,"done_reason":"length","total_duration":5000000000,"load_duration":0,"prompt_eval_count":3,"prompt_eval_duration":2000000000,"eval_count":2,"eval_duration":3000000000})"
      "\n");
}

TEST(OllamaWriter, CollectsACallsArgumentsUntilItIsWhole) {
  auto writer = ollama_wire().stream_writer(kContext);
  using Kind = chat::Step::Kind;
  writer->take({.kind = Kind::kOpen, .part = PartKind::kToolCall, .id = "c", .name = "f"});
  for (std::string_view piece : {"{\n\"a", "\":", "1}"})
    writer->take({.kind = Kind::kText, .part = PartKind::kToolCall, .text = piece});
  EXPECT_EQ(writer->out, "");
  writer->take({.kind = Kind::kClose, .part = PartKind::kToolCall});
  EXPECT_THAT(writer->out, HasSubstr(R"("arguments":{ "a":1}}}]},"done":false})"));
  EXPECT_EQ(writer->out.find('\n'), writer->out.size() - 1);
  // Without its end nothing ends.
  EXPECT_THAT(writer->out, Not(HasSubstr("\"done\":true")));
}

TEST(OllamaWriter, BoundsWhatItCollects) {
  auto writer = ollama_wire().stream_writer(kContext);
  using Kind = chat::Step::Kind;
  writer->take({.kind = Kind::kOpen, .part = PartKind::kToolCall, .id = "c", .name = "f"});
  std::string piece(1 << 20, ' ');
  for (int i = 0; i < 5; ++i)
    writer->take({.kind = Kind::kText, .part = PartKind::kToolCall, .text = piece});
  EXPECT_EQ(writer->out, "{\"error\":\"A tool call's arguments are too large.\"}\n");
  writer->take({.kind = Kind::kClose, .part = PartKind::kToolCall});
  writer->take({.kind = Kind::kEnd});
  EXPECT_EQ(writer->out.find('\n'), writer->out.size() - 1);
}

TEST(OllamaWriter, DoneReasons) {
  for (auto [finish, reason] : {std::pair{chat::Finish::kStop, "stop"},
                                {chat::Finish::kStopSequence, "stop"},
                                {chat::Finish::kToolCalls, "stop"},
                                {chat::Finish::kRefusal, "stop"},
                                {chat::Finish::kLength, "length"},
                                {chat::Finish::kPause, "length"},
                                {chat::Finish::kContentFilter, "content_filter"}}) {
    chat::Answer answer;
    answer.choices.push_back({.finish = finish});
    EXPECT_THAT(ollama_wire().write_answer(kContext, answer),
                HasSubstr(R"("done_reason":")" + std::string(reason) + "\""));
  }
}

// ---------------------------------------------------------------------------------- whole answers

std::string whole(std::string_view text, AnswerContext context = kContext) {
  json::Parser parser;
  json::PaddedBuffer bytes(text);
  auto document = parser.parse(bytes.view());
  EXPECT_TRUE(document) << text;
  chat::Collector collector;
  StepOrder order(&collector);
  if (auto r = ollama_wire().read_answer(*document, order); !r)
    return r.error().reason + ": " + std::string(r.error().for_caller());
  EXPECT_EQ(order.fault, "");
  EXPECT_TRUE(collector.answer.ended);
  EXPECT_EQ(ollama_wire().usage_of(*document).value_or(exchange::Usage{}), collector.answer.usage);
  return ollama_wire().write_answer(context, collector.answer);
}

TEST(OllamaAnswer, WritesWhatItReads) {
  AnswerContext context = kContext;
  context.elapsed_ns = 7;
  EXPECT_EQ(
      whole(
          R"({"model":"m","created_at":"t","message":{"role":"assistant","content":"Hi","thinking":"Hm","tool_calls":[{"function":{"name":"f","arguments":{"x":1}},"id":"c"}]},"done":true,"done_reason":"stop","prompt_eval_count":5,"eval_count":6})",
          context),
      R"({"model":"m:latest","created_at":"2025-11-21T08:15:30.000000012Z","message":{"role":"assistant","content":"Hi","thinking":"Hm","tool_calls":[{"id":"c","function":{"index":0,"name":"f","arguments":{"x":1}}}]},"done":true,"done_reason":"stop","total_duration":7,"load_duration":0,"prompt_eval_count":5,"prompt_eval_duration":0,"eval_count":6,"eval_duration":7})");
  context.operation = Operation::kCompletion;
  context.elapsed_ns = 0;
  EXPECT_EQ(
      whole(R"({"model":"m","response":"Hi","done":true,"done_reason":"length"})", context),
      R"({"model":"m:latest","created_at":"2025-11-21T08:15:30.000000005Z","response":"Hi","done":true,"done_reason":"length","total_duration":0,"load_duration":0,"prompt_eval_duration":0,"eval_duration":0})");
}

TEST(OllamaAnswer, RefusesWhatIsNone) {
  EXPECT_EQ(whole("[]"), "malformed_response: The model server failed.");
  EXPECT_EQ(whole(R"({"models":[]})"), "malformed_response: The model server failed.");
  EXPECT_EQ(whole(R"({"response":"a","done":false})"), "malformed_response: The model server failed.");
  EXPECT_EQ(whole(R"({"error":"no such model"})"), "upstream_error_event: no such model");
}

TEST(OllamaAnswer, ErrorsAreOneWord) {
  EXPECT_EQ(ollama_wire().error_body(make_error(ErrorCode::kNotFound, "model \"x\" not found")),
            R"({"error":"model \"x\" not found"})");
  EXPECT_EQ(ollama_wire().error_event(internal_error(ErrorCode::kUpstream, "10.0.0.1 refused")),
            "{\"error\":\"The model server failed.\"}\n");
  auto words = [](std::string_view text) {
    json::Parser parser;
    json::PaddedBuffer bytes(text);
    return ollama_wire().error_text(*parser.parse(bytes.view()));
  };
  EXPECT_EQ(words(R"({"error":"model 'x' not found"})"), "model 'x' not found");
  EXPECT_EQ(words(R"({"error":{"message":"bad"}})"), "bad");
  EXPECT_EQ(words(R"({"detail":"bad"})"), "");
}

// ---------------------------------------------------------------------------------- lists and names

TEST(OllamaNames, TheTagMayBeLeftOut) {
  EXPECT_EQ(with_tag("m"), "m:latest");
  EXPECT_EQ(with_tag("m:7b"), "m:7b");
  EXPECT_EQ(with_tag("host:5000/ns/m"), "host:5000/ns/m:latest");
  EXPECT_EQ(other_spelling("m"), "m:latest");
  EXPECT_EQ(other_spelling("m:latest"), "m");
  EXPECT_EQ(other_spelling("ns/m:latest"), "ns/m");
  EXPECT_EQ(other_spelling("m:7b"), "");
}

TEST(OllamaLists, HaveTheRealOnesMembers) {
  ModelFacts model{.name = "m",
                   .digest = "d",
                   .format = "gguf",
                   .family = "llama",
                   .parameter_size = "8B",
                   .quantization = "Q4_0",
                   .capabilities = {"completion", "tools"},
                   .context_length = 8192,
                   .bytes = 5,
                   .bytes_in_gpu = 4,
                   .modified = {1'500'000'000},
                   .expires = {2'000'000'001}};
  std::string details =
      R"("details":{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"8B","quantization_level":"Q4_0","context_length":8192})";
  EXPECT_EQ(
      tags_body({model}),
      R"({"models":[{"name":"m:latest","model":"m:latest","modified_at":"1970-01-01T00:00:01.500000000Z","size":5,"digest":"d",)" +
          details + R"(,"capabilities":["completion","tools"]}]})");
  EXPECT_EQ(ps_body({model}),
            R"({"models":[{"name":"m:latest","model":"m:latest","size":5,"digest":"d",)" + details +
                R"(,"expires_at":"1970-01-01T00:00:02.000000001Z","size_vram":4,"context_length":8192}]})");
  EXPECT_EQ(
      show_body(model),
      "{" + details +
          R"(,"model_info":{"general.architecture":"llama","general.basename":"m","llama.context_length":8192},"capabilities":["completion","tools"],"modified_at":"1970-01-01T00:00:01.500000000Z"})");
  EXPECT_EQ(tags_body({}), R"({"models":[]})");
  EXPECT_THAT(show_body({.name = "x"}), HasSubstr(R"("general.architecture":"unknown")"));
  EXPECT_EQ(version_body("1.2.3"), R"({"version":"1.2.3"})");
}

}  // namespace
}  // namespace weir::wire::ollama
