// The Ollama wire: requests in and out, embeddings. Examples are written by hand after the
// API reference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weir/wire/ollama/ollama.h"
#include "weir/wire/testing.h"

namespace weir::wire::ollama {
namespace {

using chat::Part;
using chat::PartKind;
using chat::Role;
using exchange::ModelRequest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Result<void> read(std::string_view body, ModelRequest& request, Operation operation) {
  json::Parser parser;
  request.body = json::PaddedBuffer(body);
  Result<void> result = ollama_wire().read_request(operation, parser, request);
  (void)parser.parse(json::PaddedBuffer(R"({"an\u0061ther":"document"})").view());
  return result;
}

// "parameter reason", or "ok": of reading the request and its conversation.
std::string verdict(std::string_view body, Operation operation = Operation::kChat) {
  ModelRequest request;
  Result<void> r = read(body, request, operation);
  if (r && operation == Operation::kEmbedding) {
    if (auto e = ollama_wire().read_embedding(request); !e) r = Unexpected(e.error());
  } else if (r) {
    if (auto c = ollama_wire().read_chat(operation, request); !c) r = Unexpected(c.error());
  }
  if (r) return "ok";
  EXPECT_EQ(r.error().code, ErrorCode::kInvalidRequest) << body;
  EXPECT_FALSE(r.error().safe.empty()) << body;
  return r.error().param + " " + r.error().reason;
}

chat::Request chat_of(std::string_view body, Operation operation = Operation::kChat) {
  ModelRequest request;
  auto r = read(body, request, operation);
  EXPECT_TRUE(r) << r.error().message;
  auto chat = ollama_wire().read_chat(operation, request);
  EXPECT_TRUE(chat) << chat.error().message;
  return chat ? *chat : chat::Request{};
}

// The request as an Ollama server would get it after a way through the canonical tree; losses in braces.
std::string written(const chat::Request& request) {
  chat::Losses losses;
  std::string out = ollama_wire().write_chat(request, "other", losses);
  for (const std::string& field : losses.fields())
    out += " {" + field + "}";
  return out;
}
std::string through(std::string_view body, Operation operation = Operation::kChat) {
  return written(chat_of(body, operation));
}

std::string with(std::string_view more) {
  return R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + std::string(more) + "}";
}

// ---------------------------------------------------------------------------------- requests in

TEST(OllamaRequest, StreamsUnlessToldOtherwise) {
  auto streams = [](std::string_view body, Operation operation) {
    ModelRequest request;
    EXPECT_TRUE(read(body, request, operation)) << body;
    EXPECT_TRUE(request.usage_wanted);
    return request.stream;
  };
  EXPECT_TRUE(streams(with(""), Operation::kChat));
  EXPECT_TRUE(streams(with(R"(,"stream":null)"), Operation::kChat));
  EXPECT_TRUE(streams(with(R"(,"stream":true)"), Operation::kChat));
  EXPECT_FALSE(streams(with(R"(,"stream":false)"), Operation::kChat));
  EXPECT_TRUE(streams(R"({"model":"m","prompt":"a"})", Operation::kCompletion));
  EXPECT_FALSE(streams(R"({"model":"m","prompt":"a","stream":false})", Operation::kCompletion));
}

TEST(OllamaRequest, NamesTheParameterAtFault) {
  struct Row {
    std::string_view more, verdict;
  };
  const Row kRows[] = {
      {R"(,"stream":1)", "stream invalid_value"},
      {R"(,"format":"xml")", "format invalid_value"},
      {R"(,"format":[])", "format invalid_value"},
      {R"(,"format":"")", "ok"},
      {R"(,"format":"json")", "ok"},
      {R"(,"format":{"type":"object"})", "ok"},
      {R"(,"think":1)", "think invalid_value"},
      {R"(,"think":"max")", "ok"},
      {R"(,"keep_alive":true)", "keep_alive invalid_value"},
      {R"(,"keep_alive":-1)", "ok"},
      {R"(,"top_logprobs":-1)", "top_logprobs invalid_value"},
      {R"(,"options":[])", "options invalid_value"},
      {R"(,"options":{"temperature":"0"})", "options.temperature invalid_value"},
      {R"(,"options":{"top_p":1.5})", "options.top_p invalid_value"},
      {R"(,"options":{"seed":1e300})", "options.seed invalid_value"},
      {R"(,"options":{"num_ctx":4096.0,"stop":null,"num_predict":-1})", "ok"},
      {R"(,"options":{"num_predict":99999999999})", "options.num_predict invalid_value"},
      {R"(,"options":{"stop":"x"})", "options.stop invalid_value"},
      {R"(,"options":{"stop":["x",1]})", "options.stop[1] invalid_value"},
      {R"(,"options":{"some_new_one":[1]})", "ok"},
      {R"(,"tools":{})", "tools invalid_value"},
      {R"(,"tools":[1])", "tools[0].function invalid_value"},
      {R"(,"tools":[{"type":"function","function":{}}])",
       "tools[0].function.name missing_required_parameter"},
      {R"(,"tools":[{"function":{"name":"f","parameters":[]}}])",
       "tools[0].function.parameters invalid_value"},
      {R"(,"api_base":"http://x")", "api_base unknown_parameter"},
  };
  for (const Row& row : kRows)
    EXPECT_EQ(verdict(with(row.more)), row.verdict) << row.more;
  EXPECT_EQ(verdict(R"({"messages":[]})"), "model missing_required_parameter");
  EXPECT_EQ(verdict(R"({"model":"m","prompt":["a"]})", Operation::kCompletion), "prompt invalid_value");
  EXPECT_EQ(verdict(R"({"model":"m","prompt":"a","images":[1]})", Operation::kCompletion),
            "images[0] invalid_value");
}

TEST(OllamaRequest, NamesTheMessageAtFault) {
  auto message = [](std::string_view text) {
    return verdict(R"({"model":"m","messages":[{"role":"user","content":"a"},)" + std::string(text) + "]}");
  };
  EXPECT_EQ(message("1"), "messages[1] invalid_value");
  EXPECT_EQ(message(R"({"role":"robot","content":"a"})"), "messages[1].role invalid_value");
  EXPECT_EQ(message(R"({"content":"a"})"), "messages[1].role invalid_value");
  EXPECT_EQ(message(R"({"role":"USER","content":"a"})"), "ok");
  EXPECT_EQ(message(R"({"role":"user","content":[{"type":"text"}]})"), "messages[1].content invalid_value");
  EXPECT_EQ(message(R"({"role":"user","images":"x"})"), "messages[1].images invalid_value");
  EXPECT_EQ(message(R"({"role":"user","images":["a",{}]})"), "messages[1].images[1] invalid_value");
  EXPECT_EQ(message(R"({"role":"assistant","tool_calls":{}})"), "messages[1].tool_calls invalid_value");
  EXPECT_EQ(message(R"({"role":"assistant","tool_calls":[{}]})"),
            "messages[1].tool_calls[0].function invalid_value");
  EXPECT_EQ(message(R"({"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]})"),
            "messages[1].tool_calls[0].function.arguments invalid_value");
  EXPECT_EQ(message(R"({"role":"tool","content":"a","tool_name":7})"), "messages[1].tool_name invalid_value");
}

TEST(OllamaRequest, ReadsAConversation) {
  chat::Request r = chat_of(R"({"model":"m","messages":[
      {"role":"system","content":"Be brief."},
      {"role":"user","content":"What is it?","images":["iVBORw0KGgoAAA","\/9j\/4AAQ","UklGRgECAwBXRUJQVlA4","UklGRgECAwBXQVZFZm10","AAAA"]},
      {"role":"assistant","content":"Hm.","thinking":"A cat?","tool_calls":[
        {"function":{"name":"look","arguments":{"at": [1, 2], "a\"":"}"}}},
        {"id":"x7","type":"function","function":{"name":"listen","arguments":{}}}]},
      {"role":"tool","content":"a cat","tool_name":"look"},
      {"role":"tool","content":"miaow","tool_call_id":"x7"}],
      "tools":[{"type":"function","function":{"name":"look","description":"Looks.","parameters":{"type":"object"}}}],
      "format":{"type":"object","properties":{}},"think":"high","stream":false,"keep_alive":"5m",
      "options":{"temperature":0.5,"top_k":40.0,"top_p":0.9,"min_p":0.1,"num_predict":20,"stop":["a","b"],"seed":7,
                 "repeat_penalty":1.1,"presence_penalty":0.2,"frequency_penalty":0.3,"num_ctx":4096,"of_another_server":1},
      "logprobs":true,"top_logprobs":3})");
  ASSERT_EQ(r.messages.size(), 4u);
  EXPECT_EQ(r.messages[0].role, Role::kSystem);
  EXPECT_EQ(r.messages[0].parts[0].text, "Be brief.");
  std::vector<std::string> media;
  for (const Part& p : r.messages[1].parts)
    media.push_back(p.kind == PartKind::kText ? p.text : p.media_type);
  EXPECT_THAT(media, ElementsAre("image/png", "image/jpeg", "image/webp", "audio/wav", "", "What is it?"));
  EXPECT_EQ(r.messages[1].parts[3].kind, PartKind::kAudio);
  EXPECT_EQ(r.messages[1].parts[1].data, "/9j/4AAQ");
  const auto& turn = r.messages[2].parts;
  ASSERT_EQ(turn.size(), 4u);
  EXPECT_EQ(turn[0].kind, PartKind::kThinking);
  EXPECT_EQ(turn[2].text, R"({"at": [1, 2], "a\"":"}"})");  // byte for byte
  EXPECT_EQ(turn[2].id, "call_0");
  EXPECT_EQ(turn[3].id, "x7");
  const auto& results = r.messages[3];
  EXPECT_EQ(results.role, Role::kUser);
  ASSERT_EQ(results.parts.size(), 2u);
  EXPECT_EQ(results.parts[0].id, "call_0");
  EXPECT_EQ(results.parts[0].content[0].text, "a cat");
  EXPECT_EQ(results.parts[1].id, "x7");
  EXPECT_EQ(results.parts[1].name, "listen");
  EXPECT_EQ(r.format.kind, chat::ResponseFormat::Kind::kJsonSchema);
  EXPECT_EQ(r.format.schema, R"({"type":"object","properties":{}})");
  EXPECT_EQ(r.reasoning.effort, "high");
  EXPECT_EQ(r.reasoning.enabled, true);
  EXPECT_EQ(r.top_k, 40);
  EXPECT_EQ(r.max_tokens, 20);
  EXPECT_EQ(r.seed, 7);
  EXPECT_EQ(r.repetition_penalty, 1.1);
  EXPECT_THAT(r.stop, ElementsAre("a", "b"));
  EXPECT_EQ(r.top_logprobs, 3);
  EXPECT_FALSE(r.stream);
  EXPECT_THAT(r.unread, ElementsAre("options.num_ctx", "keep_alive"));
}

TEST(OllamaRequest, ResultsWithoutIdsFindTheirCalls) {
  auto ids = [](std::string_view results) {
    chat::Request r = chat_of(R"({"model":"m","messages":[
      {"role":"assistant","tool_calls":[{"function":{"name":"old","arguments":{}}}]},
      {"role":"tool","content":"0","tool_name":"old"},
      {"role":"assistant","tool_calls":[{"function":{"name":"a","arguments":{}}},
        {"function":{"name":"b","arguments":{}}},{"function":{"name":"a","arguments":{}}}]},)" +
                              std::string(results) + "]}");
    std::string out;
    for (const Part& p : r.messages.back().parts)
      out += p.id + ":" + p.name + " ";
    return out;
  };
  EXPECT_EQ(
      ids(R"({"role":"tool","tool_name":"b"},{"role":"tool","tool_name":"a"},{"role":"tool","tool_name":"a"})"),
      "call_2:b call_1:a call_3:a ");
  EXPECT_EQ(ids(R"({"role":"tool","content":"1"},{"role":"tool","content":"2"})"), "call_1:a call_2:b ");
  EXPECT_EQ(ids(R"({"role":"tool","tool_name":"unheard"})"), "call_4:unheard ");
  // A word of the user between them begins a row of its own.
  EXPECT_EQ(ids(R"({"role":"tool"},{"role":"user","content":"and?"},{"role":"tool"})"), "call_2:b ");
}

TEST(OllamaRequest, AGenerationIsAConversation) {
  chat::Request r = chat_of(
      R"({"model":"m","prompt":"Say it.","system":"Be brief.","images":["iVBORw0KGgo"],"suffix":"end","template":"t",
          "raw":true,"context":[1,2],"options":{"num_predict":-1,"num_thread":2}})",
      Operation::kCompletion);
  ASSERT_EQ(r.messages.size(), 2u);
  EXPECT_EQ(r.messages[0].parts[0].text, "Be brief.");
  EXPECT_EQ(r.messages[1].parts[0].media_type, "image/png");
  EXPECT_EQ(r.messages[1].parts[1].text, "Say it.");
  EXPECT_FALSE(r.max_tokens);
  EXPECT_TRUE(r.stream);
  EXPECT_THAT(r.unread, ElementsAre("options.num_thread", "suffix", "template", "raw", "context"));
}

TEST(OllamaRequest, OnlyTheModelChangesOnTheWayToAnOllamaServer) {
  std::string body = R"({ "model" : "m", "messages":[],"keep_alive":0, "new":{"b":1,"a":2} })";
  ModelRequest request;
  ASSERT_TRUE(read(body, request, Operation::kChat));
  EXPECT_TRUE(ollama_wire().upstream_edits(request, "m").empty());
  EXPECT_EQ(ollama_wire().upstream_edits(request, "n:7b").str(),
            R"({ "model" : "n:7b", "messages":[],"keep_alive":0, "new":{"b":1,"a":2} })");
  EXPECT_EQ(ollama_wire().relay_path(Operation::kChat, request, "n"), "/api/chat");
}

TEST(OllamaRequest, LoadsAndUnloads) {
  auto answer = [](std::string_view body, Operation operation) {
    ModelRequest request;
    EXPECT_TRUE(read(body, request, operation)) << body;
    auto text = load_answer({.operation = operation, .model = "m", .created_s = 1}, request);
    return text.value_or("none");
  };
  EXPECT_EQ(
      answer(R"({"model":"m"})", Operation::kChat),
      R"({"model":"m","created_at":"1970-01-01T00:00:01.000000000Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"load"})");
  EXPECT_EQ(
      answer(R"({"model":"m","messages":[],"keep_alive":0})", Operation::kChat),
      R"({"model":"m","created_at":"1970-01-01T00:00:01.000000000Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"unload"})");
  EXPECT_THAT(answer(R"({"model":"m","prompt":"","keep_alive":"0s"})", Operation::kCompletion),
              HasSubstr(R"("response":"","done":true,"done_reason":"unload")"));
  EXPECT_THAT(answer(R"({"model":"m","keep_alive":"10m"})", Operation::kCompletion), HasSubstr("\"load\""));
  EXPECT_EQ(answer(R"({"model":"m","prompt":"x"})", Operation::kCompletion), "none");
  EXPECT_EQ(answer(with(""), Operation::kChat), "none");
  EXPECT_EQ(answer(R"({"model":"m","prompt":""})", Operation::kEmbedding), "none");
  // To a server that loads nothing, an empty conversation is nothing to send.
  EXPECT_EQ(verdict(R"({"model":"m","messages":[]})"), "messages invalid_value");
  EXPECT_EQ(verdict(R"({"model":"m"})", Operation::kCompletion), "prompt missing_required_parameter");
}

// ---------------------------------------------------------------------------------- requests out

TEST(OllamaUpstream, WritesWhatItReads) {
  EXPECT_EQ(
      through(R"({"model":"m","stream":false,"messages":[
      {"role":"system","content":"S"},{"role":"user","content":"U","images":["iVBORw0KGgo"]},
      {"role":"assistant","content":"","thinking":"T","tool_calls":[{"id":"c","function":{"name":"f","arguments":{"a": 1}}}]},
      {"role":"tool","content":"R","tool_call_id":"c"}],
      "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}],
      "format":"json","think":false,"options":{"num_predict":5,"temperature":0.5,"top_k":4,"seed":-1,"stop":["x"]}})"),
      R"({"model":"other","stream":false,"messages":[{"role":"system","content":"S"},)"
      R"({"role":"user","content":"U","images":["iVBORw0KGgo"]},)"
      R"({"role":"assistant","content":"","thinking":"T","tool_calls":[{"id":"c","function":{"index":0,"name":"f","arguments":{"a": 1}}}]},)"
      R"({"role":"tool","content":"R","tool_name":"f","tool_call_id":"c"}],)"
      R"("tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}],)"
      R"("format":"json","think":false,"options":{"num_predict":5,"temperature":0.5,"top_k":4,"seed":-1,"stop":["x"]}})");
}

TEST(OllamaUpstream, ASecondWayThroughChangesNothing) {
  for (
      std::string_view body :
      {R"({"model":"other","messages":[{"role":"user","content":"a\u0000\ud83d\ude00"}],"think":"low","options":{"min_p":0.1,"top_p":0.2}})",
       R"({"model":"other","stream":false,"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f"}},{"function":{"name":"g","arguments":{"x":[]}}}]},
           {"role":"tool","tool_name":"g","content":"1"},{"role":"tool","tool_name":"f","images":["AAAA"]},{"role":"user"}],
           "format":{"type":"string"},"options":{"presence_penalty":1,"frequency_penalty":2,"repeat_penalty":1.5}})"}) {
    std::string once = through(body);
    EXPECT_EQ(through(once), once);
  }
}

TEST(OllamaUpstream, NamesWhatItCannotSay) {
  chat::Request r;
  r.unread = {"logit_bias"};
  r.answers = 2;
  r.logprobs = true;
  r.user = "u";
  r.service_tier = "flex";
  r.tool_choice = {.kind = chat::ToolChoice::Kind::kRequired, .parallel = false};
  r.tools.push_back({.name = "f", .strict = true, .cache_control = "{}"});
  r.reasoning = {.budget_tokens = 1000};
  auto& parts = r.messages.emplace_back().parts;
  r.messages[0].name = "ada";
  parts.push_back({.kind = PartKind::kImage, .url = "https://example.com/a.png"});
  parts.push_back({.kind = PartKind::kText, .text = "a", .cache_control = "{}"});
  parts.push_back({.kind = PartKind::kText, .text = "b"});
  parts.push_back({.kind = PartKind::kFile, .data = "AAAA"});
  parts.push_back({.kind = PartKind::kFile, .text = "a text"});
  r.messages.push_back({.role = Role::kAssistant,
                        .parts = {{.kind = PartKind::kThinking, .text = "t", .signature = "s"},
                                  {.kind = PartKind::kRedactedThinking, .data = "d"},
                                  {.kind = PartKind::kRefusal, .text = "no"}}});
  EXPECT_EQ(
      written(r),
      R"({"model":"other","stream":false,"messages":[{"role":"user","content":"a\nb\na text"},{"role":"assistant","content":"no","thinking":"t"}],)"
      R"("tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}],"think":true,"options":{}})"
      " {messages.name} {messages.content.image.url} {messages.content.cache_control} "
      "{messages.content.document}"
      " {messages.content.signature} {messages.content.redacted_thinking} {tool_choice} {parallel_tool_calls}"
      " {tools.strict} {tools.cache_control} {reasoning.budget_tokens} {n} {logprobs} {user} {service_tier} "
      "{logit_bias}");
}

TEST(OllamaUpstream, Efforts) {
  auto think = [](std::string effort, std::optional<bool> enabled = {}) {
    chat::Request r;
    r.reasoning = {.enabled = enabled, .effort = std::move(effort)};
    std::string out = written(r);
    size_t at = out.find("\"think\":");
    return at == std::string::npos ? "-" : out.substr(at + 8, out.find(',', at) - at - 8);
  };
  EXPECT_EQ(think("low"), "\"low\"");
  EXPECT_EQ(think("max"), "\"max\"");
  EXPECT_EQ(think("minimal"), "\"low\"");
  EXPECT_EQ(think("xhigh"), "\"max\"");
  EXPECT_EQ(think("none"), "false");
  EXPECT_EQ(think("", true), "true");
  EXPECT_EQ(think("high", false), "false");
  EXPECT_EQ(think(""), "-");
}

TEST(OllamaUpstream, AModelThatMayCallNoToolSeesNone) {
  chat::Request r;
  r.tools.push_back({.name = "f"});
  r.tool_choice.kind = chat::ToolChoice::Kind::kNone;
  EXPECT_THAT(written(r), Not(HasSubstr("tools")));
}

TEST(OllamaUpstream, ArgumentsAreAnObjectOnOneLine) {
  auto arguments = [](std::string text) {
    chat::Request r;
    r.messages.push_back(
        {.role = Role::kAssistant,
         .parts = {{.kind = PartKind::kToolCall, .text = std::move(text), .id = "c", .name = "f"}}});
    std::string out = written(r);
    std::string_view key = R"("arguments":)";
    size_t at = out.find(key) + key.size();
    return out.substr(at, out.find("}}]", at) - at);
  };
  EXPECT_EQ(arguments(R"({"a":1.50, "b":"\u00e4"})"), R"({"a":1.50, "b":"\u00e4"})");
  EXPECT_EQ(arguments(""), "{}");
  EXPECT_EQ(arguments("{\r\n  \"a\": 1\n}\n"), "{    \"a\": 1 }");
  EXPECT_EQ(arguments(R"({"a":)"), R"({"arguments":"{\"a\":"})");
  EXPECT_EQ(arguments("[1]"), R"({"arguments":"[1]"})");
}

// ---------------------------------------------------------------------------------- embeddings

TEST(OllamaEmbedding, TheMembersTellTheTwoKindsApart) {
  struct Row {
    std::string_view body, path, upstream, answer;
  };
  const Row kRows[] = {
      {R"({"model":"m","input":"a","dimensions":3})", "/api/embed",
       R"({"model":"n","input":["a"],"dimensions":3})",
       R"({"model":"m","embeddings":[[1,-2e-3],[3]],"total_duration":9,"load_duration":0,"prompt_eval_count":4})"},
      {R"({"model":"m","input":["a","b"],"dimensions":0,"truncate":true,"options":{}})", "/api/embed",
       R"({"model":"n","input":["a","b"]} {truncate} {options})",
       R"({"model":"m","embeddings":[[1,-2e-3],[3]],"total_duration":9,"load_duration":0,"prompt_eval_count":4})"},
      {R"({"model":"m","prompt":"a","keep_alive":1})", "/api/embeddings",
       R"({"model":"n","input":["a"]} {keep_alive})", R"({"embedding":[1,-2e-3]})"},
  };
  for (const Row& row : kRows) {
    ModelRequest request;
    ASSERT_TRUE(read(row.body, request, Operation::kEmbedding)) << row.body;
    EXPECT_FALSE(request.stream);
    EXPECT_EQ(ollama_wire().relay_path(Operation::kEmbedding, request, "n"), row.path);
    auto embedding = ollama_wire().read_embedding(request);
    ASSERT_TRUE(embedding);
    chat::Losses losses;
    std::string upstream = ollama_wire().write_embedding_request(*embedding, "n", losses);
    for (const std::string& field : losses.fields())
      upstream += " {" + field + "}";
    EXPECT_EQ(upstream, row.upstream);
    EmbeddingAnswer answer{.vectors = {"[1,-2e-3]", "[3]"}, .usage = {.input_tokens = 4}};
    EXPECT_EQ(ollama_wire().write_embedding(
                  {.operation = Operation::kEmbedding, .model = "m", .elapsed_ns = 9}, request, answer),
              row.answer);
  }
  EXPECT_EQ(verdict(R"({"model":"m","prompt":"a","input":"b"})", Operation::kEmbedding),
            "prompt invalid_value");
  EXPECT_EQ(verdict(R"({"model":"m"})", Operation::kEmbedding), "input missing_required_parameter");
  EXPECT_EQ(verdict(R"({"model":"m","input":["a",1]})", Operation::kEmbedding), "input[1] invalid_value");
  EXPECT_EQ(verdict(R"({"model":"m","input":{}})", Operation::kEmbedding), "input invalid_value");
}

TEST(OllamaEmbedding, ReadsAnswers) {
  auto vectors = [](std::string_view text) -> std::string {
    json::Parser parser;
    json::PaddedBuffer bytes(text);
    auto answer = ollama_wire().read_embedding_answer(*parser.parse(bytes.view()));
    if (!answer) return answer.error().reason;
    std::string out = std::to_string(answer->usage.input_tokens.value_or(-1));
    for (const std::string& vector : answer->vectors)
      out += " " + vector;
    return out;
  };
  EXPECT_EQ(vectors(R"({"model":"m","embeddings":[[0.1,-2E+3],[]],"prompt_eval_count":8})"),
            "8 [0.1,-2E+3] []");
  EXPECT_EQ(vectors(R"({"embedding":[1]})"), "-1 [1]");
  EXPECT_EQ(vectors(R"({"embeddings":[["1"]]})"), "malformed_response");
  EXPECT_EQ(vectors(R"({"embeddings":[1]})"), "malformed_response");
  EXPECT_EQ(vectors(R"({"embeddings":1})"), "malformed_response");
  EXPECT_EQ(vectors("[]"), "malformed_response");
}

}  // namespace
}  // namespace weir::wire::ollama
