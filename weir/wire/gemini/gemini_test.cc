// The Gemini wire towards model servers: requests, answers, streams, usage. Examples are written by hand
// after the API reference.
#include "weir/wire/gemini/gemini.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "weir/wire/step_order.h"
#include "weir/wire/testing.h"

namespace weir::wire::gemini {
namespace {

using chat::Part;
using chat::PartKind;
using chat::Role;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

std::string written(const chat::Request& request, std::string_view model = "gemini-2.5-flash") {
  chat::Losses losses;
  std::string out = gemini_wire().write_chat(request, model, losses);
  for (const std::string& field : losses.fields())
    out += " {" + field + "}";
  return out;
}

chat::Message user(std::string text) {
  return {.role = Role::kUser, .parts = {{.kind = PartKind::kText, .text = std::move(text)}}};
}

// ---------------------------------------------------------------------------------- requests

TEST(GeminiRequest, AConversationWithTools) {
  chat::Request r;
  r.messages = {
      {.role = Role::kSystem, .parts = {{.text = "Be brief."}}},
      {.role = Role::kUser,
       .parts = {{.text = "Look"},
                 {.kind = PartKind::kImage, .media_type = "image/jpeg", .data = "/9j/"},
                 {.kind = PartKind::kImage, .media_type = "image/png", .url = "https://example.com/a.png"},
                 {.kind = PartKind::kFile, .file_id = "files/7"},
                 {.kind = PartKind::kAudio, .media_type = "audio/wav", .data = "UklG"},
                 {.kind = PartKind::kFile, .text = "a text"}}},
      {.role = Role::kAssistant,
       .parts = {{.kind = PartKind::kThinking, .text = "Hm", .signature = "c2ln+/="},
                 {.text = "I look."},
                 {.kind = PartKind::kToolCall,
                  .text = R"({"at": [1]})",
                  .id = "c1",
                  .name = "look",
                  .signature = "YWJj"},
                 {.kind = PartKind::kToolCall, .text = "", .id = "c2", .name = "listen"}}},
      {.role = Role::kUser,
       .parts =
           {{.kind = PartKind::kToolResult,
             .id = "c1",
             .content = {{.text = "a cat"},
                         {.kind = PartKind::kImage, .media_type = "image/png", .data = "AAAA"}}},
            {.kind = PartKind::kToolResult, .id = "c2", .is_error = true, .content = {{.text = "deaf"}}}}},
      user("And?")};
  r.tools = {{.name = "look", .description = "Looks.", .parameters = R"({"type":"object"})"},
             {.name = "listen"}};
  r.tool_choice = {.kind = chat::ToolChoice::Kind::kNamed, .name = "look"};
  EXPECT_EQ(
      written(r),
      R"({"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[)"
      R"({"role":"user","parts":[{"text":"Look"},{"inlineData":{"mimeType":"image/jpeg","data":"/9j/"}},)"
      R"({"fileData":{"mimeType":"image/png","fileUri":"https://example.com/a.png"}},{"fileData":{"fileUri":"files/7"}},)"
      R"({"inlineData":{"mimeType":"audio/wav","data":"UklG"}},{"text":"a text"}]},)"
      R"({"role":"model","parts":[{"text":"Hm","thought":true,"thoughtSignature":"c2ln+/="},{"text":"I look."},)"
      R"({"functionCall":{"id":"c1","name":"look","args":{"at": [1]}},"thoughtSignature":"YWJj"},)"
      R"({"functionCall":{"id":"c2","name":"listen","args":{}}}]},)"
      R"({"role":"user","parts":[{"functionResponse":{"id":"c1","name":"look","response":{"output":"a cat"},)"
      R"("parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}},)"
      R"({"functionResponse":{"id":"c2","name":"listen","response":{"error":"deaf"}}},{"text":"And?"}]}],)"
      R"("tools":[{"functionDeclarations":[{"name":"look","description":"Looks.","parametersJsonSchema":{"type":"object"}},{"name":"listen"}]}],)"
      R"("toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["look"]}},"generationConfig":{}})");
}

TEST(GeminiRequest, Parameters) {
  chat::Request r;
  r.messages = {user("x")};
  r.max_tokens = 9;
  r.temperature = 0.5;
  r.top_p = 0.25;
  r.top_k = 4;
  r.answers = 2;
  r.seed = 7;
  r.presence_penalty = 0.5;
  r.frequency_penalty = -1;
  r.stop = {"a", "b"};
  r.format = {.kind = chat::ResponseFormat::Kind::kJsonSchema, .schema = R"({"type":"object"})"};
  r.stream = true;
  EXPECT_EQ(
      written(r),
      R"({"contents":[{"role":"user","parts":[{"text":"x"}]}],"generationConfig":{"maxOutputTokens":9,"temperature":0.5,"topP":0.25,"topK":4,"candidateCount":2,"seed":7,"presencePenalty":0.5,"frequencyPenalty":-1,"stopSequences":["a","b"],"responseMimeType":"application/json","responseJsonSchema":{"type":"object"}}})");
  r = {};
  r.format.kind = chat::ResponseFormat::Kind::kJsonObject;
  EXPECT_EQ(written(r), R"({"contents":[],"generationConfig":{"responseMimeType":"application/json"}})");
}

TEST(GeminiRequest, Choices) {
  auto choice = [](chat::ToolChoice::Kind kind) {
    chat::Request r;
    r.tools = {{.name = "f"}};
    r.tool_choice.kind = kind;
    std::string out = written(r);
    size_t at = out.find("\"mode\":");
    return at == std::string::npos ? "-" : out.substr(at + 7, out.find('}', at) - at - 7);
  };
  using Kind = chat::ToolChoice::Kind;
  EXPECT_EQ(choice(Kind::kUnset), "-");
  EXPECT_EQ(choice(Kind::kAuto), "\"AUTO\"");
  EXPECT_EQ(choice(Kind::kNone), "\"NONE\"");
  EXPECT_EQ(choice(Kind::kRequired), "\"ANY\"");
}

TEST(GeminiRequest, Thinking) {
  auto config = [](chat::Reasoning reasoning, std::string_view model) {
    chat::Request r;
    r.reasoning = std::move(reasoning);
    std::string out = written(r, model);
    size_t at = out.find("\"thinkingConfig\":");
    return at == std::string::npos
               ? "-"
               : out.substr(at + 17, out.find('}', at) - at - 16) + out.substr(out.rfind('}') + 1);
  };
  EXPECT_EQ(config({}, "gemini-2.5-pro"), "-");
  EXPECT_EQ(config({.enabled = true}, "gemini-2.5-pro"), R"({"includeThoughts":true})");
  EXPECT_THAT(config({.effort = "low"}, "gemini-2.5-pro"),
              HasSubstr(R"({"includeThoughts":true,"thinkingBudget":1024})"));
  EXPECT_EQ(config({.effort = "medium"}, "models/gemini-3-pro"),
            R"({"includeThoughts":true,"thinkingLevel":"MEDIUM"})");
  EXPECT_EQ(config({.budget_tokens = 300, .show = false}, "gemini-3-pro"),
            R"({"includeThoughts":false,"thinkingBudget":300})");
  EXPECT_EQ(config({.enabled = false}, "gemini-2.5-flash"), R"({"thinkingBudget":0})");
  EXPECT_EQ(config({.effort = "none"}, "gemini-3-flash"), R"({"thinkingLevel":"MINIMAL"})");
  chat::Request r;
  r.reasoning.effort = "max";
  EXPECT_THAT(written(r, "gemini-3-pro"), EndsWith(R"("thinkingLevel":"HIGH"}}} {reasoning.effort})"));
}

TEST(GeminiRequest, ForeignCallsAreSignedWhereTheModelInsists) {
  chat::Request r;
  r.messages = {user("x"),
                {.role = Role::kAssistant,
                 .parts = {{.kind = PartKind::kToolCall, .id = "a", .name = "f"},
                           {.kind = PartKind::kToolCall, .id = "b", .name = "g"}}}};
  EXPECT_THAT(written(r, "gemini-2.5-pro"), Not(HasSubstr("thoughtSignature")));
  EXPECT_THAT(
      written(r, "gemini-3.1-pro"),
      HasSubstr(
          R"([{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"},{"functionCall":{"id":"b","name":"g","args":{}}}])"));
  r.messages[1].parts[0].signature = "own";
  EXPECT_THAT(written(r, "gemini-3.1-pro"), Not(HasSubstr("skip_")));
}

TEST(GeminiRequest, ArgumentsThatAreNoObjectStayVisible) {
  chat::Request r;
  r.messages = {{.role = Role::kAssistant,
                 .parts = {{.kind = PartKind::kToolCall, .text = R"({"a":)", .id = "a", .name = "f"}}}};
  EXPECT_THAT(written(r), HasSubstr(R"("args":{"arguments":"{\"a\":"})"));
}

TEST(GeminiRequest, NamesWhatItCannotSay) {
  chat::Request r;
  r.messages = {
      {.role = Role::kUser,
       .name = "ada",
       .parts = {{.text = "x", .cache_control = "{}"},
                 {.kind = PartKind::kImage, .media_type = "image/png", .data = "AAAA", .detail = "low"}}},
      {.role = Role::kAssistant, .parts = {{.kind = PartKind::kRedactedThinking, .data = "d"}}}};
  r.tools = {
      {.name = "f",
       .parameters = R"({"type":"object","not":{},"properties":{"pattern":{"type":"string","pattern":"a+"},
                 "b":{"anyOf":[{"const":1},{"items":{"uniqueItems":true}}]}},"additionalProperties":{"multipleOf":2}})",
       .strict = true,
       .cache_control = "{}"}};
  r.tool_choice.parallel = false;
  r.min_p = 0.1;
  r.repetition_penalty = 1.1;
  r.logprobs = true;
  r.top_logprobs = 2;
  r.user = "u";
  r.service_tier = "flex";
  r.unread = {"logit_bias"};
  std::string out = written(r);
  EXPECT_THAT(
      out,
      EndsWith(
          "{messages.name} {messages.content.cache_control} {messages.content.image.detail} "
          "{messages.content.redacted_thinking} {parallel_tool_calls} {tools.strict} {tools.cache_control} "
          "{tools.parameters.not} {tools.parameters.pattern} {tools.parameters.const} "
          "{tools.parameters.uniqueItems} "
          "{tools.parameters.multipleOf} {min_p} {repetition_penalty} {logprobs} {top_logprobs} {user} "
          "{service_tier} {logit_bias}"));
  // An empty turn is refused by the server, so it is none.
  EXPECT_THAT(out, Not(HasSubstr("\"model\"")));
}

TEST(GeminiRequest, Paths) {
  auto path = [](Operation operation, std::string_view model, bool stream = false) {
    return gemini_wire().path(operation, model, stream);
  };
  EXPECT_EQ(path(Operation::kChat, "gemini-2.5-pro"), "/models/gemini-2.5-pro:generateContent");
  EXPECT_EQ(path(Operation::kChat, "models/gemini-2.5-pro", true),
            "/models/gemini-2.5-pro:streamGenerateContent?alt=sse");
  EXPECT_EQ(path(Operation::kCompletion, "tunedModels/a", true),
            "/tunedModels/a:streamGenerateContent?alt=sse");
  EXPECT_EQ(path(Operation::kEmbedding, "e"), "/models/e:batchEmbedContents");
  EXPECT_EQ(path(Operation::kCountTokens, "e"), "/models/e:countTokens");
  // A name cannot leave its segment.
  EXPECT_EQ(path(Operation::kChat, "../x?y#z%:a"), "/models/..%2Fx%3Fy%23z%25%3Aa:generateContent");
  EXPECT_EQ(path(Operation::kChat, "models/../../x"), "/models/..%2F..%2Fx:generateContent");
}

// ---------------------------------------------------------------------------------- as a model server

// The request in the canonical tree and back.
std::string again(std::string_view body) {
  json::Parser parser;
  exchange::ModelRequest request;
  request.body = json::PaddedBuffer(body);
  auto read = gemini_wire().read_request(Operation::kChat, parser, request);
  if (!read) return read.error().message;
  auto asked = gemini_wire().read_chat(Operation::kChat, request);
  if (!asked) return asked.error().message;
  chat::Losses losses;
  std::string out = gemini_wire().write_chat(*asked, "gemini-2.5-pro", losses);
  for (const std::string& loss : losses.fields())
    out += "\nlost " + loss;
  return out;
}

TEST(GeminiServer, ReadsWhatItWrites) {
  for (
      std::string_view body :
      {R"({"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"generationConfig":{}})",
       R"({"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"Look"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"fileData":{"mimeType":"application/pdf","fileUri":"gs://x"}}]}],"generationConfig":{"maxOutputTokens":9,"temperature":0.5,"topP":1,"topK":3,"seed":4,"stopSequences":["x"],"responseMimeType":"application/json","responseJsonSchema":{"type":"object"},"thinkingConfig":{"includeThoughts":true,"thinkingBudget":1024}}})",
       R"({"contents":[{"role":"user","parts":[{"text":"Weather?"}]},{"role":"model","parts":[{"text":"Hm","thought":true},{"functionCall":{"id":"c1","name":"f","args":{"city":"Rome"}},"thoughtSignature":"s"}]},{"role":"user","parts":[{"functionResponse":{"id":"c1","name":"f","response":{"output":"rain"}}}]}],"tools":[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":{"type":"object"}}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},"generationConfig":{}})"})
    EXPECT_EQ(again(body), body);
}

TEST(GeminiServer, RefusesWhatIsNoRequest) {
  for (std::string_view body : {"[]", "{}", R"({"contents":[]})", R"({"contents":1})",
                                R"({"contents":[{"role":"robot","parts":[{"text":""}]}]})",
                                R"({"contents":[{"parts":[]}]})", R"({"contents":[{"parts":[{}]}]})",
                                R"({"contents":[1]})", R"({"contents":[{"parts":[{"functionCall":{}}]}]})"})
    EXPECT_THAT(again(body), ::testing::Not(HasSubstr("generationConfig"))) << body;
}

// Steps as bytes of this dialect and as steps again.
std::string said_again(const chat::Answer& answer, std::string* bytes = nullptr) {
  auto writer = gemini_wire().stream_writer({.model = "g", .id = "r1"});
  chat::replay(answer, *writer);
  if (bytes) *bytes = writer->out;
  return steps_of(gemini_wire(), writer->out);
}

TEST(GeminiServer, SaysWhatItIsTold) {
  chat::Answer answer{.id = "r1", .model = "g", .ended = true};
  chat::Answer::Choice& choice = answer.choices.emplace_back();
  choice.parts = {{.kind = PartKind::kThinking, .text = "Hm", .signature = "sig"},
                  {.kind = PartKind::kText, .text = "Hi"},
                  {.kind = PartKind::kToolCall, .text = R"({"a":1})", .id = "c1", .name = "f"}};
  choice.finish = chat::Finish::kToolCalls;
  answer.usage = {.input_tokens = 9, .output_tokens = 7, .cached_input_tokens = 2, .reasoning_tokens = 3};
  std::string bytes, steps = said_again(answer, &bytes);
  EXPECT_THAT(steps, HasSubstr("0 open thinking  \n0 thinking Hm\n0 signature sig\n0 close thinking\n"));
  EXPECT_THAT(steps, HasSubstr("0 text Hi\n0 close text\n0 open tool_call c1 f\n0 tool_call {\"a\":1}\n"));
  EXPECT_THAT(steps,
              HasSubstr("0 finish tool_calls \nusage in=9 out=7 cached=2 written=-1 reasoning=3\nend\n"));
  EXPECT_THAT(bytes, ::testing::EndsWith("}\r\n\r\n"));
  // Whole, the same.
  json::PaddedBuffer whole(gemini_wire().write_answer({.model = "g", .id = "r1"}, answer));
  json::Parser parser;
  StepLog log;
  ASSERT_TRUE(gemini_wire().read_answer(*parser.parse(whole.view()), log));
  EXPECT_THAT(log.text, HasSubstr("0 open tool_call c1 f\n0 tool_call {\"a\":1}\n"));
  EXPECT_THAT(log.text, HasSubstr("usage in=9 out=7 cached=2 written=-1 reasoning=3\nend\n"));
  // A prompt that was refused has no candidate.
  answer = {.ended = true};
  answer.choices.push_back({.finish = chat::Finish::kContentFilter});
  EXPECT_THAT(said_again(answer, &bytes), HasSubstr("0 finish content_filter"));
  EXPECT_THAT(bytes, HasSubstr(R"("promptFeedback":{"blockReason":"SAFETY"})"));
  EXPECT_EQ(
      gemini_wire().error_event(make_error(ErrorCode::kRateLimited, "slow")),
      "data: {\"error\":{\"code\":429,\"message\":\"slow\",\"status\":\"RESOURCE_EXHAUSTED\"}}\r\n\r\n");
}

// ---------------------------------------------------------------------------------- streams

std::string chunk(std::string_view parts, std::string_view more = "", int index = 0) {
  return fmt::format(
      R"(data: {{"candidates":[{{"content":{{"parts":[{}],"role":"model"}},"index":{}{}}}],"modelVersion":"gemini-2.5-pro","responseId":"r1"}})"
      "\r\n\r\n",
      parts, index, more);
}
constexpr std::string_view kUsage =
    "data: {\"usageMetadata\":{\"promptTokenCount\":10,\"candidatesTokenCount\":5,\"thoughtsTokenCount\":7,"
    "\"cachedContentTokenCount\":4,\"totalTokenCount\":22},\"modelVersion\":\"gemini-2.5-pro\","
    "\"responseId\":\"r1\"}\n\n";

TEST(GeminiStream, ThoughtsThenTextThenUsage) {
  EXPECT_EQ(steps_of(gemini_wire(),
                     chunk(R"({"text":"Hm","thought":true})") + chunk(R"({"text":", so","thought":true})") +
                         chunk(R"({"text":"Hel"})") +
                         chunk(R"({"text":"l\u00f6"})", R"(,"finishReason":"STOP")") + std::string(kUsage)),
            "start r1 gemini-2.5-pro\n0 open thinking  \n0 thinking Hm\n0 thinking , so\n0 close thinking\n"
            "0 open text  \n0 text Hel\n0 text lö\n0 close text\n0 finish stop \n"
            "usage in=10 out=12 cached=4 written=-1 reasoning=7\nend\n");
}

TEST(GeminiStream, CallsComeWholeWithTheirSignatures) {
  EXPECT_EQ(
      steps_of(
          gemini_wire(),
          chunk(
              R"({"functionCall":{"id":"a","name":"f","args":{"x": 1}},"thoughtSignature":"c2ln+/="},{"functionCall":{"name":"g"}})",
              R"(,"finishReason":"STOP")")),
      "start r1 gemini-2.5-pro\n0 open tool_call a f\n0 tool_call {\"x\": 1}\n0 signature c2ln+/=\n0 close "
      "tool_call\n"
      "0 open tool_call call_27d96dd25c5437bf g\n0 tool_call {}\n0 close tool_call\n0 finish tool_calls "
      "\nend\n");
}

TEST(GeminiStream, ATextsSignatureIsABlockOfItsOwnAndGoesBackAsItCame) {
  std::string stream = chunk(R"({"text":"a"})") +
                       chunk(R"({"text":"","thoughtSignature":"abc"})", R"(,"finishReason":"STOP")");
  EXPECT_EQ(
      steps_of(gemini_wire(), stream),
      "start r1 gemini-2.5-pro\n0 open text  \n0 text a\n0 close text\n0 open thinking  \n0 signature abc\n"
      "0 close thinking\n0 finish stop \nend\n");
  chat::Collector collector;
  ASSERT_EQ(read_stream(gemini_wire(), stream, 0, collector), "");
  chat::Request r;
  r.messages = {{.role = Role::kAssistant, .parts = collector.answer.choices[0].parts}};
  EXPECT_THAT(written(r), HasSubstr(R"("parts":[{"text":"a"},{"text":"","thoughtSignature":"abc"}])"));
}

TEST(GeminiStream, SeveralCandidates) {
  EXPECT_EQ(steps_of(gemini_wire(), chunk(R"({"text":"a"})") + chunk(R"({"text":"b"})", "", 1) +
                                        chunk("", R"(,"finishReason":"MAX_TOKENS")", 1) +
                                        chunk(R"({"text":"c"})", R"(,"finishReason":"STOP")")),
            "start r1 gemini-2.5-pro\n0 open text  \n0 text a\n1 open text  \n1 text b\n1 close text\n1 "
            "finish length \n"
            "0 text c\n0 close text\n0 finish stop \nend\n");
}

TEST(GeminiStream, WithoutEveryFinishReasonItWasCut) {
  EXPECT_THAT(steps_of(gemini_wire(), chunk(R"({"text":"a"})")), EndsWith("0 text a\n"));
  EXPECT_THAT(
      steps_of(gemini_wire(), chunk(R"({"text":"a"})", "", 1) + chunk("", R"(,"finishReason":"STOP")")),
      EndsWith("0 finish stop \n"));
  EXPECT_EQ(steps_of(gemini_wire(), kUsage),
            "start r1 gemini-2.5-pro\nusage in=10 out=12 cached=4 written=-1 reasoning=7\n");
  EXPECT_EQ(steps_of(gemini_wire(), ""), "");
}

TEST(GeminiStream, FinishReasons) {
  auto finish = [](std::string_view reason) {
    std::string steps =
        steps_of(gemini_wire(), chunk("", R"(,"finishReason":")" + std::string(reason) + "\""));
    size_t at = steps.find("finish ");
    return at == std::string::npos ? "-" : steps.substr(at + 7, steps.find(' ', at + 7) - at - 7);
  };
  EXPECT_EQ(finish("STOP"), "stop");
  EXPECT_EQ(finish("MAX_TOKENS"), "length");
  for (std::string_view reason :
       {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"})
    EXPECT_EQ(finish(reason), "content_filter") << reason;
  for (std::string_view reason : {"LANGUAGE", "OTHER", "MALFORMED_FUNCTION_CALL", "SOMETHING_NEW"})
    EXPECT_EQ(finish(reason), "other") << reason;
  EXPECT_EQ(finish("FINISH_REASON_UNSPECIFIED"), "-");
}

TEST(GeminiStream, ARefusedPromptIsAnAnswer) {
  EXPECT_EQ(
      steps_of(
          gemini_wire(),
          "data: "
          "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"usageMetadata\":{\"promptTokenCount\":3}}\n\n"),
      "start  \n0 finish content_filter \nusage in=3 out=-1 cached=-1 written=-1 reasoning=-1\nend\n");
  // Feedback without a refusal is none.
  EXPECT_THAT(steps_of(gemini_wire(), "data: {\"promptFeedback\":{\"safetyRatings\":[]}}\n\n"),
              Not(HasSubstr("finish")));
}

TEST(GeminiStream, Errors) {
  EXPECT_EQ(steps_of(gemini_wire(),
                     "data: {\"error\":{\"code\":503,\"message\":\"The model is "
                     "overloaded.\",\"status\":\"UNAVAILABLE\"}}\n\n"),
            "error: upstream_error_event: The model is overloaded.\n");
  for (std::string_view data :
       {"x", "[1]", "{}", R"({"candidates":1})", R"({"candidates":[1]})", R"({"candidates":[{"index":-1}]})",
        R"({"candidates":[{"index":128}]})", R"({"candidates":[{"content":{"parts":[1]}}]})",
        R"({"candidates":[{"content":{"parts":[{"functionCall":{}}]}}]})",
        R"({"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":[]}}]}}]})"})
    EXPECT_THAT(steps_of(gemini_wire(), "data: " + std::string(data) + "\n\n"),
                HasSubstr("error: malformed_response"))
        << data;
}

TEST(GeminiStream, FactsOfAChunk) {
  auto facts = [](std::string_view data) {
    return gemini_wire().read_event({.raw = data, .data = data, .has_data = true}, true);
  };
  EventFacts text = facts(
      R"({"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1}})");
  EXPECT_TRUE(text.has_output);
  EXPECT_EQ(text.finished, 1);
  EXPECT_EQ(text.usage->input_tokens, 1);
  EXPECT_FALSE(text.done || text.error || text.malformed);
  EXPECT_FALSE(facts(R"({"candidates":[{"content":{"parts":[{"text":""}]}}]})").has_output);
  EXPECT_TRUE(facts(R"({"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]}}]})").has_output);
  EXPECT_TRUE(facts(R"({"error":{}})").error);
  EXPECT_TRUE(facts("x").malformed);
  EXPECT_EQ(gemini_wire().event_error_text({.data = R"({"error":{"message":"no"}})"}), "no");
}

// Nobody checked these bytes: whatever they are, reading them stays inside them and the steps stay in order.
TEST(GeminiStream, DamagedChunksAreSurvived) {
  const std::string_view kChunks[] = {
      R"({"candidates":[{"content":{"parts":[{"text":"a\"b","thought":true,"thoughtSignature":"x"},{"functionCall":{"name":"f","args":{"a":[1]}}}]},"index":0,"finishReason":"STOP"}]})",
      R"({"usageMetadata":{"promptTokenCount":1,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":2}]},"promptFeedback":{"blockReason":"OTHER"}})"};
  std::mt19937 random(5);
  for (int i = 0; i < 20'000; ++i) {
    std::string frame(kChunks[i % 2]);
    for (int n = static_cast<int>(random() % 4); n >= 0; --n)
      frame[random() % frame.size()] = "{}[]\",:\\\n x1"[random() % 12];
    if (i % 3 == 0) frame.resize(random() % frame.size());
    std::vector<char> exact(frame.begin(), frame.end());  // a sanitizer sees every byte beyond
    std::string_view data(exact.data(), exact.size());
    (void)gemini_wire().read_event({.raw = data, .data = data, .has_data = true}, true);
    auto reader = gemini_wire().stream_reader();
    StepOrder order;
    (void)reader->read({.raw = data, .data = data, .has_data = true}, order);
    reader->finish(order);
    EXPECT_EQ(order.fault, "") << frame;
  }
}

// ---------------------------------------------------------------------------------- whole answers

std::string whole(std::string_view text) {
  json::Parser parser;
  json::PaddedBuffer bytes(text);
  auto document = parser.parse(bytes.view());
  EXPECT_TRUE(document) << text;
  StepLog log;
  StepOrder order(&log);
  if (auto r = gemini_wire().read_answer(*document, order); !r)
    return r.error().reason + ": " + std::string(r.error().for_caller());
  EXPECT_EQ(order.fault, "");
  return log.text;
}

TEST(GeminiAnswer, IsReadAsAStreamIs) {
  EXPECT_EQ(
      whole(
          R"({"candidates":[{"content":{"parts":[{"text":"Hm","thought":true},{"text":"Hi"}],"role":"model"},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":2,"candidatesTokenCount":1},"modelVersion":"g","responseId":"r"})"),
      "start r g\n0 open thinking  \n0 thinking Hm\n0 close thinking\n0 open text  \n0 text Hi\n0 close "
      "text\n"
      "0 finish stop \nusage in=2 out=1 cached=-1 written=-1 reasoning=-1\nend\n");
  EXPECT_EQ(whole("{}"), "malformed_response: The model server failed.");
  EXPECT_EQ(whole(R"({"candidates":[]})"), "malformed_response: The model server failed.");
  EXPECT_EQ(whole(R"({"candidates":[{"content":{"parts":[{"text":"a"}]}}]})"),
            "malformed_response: The model server failed.");
  EXPECT_EQ(whole(R"({"error":{"message":"no"}})"), "upstream_error_event: no");
  EXPECT_EQ(
      whole(
          R"({"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AA"}}]},"finishReason":"STOP"}]})"),
      "unsupported_answer: The model's answer holds 'inlineData', which has no place here.");
}

TEST(GeminiAnswer, ErrorWords) {
  auto words = [](std::string_view text) {
    json::Parser parser;
    json::PaddedBuffer bytes(text);
    return gemini_wire().error_text(*parser.parse(bytes.view()));
  };
  EXPECT_EQ(words(R"({"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}})"),
            "API key not valid.");
  EXPECT_EQ(words(R"([{"error":{"code":429,"message":"slow down"}}])"), "slow down");
  EXPECT_EQ(words("[]"), "");
  EXPECT_EQ(words("[[[1]]]"), "");
  EXPECT_EQ(words(R"({"detail":"x"})"), "");
}

TEST(GeminiEmbedding, BothWays) {
  chat::Losses losses;
  EXPECT_EQ(
      gemini_wire().write_embedding_request({.inputs = {"a", "b"}, .dimensions = 3, .unread = {"user"}}, "e",
                                            losses),
      R"({"requests":[{"model":"models/e","content":{"parts":[{"text":"a"}]},"outputDimensionality":3},{"model":"models/e","content":{"parts":[{"text":"b"}]},"outputDimensionality":3}]})");
  EXPECT_THAT(losses.fields(), testing::ElementsAre("user"));
  auto vectors = [](std::string_view text) -> std::string {
    json::Parser parser;
    json::PaddedBuffer bytes(text);
    auto answer = gemini_wire().read_embedding_answer(*parser.parse(bytes.view()));
    if (!answer) return answer.error().reason;
    std::string out = std::to_string(answer->usage.input_tokens.value_or(-1));
    for (const std::string& vector : answer->vectors)
      out += " " + vector;
    return out;
  };
  EXPECT_EQ(
      vectors(
          R"({"embeddings":[{"values":[1,-2e-3]},{"values":[]}],"usageMetadata":{"promptTokenCount":6}})"),
      "6 [1,-2e-3] []");
  EXPECT_EQ(vectors(R"({"embedding":{"values":[1]}})"), "-1 [1]");
  EXPECT_EQ(vectors(R"({"embeddings":[{"values":["x"]}]})"), "malformed_response");
  EXPECT_EQ(vectors(R"({"embeddings":[[1]]})"), "malformed_response");
  EXPECT_EQ(vectors("{}"), "malformed_response");
}

TEST(GeminiAnswer, UsageIsReadWithCare) {
  auto usage = [](std::string_view text) {
    json::Parser parser;
    json::PaddedBuffer bytes(R"({"usageMetadata":)" + std::string(text) + "}");
    return gemini_wire().usage_of(*parser.parse(bytes.view()));
  };
  EXPECT_FALSE(usage("{}"));
  EXPECT_FALSE(usage("null"));
  EXPECT_FALSE(usage(R"({"promptTokenCount":-1})"));
  EXPECT_FALSE(
      usage(R"({"promptTokenCount":9223372036854775807,"toolUsePromptTokenCount":9223372036854775807})"));
  auto audio = usage(
      R"({"promptTokenCount":9,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":4},{"modality":"IMAGE","tokenCount":3},{"modality":"DOCUMENT","tokenCount":1},{"modality":"TEXT"}],"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":2}]})");
  ASSERT_TRUE(audio);
  EXPECT_EQ(audio->input_audio_tokens, 4);
  EXPECT_EQ(audio->input_image_tokens, 4);
  EXPECT_EQ(audio->output_audio_tokens, 2);
  EXPECT_FALSE(audio->output_tokens);
}

}  // namespace
}  // namespace weir::wire::gemini
