// Requests of the Anthropic wire: what is refused, what becomes of them on the way through the canonical
// tree, and what other dialects' requests look like when an Anthropic server gets them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weir/wire/anthropic/anthropic.h"
#include "weir/wire/openai/openai.h"

namespace weir::wire::anthropic {
namespace {

using exchange::ModelRequest;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string refusal(const Error& e) {
  EXPECT_EQ(e.code, ErrorCode::kInvalidRequest);
  EXPECT_FALSE(e.safe.empty());
  return e.param + " " + e.reason;
}

// "parameter reason", or "ok".
std::string verdict(std::string_view body, Operation operation = Operation::kChat) {
  json::Parser parser;
  ModelRequest request;
  request.body = json::PaddedBuffer(body);
  auto read = read_request(operation, parser, request);
  return read ? "ok" : refusal(read.error());
}

std::string chat_with(std::string_view more) {
  return R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}])" + std::string(more) +
         "}";
}

Result<chat::Request> canonical(const Wire& wire, std::string_view body) {
  json::Parser parser;
  ModelRequest request;
  request.body = json::PaddedBuffer(body);
  TRY_VOID(wire.read_request(Operation::kChat, parser, request));
  return wire.read_chat(Operation::kChat, request);
}

// The request that a server of `to` gets for one of `from`; losses in braces behind it. It is one JSON
// document in any case.
std::string through(const Wire& from, const Wire& to, std::string_view body,
                    std::string_view model = "other") {
  auto request = canonical(from, body);
  if (!request) return refusal(request.error());
  chat::Losses losses;
  std::string out = to.write_chat(*request, model, losses);
  json::Parser parser;
  json::PaddedBuffer bytes{std::string_view(out)};
  EXPECT_TRUE(parser.parse(bytes.view())) << out;
  for (const std::string& field : losses.fields())
    out += " {" + field + "}";
  return out;
}
std::string to_openai(std::string_view body) {
  return through(anthropic_wire(), openai::openai_wire(), body);
}
std::string from_openai(std::string_view body, std::string_view model = "other") {
  return through(openai::openai_wire(), anthropic_wire(), body, model);
}
std::string there_and_back(std::string_view body, std::string_view model = "other") {
  return through(anthropic_wire(), anthropic_wire(), body, model);
}

// -------------------------------------------------------------------------------------------- validation

TEST(AnthropicRequest, NamesTheParameterOfTheWrongType) {
  struct Row {
    std::string_view parameter, right, wrong;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"temperature", "0.7", "\"1\""},
           {"top_p", "1", "1.5"},
           {"top_k", "40", "4.5"},
           {"stream", "true", "1"},
           {"system", "\"s\"", "{}"},
           {"system", "[]", "7"},
           {"tools", "[]", "{}"},
           {"tool_choice", "{}", "\"auto\""},
           {"stop_sequences", "[]", "\"x\""},
           {"metadata", "{}", "[]"},
           {"thinking", "{}", "true"},
           {"output_config", "{}", "\"high\""},
           {"output_format", "null", "\"json\""},
           {"service_tier", "\"auto\"", "1"},
           {"container", "\"id\"", "1"},
           {"mcp_servers", "[]", "{}"},
           {"cache_control", "{}", "\"ephemeral\""},
           {"context_management", "{}", "[]"},
       }) {
    auto with = [&](std::string_view value) {
      return chat_with(",\"" + std::string(row.parameter) + "\":" + std::string(value));
    };
    EXPECT_EQ(verdict(with(row.right)), "ok") << row.parameter;
    EXPECT_EQ(verdict(with(row.wrong)), std::string(row.parameter) + " invalid_value") << row.parameter;
  }
  EXPECT_EQ(verdict(chat_with(R"(,"base_url":"http://x")")), "base_url unknown_parameter");
  EXPECT_EQ(verdict(chat_with(R"(,"newer_than_weir":{"a":1})")), "ok");
}

TEST(AnthropicRequest, NeedsMessagesAndMaxTokens) {
  EXPECT_EQ(verdict(R"({"model":"m","messages":[1]})"), "max_tokens missing_required_parameter");
  EXPECT_EQ(verdict(R"({"model":"m","max_tokens":-1,"messages":[1]})"), "max_tokens invalid_value");
  EXPECT_EQ(verdict(R"({"model":"m","max_tokens":0,"messages":[1]})"), "ok");
  EXPECT_EQ(verdict(R"({"model":"m","max_tokens":1})"), "messages missing_required_parameter");
  // A server of this dialect may take none (llama.cpp does); what is translated needs some.
  constexpr std::string_view kNone = R"({"model":"m","max_tokens":1,"messages":[]})";
  EXPECT_EQ(verdict(kNone), "ok");
  auto read = canonical(anthropic_wire(), kNone);
  ASSERT_FALSE(read);
  EXPECT_EQ(refusal(read.error()), "messages invalid_value");
  EXPECT_EQ(verdict(R"({"max_tokens":1,"messages":[1]})"), "model missing_required_parameter");
  EXPECT_EQ(verdict("[]"), " invalid_json");
}

TEST(AnthropicRequest, CountTokensNeedsNoMaxTokens) {
  EXPECT_EQ(verdict(R"({"model":"m","messages":[1]})", Operation::kCountTokens), "ok");
  EXPECT_EQ(verdict(R"({"model":"m"})", Operation::kCountTokens), "messages missing_required_parameter");
  EXPECT_EQ(anthropic_wire().path(Operation::kCountTokens, "m", false), "/v1/messages/count_tokens");
  EXPECT_EQ(anthropic_wire().path(Operation::kChat, "m", true), "/v1/messages");
  EXPECT_EQ(anthropic_wire().path(Operation::kCompletion, "m", false), "/v1/messages");
}

TEST(AnthropicRequest, WhatTheDialectHasNot) {
  EXPECT_EQ(verdict(R"({"model":"m","input":"a"})", Operation::kEmbedding), " unsupported_operation");
  EXPECT_EQ(verdict(R"({"model":"m","prompt":"a"})", Operation::kCompletion), " unsupported_operation");
  EXPECT_FALSE(anthropic_wire().read_embedding({}));
  EXPECT_FALSE(anthropic_wire().read_embedding_answer({}));
}

TEST(AnthropicRequest, OnlyTheModelChangesOnTheWayUp) {
  json::Parser parser;
  ModelRequest request;
  std::string body =
      R"({ "max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"\u00e4","cache_control":{"type":"ephemeral","ttl":"1h"}}]}], "model":"m", "x":{"b":1,"a":2},"stream":true})";
  request.body = json::PaddedBuffer(std::string_view(body));
  ASSERT_TRUE(read_request(Operation::kChat, parser, request));
  EXPECT_TRUE(request.stream);
  EXPECT_TRUE(request.usage_wanted);
  EXPECT_TRUE(anthropic_wire().upstream_edits(request, "m").empty());
  std::string expected = body;
  expected.replace(expected.find(R"("m")"), 3, R"("claude")");
  EXPECT_EQ(anthropic_wire().upstream_edits(request, "claude").str(), expected);
}

TEST(AnthropicRequest, PassesTheDialectsHeaders) {
  EXPECT_TRUE(anthropic_wire().passes_header("anthropic-version"));
  EXPECT_TRUE(anthropic_wire().passes_header("Anthropic-Beta"));
  EXPECT_FALSE(anthropic_wire().passes_header("anthropic-bet"));
  EXPECT_FALSE(anthropic_wire().passes_header("x-api-key"));
  EXPECT_FALSE(anthropic_wire().passes_header("authorization"));
  ASSERT_EQ(anthropic_wire().default_headers().size(), 1u);
  EXPECT_EQ(anthropic_wire().default_headers()[0].name, "anthropic-version");
}

// ----------------------------------------------------------------------------- through the tree and back

// Every member that the tree can hold, written the way this wire writes it.
TEST(AnthropicChat, ComesBackByteForByte) {
  std::string body =
      R"({"model":"other","max_tokens":9000,"system":[{"type":"text","text":"Be \"brief\".","cache_control":{"type":"ephemeral"}},)"
      R"({"type":"text","text":"And kind."}],"messages":[)"
      R"({"role":"user","content":[{"type":"text","text":"Look"},)"
      R"({"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"AAAA"},"cache_control":{"type":"ephemeral","ttl":"1h"}},)"
      R"({"type":"image","source":{"type":"url","url":"https://x/y.png"}},)"
      R"({"type":"image","source":{"type":"file","file_id":"file_1"}},)"
      R"({"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="},"title":"Paper"},)"
      R"({"type":"document","source":{"type":"text","media_type":"text/plain","data":"plain"}},)"
      R"({"type":"document","source":{"type":"url","url":"https://x/y.pdf"}},)"
      R"({"type":"document","source":{"type":"file","file_id":"file_2"}}]},)"
      R"({"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"c2ln+/=="},)"
      R"({"type":"redacted_thinking","data":"ZGF0YQ=="},{"type":"text","text":"I will call."},)"
      R"({"type":"tool_use","id":"toolu_1","name":"f","input":{"b": 1, "a":[2]}},)"
      R"({"type":"tool_use","id":"toolu_2","name":"g","input":{},"cache_control":{"type":"ephemeral"}}]},)"
      R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"42"},)"
      R"({"type":"tool_result","tool_use_id":"toolu_2","content":[{"type":"text","text":"see"},)"
      R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"BBBB"}}],"is_error":true},)"
      R"({"type":"text","text":"Go on."}]},{"role":"assistant","content":"So"}],)"
      R"("tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{}},"strict":true,"cache_control":{"type":"ephemeral"}},)"
      R"({"name":"g","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true},)"
      R"("thinking":{"type":"disabled"},"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}},)"
      R"("temperature":0.5,"top_p":0.9,"top_k":40,"stop_sequences":["END","\n\nHuman:"],"metadata":{"user_id":"u1"},)"
      R"("service_tier":"auto","stream":true})";
  EXPECT_EQ(there_and_back(body), body);
}

TEST(AnthropicChat, ThinkingComesBack) {
  std::string head = R"({"model":"other","max_tokens":9000,"messages":[{"role":"user","content":"hi"}],)";
  for (std::string_view rest : {
           R"("thinking":{"type":"enabled","budget_tokens":2000}})",
           R"("thinking":{"type":"enabled","budget_tokens":2000,"display":"omitted"}})",
       })
    EXPECT_EQ(there_and_back(head + std::string(rest)), head + std::string(rest));
  head.replace(head.find("other"), 5, "claude-opus-4-8");
  for (std::string_view rest : {
           R"("thinking":{"type":"adaptive"}})",
           R"("thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"xhigh"}})",
       })
    EXPECT_EQ(there_and_back(head + std::string(rest), "claude-opus-4-8"), head + std::string(rest));
  // output_format is where the schema stood before.
  EXPECT_THAT(
      there_and_back(chat_with(R"(,"output_format":{"type":"json_schema","schema":{"type":"object"}})")),
      HasSubstr(R"("output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}})"));
}

TEST(AnthropicChat, StandsInOpenAisWords) {
  EXPECT_EQ(
      to_openai(
          R"({"model":"m","max_tokens":9,"system":"S","messages":[{"role":"user","content":"hi"},)"
          R"({"role":"assistant","content":[{"type":"text","text":"ok"},{"type":"tool_use","id":"t1","name":"f","input":{"a":1}}]},)"
          R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"42"}]}]}],)"
          R"("tools":[{"type":"custom","name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"},)"
          R"("service_tier":"standard_only","stop_sequences":["x"],"top_k":5})"),
      R"({"model":"other","messages":[{"role":"system","content":"S"},{"role":"user","content":"hi"},)"
      R"({"role":"assistant","content":"ok","tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},)"
      R"({"role":"tool","tool_call_id":"t1","content":"42"}],)"
      R"("tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":"required",)"
      R"("max_completion_tokens":9,"top_k":5,"stop":["x"],"service_tier":"default"})");
}

TEST(AnthropicChat, NamesWhatOnlyItsOwnServersCanDo) {
  std::string out = to_openai(
      R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"container_upload","file_id":"f"},)"
      R"({"type":"document","source":{"type":"text","media_type":"text/plain","data":"d"},"context":"c","citations":{"enabled":true}},)"
      R"({"type":"document","source":{"type":"content","content":[{"type":"text","text":"piece"}]},"citations":{"enabled":false}},)"
      R"({"type":"search_result","title":"T","source":"S","content":[{"type":"text","text":"found"}]}]},)"
      R"({"role":"assistant","content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{}},)"
      R"({"type":"web_search_tool_result","tool_use_id":"s","content":[]},{"type":"text","text":"ok","citations":[{"type":"char_location"}]}]}],)"
      R"("tools":[{"type":"web_search_20250305","name":"web_search"},{"name":"f","input_schema":{},"defer_loading":true,"input_examples":[{}]}],)"
      R"("tool_choice":{"type":"tool","name":"web_search"},"mcp_servers":[],"container":"c","we\nird":1,)"
      R"("cache_control":{"type":"ephemeral"},"inference_geo":"us","output_config":{"task_budget":{"type":"tokens","total":1}}})");
  EXPECT_THAT(out, HasSubstr(R"({"type":"text","text":"piece"})"));
  EXPECT_THAT(out, HasSubstr(R"({"type":"text","text":"T\nS\n\nfound"})"));
  EXPECT_THAT(out, HasSubstr(R"("role":"assistant","content":"ok"})"));
  EXPECT_THAT(out, Not(HasSubstr("tool_choice\":")));
  EXPECT_THAT(
      out,
      EndsWith("{messages.content.container_upload} {messages.content.context} {messages.content.citations} "
               "{messages.content.search_result} {messages.content.server_tool_use} "
               "{messages.content.web_search_tool_result} {tools.web_search_20250305} {tools.defer_loading} "
               "{tools.input_examples} {tool_choice} {output_config.task_budget} {mcp_servers} {container} "
               "{unknown parameter} {cache_control} {inference_geo}"));
}

TEST(AnthropicChat, ACompactionIsItsSummary) {
  EXPECT_THAT(
      to_openai(
          R"({"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"compaction","content":"so far"}]},{"role":"user","content":"go"}]})"),
      HasSubstr(R"({"role":"assistant","content":"so far"})"));
}

TEST(AnthropicChat, NamesTheBlockAtFault) {
  auto with = [](std::string_view messages, std::string_view more = "") {
    return to_openai(R"({"model":"m","max_tokens":9,"messages":[)" + std::string(messages) + "]" +
                     std::string(more) + "}");
  };
  auto user = [&](std::string_view block) {
    return with(R"({"role":"user","content":"hi"},{"role":"user","content":[)" + std::string(block) + "]}");
  };
  auto assistant = [&](std::string_view block) {
    return with(R"({"role":"assistant","content":[)" + std::string(block) + "]}");
  };
  auto choice = [&](std::string_view more) { return with(R"({"role":"user","content":"hi"})", more); };
  EXPECT_EQ(with("1"), "messages[0] invalid_value");
  EXPECT_EQ(with(R"({"content":"x"})"), "messages[0].role invalid_value");
  EXPECT_EQ(with(R"({"role":"tool","content":"x"})"), "messages[0].role invalid_value");
  EXPECT_EQ(with(R"({"role":"user"})"), "messages[0].content invalid_value");
  EXPECT_EQ(with(R"({"role":"user","content":{}})"), "messages[0].content invalid_value");
  EXPECT_EQ(user("7"), "messages[1].content[0] invalid_value");
  EXPECT_EQ(user("{}"), "messages[1].content[0].type invalid_value");
  EXPECT_EQ(user(R"({"type":"smell"})"), "messages[1].content[0].type invalid_value");
  EXPECT_EQ(user(R"({"type":"text"})"), "messages[1].content[0].text invalid_value");
  EXPECT_EQ(user(R"({"type":"text","text":"a"},{"type":"image"})"),
            "messages[1].content[1].source invalid_value");
  EXPECT_EQ(user(R"({"type":"image","source":{"type":"ftp"}})"),
            "messages[1].content[0].source.type invalid_value");
  EXPECT_EQ(user(R"({"type":"image","source":{"type":"base64","data":"A"}})"),
            "messages[1].content[0].source.media_type invalid_value");
  EXPECT_EQ(user(R"({"type":"document","source":{"type":"content"}})"),
            "messages[1].content[0].source.content invalid_value");
  EXPECT_EQ(user(R"({"type":"document","source":{"type":"content","content":[{"type":"document"}]}})"),
            "messages[1].content[0].source.content[0].type invalid_value");
  EXPECT_EQ(user(R"({"type":"tool_use","id":"a","name":"f","input":{}})"),
            "messages[1].content[0].type invalid_value");
  EXPECT_EQ(user(R"({"type":"tool_result"})"), "messages[1].content[0].tool_use_id invalid_value");
  EXPECT_EQ(
      user(
          R"({"type":"tool_result","tool_use_id":"a","content":[{"type":"tool_result","tool_use_id":"b"}]})"),
      "messages[1].content[0].content[0].type invalid_value");
  EXPECT_EQ(assistant(R"({"type":"tool_result","tool_use_id":"a"})"),
            "messages[0].content[0].type invalid_value");
  EXPECT_EQ(assistant(R"({"type":"image","source":{"type":"url","url":"u"}})"),
            "messages[0].content[0].type invalid_value");
  EXPECT_EQ(assistant(R"({"type":"tool_use","id":"a","name":"f","input":"{}"})"),
            "messages[0].content[0].input invalid_value");
  EXPECT_EQ(assistant(R"({"type":"thinking","signature":"s"})"),
            "messages[0].content[0].thinking invalid_value");
  EXPECT_EQ(assistant(R"({"type":"redacted_thinking"})"), "messages[0].content[0].data invalid_value");
  EXPECT_EQ(choice(R"(,"system":[{"type":"image","source":{"type":"url","url":"u"}}])"),
            "system[0].type invalid_value");
  EXPECT_EQ(choice(R"(,"tools":[7])"), "tools[0] invalid_value");
  EXPECT_EQ(choice(R"(,"tools":[{"input_schema":{}}])"), "tools[0].name invalid_value");
  EXPECT_EQ(choice(R"(,"tools":[{"name":"f"}])"), "tools[0].input_schema invalid_value");
  EXPECT_EQ(choice(R"(,"tools":[{"type":"a\r\nset-cookie: b"}])"), "tools[0].type invalid_value");
  EXPECT_EQ(choice(R"(,"tool_choice":{"type":"some"})"), "tool_choice.type invalid_value");
  EXPECT_EQ(choice(R"(,"tool_choice":{"type":"tool"})"), "tool_choice.name invalid_value");
  EXPECT_EQ(choice(R"(,"thinking":{"type":"deep"})"), "thinking.type invalid_value");
  EXPECT_EQ(choice(R"(,"thinking":{"type":"enabled"})"), "thinking.budget_tokens invalid_value");
  EXPECT_EQ(choice(R"(,"output_format":{"type":"yaml"})"), "output_format.type invalid_value");
  EXPECT_EQ(choice(R"(,"output_config":{"format":{"type":"json_schema"}})"),
            "output_config.format.schema invalid_value");
  EXPECT_EQ(choice(R"(,"stop_sequences":["a",1])"), "stop_sequences[1] invalid_value");
}

// ------------------------------------------------------------------------------------ from other dialects

TEST(AnthropicWrites, WhatAnOpenAiCallerAsks) {
  EXPECT_EQ(
      from_openai(
          R"({"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"developer","content":"Be kind."},)"
          R"({"role":"user","content":[{"type":"text","text":"Look"},)"
          R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},)"
          R"({"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,CCCC"}},)"
          R"({"type":"file","file":{"filename":"a.txt","file_data":"data:text/plain;base64,aGk="}}]},)"
          R"({"role":"assistant","content":"","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}},)"
          R"({"id":"c2","type":"function","function":{"name":"f","arguments":""}}]},)"
          R"({"role":"tool","tool_call_id":"c1","content":"41"},{"role":"tool","tool_call_id":"c2","content":"42"},)"
          R"({"role":"user","content":"And?"}],)"
          R"("tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{}}}},{"type":"function","function":{"name":"g"}}],)"
          R"("tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,"temperature":0.5,"stop":["a"," "],"user":"u"})"),
      R"({"model":"other","max_tokens":4096,"system":[{"type":"text","text":"Be brief."},{"type":"text","text":"Be kind."}],)"
      R"("messages":[{"role":"user","content":[{"type":"text","text":"Look"},)"
      R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},)"
      R"({"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"CCCC"},"title":"a.pdf"},)"
      R"({"type":"document","source":{"type":"text","media_type":"text/plain","data":"hi"},"title":"a.txt"}]},)"
      R"({"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"f","input":{"a": 1}},)"
      R"({"type":"tool_use","id":"c2","name":"f","input":{}}]},)"
      R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"41"},)"
      R"({"type":"tool_result","tool_use_id":"c2","content":"42"},{"type":"text","text":"And?"}]}],)"
      R"("tools":[{"name":"f","input_schema":{"type":"object","properties":{}}},)"
      R"({"name":"g","input_schema":{"type":"object","properties":{}}}],)"
      R"("tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},"temperature":0.5,)"
      R"("stop_sequences":["a"],"metadata":{"user_id":"u"}} {stop})");
}

TEST(AnthropicWrites, ThinkingOnlyWithItsSignature) {
  std::string out = from_openai(
      R"({"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","reasoning_content":"hm","content":"ok"},{"role":"user","content":"go"}]})");
  EXPECT_THAT(out, HasSubstr(R"({"role":"assistant","content":"ok"})"));
  EXPECT_THAT(out, EndsWith("} {messages.content.thinking}"));
}

TEST(AnthropicWrites, WhatItCannotSayIsNamed) {
  std::string head =
      R"({"model":"m","messages":[{"role":"user","name":"ada","content":[{"type":"text","text":"hi"},)";
  EXPECT_THAT(
      from_openai(
          head +
          R"({"type":"input_audio","input_audio":{"data":"B","format":"wav"}},{"type":"file","file":{"file_data":"data:application/zip;base64,AAAA"}},)"
          R"({"type":"image_url","image_url":{"url":"https://x","detail":"low"}}]}],"seed":1,"n":2,"logprobs":true,"top_logprobs":3,)"
          R"("presence_penalty":1,"frequency_penalty":0,"min_p":0.1,"repetition_penalty":1.1,"logit_bias":{"1":1},)"
          R"("response_format":{"type":"json_object"},"service_tier":"flex","temperature":1.7,"tool_choice":"required"})"),
      EndsWith(R"({"type":"image","source":{"type":"url","url":"https://x"}}]}],"temperature":1} )"
               "{messages.name} {messages.content.audio} {messages.content.file} {messages.content.detail} "
               "{tool_choice} {response_format} {temperature} {service_tier} {min_p} {presence_penalty} "
               "{repetition_penalty} {seed} {n} {logprobs} {top_logprobs} {logit_bias}"));
  // Defaults said aloud are no loss.
  EXPECT_THAT(
      from_openai(
          R"({"model":"m","messages":[{"role":"user","content":"hi"}],"n":1,"presence_penalty":0,"frequency_penalty":0.0,"logprobs":false,"repetition_penalty":1,"response_format":{"type":"text"},"service_tier":"default"})"),
      EndsWith(R"("service_tier":"standard_only"})"));
}

TEST(AnthropicWrites, MessagesTheApiTakes) {
  // Empty texts go; system messages move up; neighbours join; an answer begun ends in no white space.
  EXPECT_EQ(
      from_openai(
          R"({"model":"m","messages":[{"role":"user","content":"a"},{"role":"user","content":" "},{"role":"system","content":"late"},)"
          R"({"role":"user","content":"b"},{"role":"assistant","content":"So \n"}],"max_completion_tokens":5})"),
      R"({"model":"other","max_tokens":5,"system":"late","messages":[{"role":"user","content":[{"type":"text","text":"a"},)"
      R"({"type":"text","text":"b"}]},{"role":"assistant","content":"So"}]} {messages.role})");
  EXPECT_THAT(
      from_openai(
          R"({"model":"m","messages":[{"role":"assistant","content":"So "},{"role":"user","content":"x"}]})"),
      HasSubstr(R"("content":"So ")"));
  // Results first, wherever the dialect put them.
  EXPECT_THAT(
      there_and_back(
          R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"tool_result","tool_use_id":"t"}]}]})"),
      HasSubstr(R"("content":[{"type":"tool_result","tool_use_id":"t"},{"type":"text","text":"a"}])"));
}

TEST(AnthropicWrites, ArgumentsAndIdsTheApiTakes) {
  auto call = [](std::string_view id, std::string_view arguments) {
    return from_openai(R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":")" +
                       std::string(id) + R"(","type":"function","function":{"name":"f","arguments":")" +
                       std::string(arguments) + R"("}}]},{"role":"tool","tool_call_id":")" + std::string(id) +
                       R"(","content":"x"}]})");
  };
  for (std::string_view broken : {"{\\\"a\\\":", "[1]", "null", "not json", "{} {}"}) {
    std::string out = call("c", broken);
    EXPECT_THAT(out, HasSubstr(R"("input":{"arguments":")" + std::string(broken) + "\"}")) << broken;
    EXPECT_THAT(out, EndsWith("{messages.tool_calls.arguments}"));
  }
  EXPECT_THAT(call("c", " "), HasSubstr(R"("input":{})"));
  std::string out = call("functions.f:0", "{}");
  size_t at = out.find(R"("id":"functions_f_0_)");
  ASSERT_NE(at, std::string::npos) << out;
  std::string id = out.substr(at + 6, out.find('"', at + 6) - at - 6);
  EXPECT_THAT(out, HasSubstr(R"("tool_use_id":")" + id + "\""));
  EXPECT_THAT(call("functions.f.0", "{}"), Not(HasSubstr(id)));  // another id stays another
}

TEST(AnthropicWrites, SamplingThatTheModelTakes) {
  auto with = [](std::string_view model, std::string_view more) {
    std::string out =
        from_openai(R"({"model":"m","max_tokens":8000,"messages":[{"role":"user","content":"hi"}],)" +
                        std::string(more) + "}",
                    model);
    return out.substr(out.find("}]") + 2);
  };
  EXPECT_EQ(with("minimax-m2", R"("temperature":0.5,"top_p":0.9,"top_k":4)"),
            R"(,"temperature":0.5,"top_p":0.9,"top_k":4})");
  EXPECT_EQ(with("claude-sonnet-4-5", R"("temperature":0.5,"top_p":0.9)"), R"(,"temperature":0.5} {top_p})");
  EXPECT_EQ(with("claude-sonnet-4-5", R"("temperature":0.5,"top_p":1)"), R"(,"temperature":0.5})");
  EXPECT_EQ(with("claude-sonnet-4-5", R"("top_p":0.9)"), R"(,"top_p":0.9})");
  EXPECT_EQ(with("claude-opus-4-7", R"("temperature":0.5,"top_p":0.9,"top_k":4)"),
            "} {temperature} {top_p} {top_k}");
  EXPECT_EQ(with("claude-opus-5", R"("temperature":1,"top_p":1)"), "}");
  EXPECT_EQ(with("claude-3-7-sonnet", R"("temperature":0.5,"top_k":4,"reasoning_effort":"low")"),
            R"(,"thinking":{"type":"enabled","budget_tokens":2048}} {temperature} {top_k})");
}

TEST(AnthropicWrites, StructuredOutput) {
  EXPECT_THAT(
      from_openai(
          R"({"model":"m","messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true}}})"),
      EndsWith(R"("output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}})"));
}

TEST(AnthropicWrites, CompletionsAreChat) {
  json::Parser parser;
  ModelRequest request;
  request.body = json::PaddedBuffer(std::string_view(R"({"model":"m","prompt":"once","max_tokens":5})"));
  const Wire& openai = openai::openai_wire();
  ASSERT_TRUE(openai.read_request(Operation::kCompletion, parser, request));
  auto canonical = openai.read_chat(Operation::kCompletion, request);
  ASSERT_TRUE(canonical);
  chat::Losses losses;
  EXPECT_EQ(write_chat(*canonical, "c", losses),
            R"({"model":"c","max_tokens":5,"messages":[{"role":"user","content":"once"}]})");
}

}  // namespace
}  // namespace weir::wire::anthropic
