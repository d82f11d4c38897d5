// The OpenAI wire: what is refused and how it is named, which bytes change on the way up, what the frames of
// many model servers mean on the way down.
#include "weir/wire/openai/openai.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace weir::wire::openai {
namespace {

using exchange::ModelRequest;
using exchange::Operation;
using ::testing::HasSubstr;
using ::testing::Not;

// Reads a body; the request lives on in `request`.
Result<void> read(std::string_view body, ModelRequest& request, Operation operation = Operation::kChat) {
  json::Parser parser;
  request.body = json::PaddedBuffer(body);
  Result<void> result = read_request(operation, parser, request);
  (void)parser.parse(json::PaddedBuffer(R"({"an\u0061ther":"document"})").view());
  return result;
}

std::string chat(std::string_view more) {
  return R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + std::string(more) + "}";
}

// "parameter reason", or "ok".
std::string verdict(std::string_view body, Operation operation = Operation::kChat) {
  ModelRequest request;
  Result<void> r = read(body, request, operation);
  if (r) return "ok";
  EXPECT_EQ(r.error().code, ErrorCode::kInvalidRequest) << body;
  EXPECT_FALSE(r.error().safe.empty()) << body;
  return r.error().param + " " + r.error().reason;
}

// ---------------------------------------------------------------------------------- requests

TEST(OpenAiRequest, NamesTheParameterOfTheWrongType) {
  struct Row {
    std::string_view parameter;
    std::vector<std::string_view> right, wrong;
  };
  std::vector<std::string_view> not_number = {"\"1\"", "true", "[]", "{}"};
  std::vector<std::string_view> not_integer = {"\"1\"", "true", "[]", "{}", "1.5", "1e1", "1.0"};
  std::vector<std::string_view> not_bool = {"\"true\"", "1", "[]", "{}"};
  std::vector<std::string_view> not_string = {"1", "true", "[]", "{}"};
  std::vector<std::string_view> not_array = {"1", "true", "\"a\"", "{}"};
  std::vector<std::string_view> not_object = {"1", "true", "\"a\"", "[]"};
  std::vector<std::string_view> not_string_or_array = {"1", "true", "{}"};
  std::vector<std::string_view> not_string_or_object = {"1", "true", "[]"};
  const Row kRows[] = {
      {"temperature", {"0", "0.7", "2", "1e-3", "null"}, not_number},
      {"top_p", {"0", "1", "0.9"}, not_number},
      {"presence_penalty", {"-2", "2"}, not_number},
      {"frequency_penalty", {"-2.0", "2"}, not_number},
      {"n", {"1", "128", "null"}, not_integer},
      {"best_of", {"1"}, not_integer},
      {"max_tokens", {"0", "4096"}, not_integer},
      {"max_completion_tokens", {"1", "1073741824"}, not_integer},
      {"max_output_tokens", {"1"}, not_integer},
      {"max_new_tokens", {"1"}, not_integer},
      {"min_tokens", {"0"}, not_integer},
      {"top_logprobs", {"0", "20"}, not_integer},
      {"logprobs", {"true", "false", "5", "null"}, {"\"1\"", "[]", "{}", "1.5"}},
      {"seed", {"-9223372036854775808", "9223372036854775807", "0"}, not_integer},
      {"dimensions", {"1", "1024"}, not_integer},
      {"stream", {"true", "false", "null"}, not_bool},
      {"store", {"true"}, not_bool},
      {"echo", {"false"}, not_bool},
      {"parallel_tool_calls", {"false"}, not_bool},
      {"user", {"\"u\"", "null"}, not_string},
      {"suffix", {"\"\""}, not_string},
      {"encoding_format", {"\"float\""}, not_string},
      {"reasoning_effort", {"\"low\""}, not_string},
      {"service_tier", {"\"auto\""}, not_string},
      {"tools", {"[]", "[{}]"}, not_array},
      {"functions", {"[]"}, not_array},
      {"modalities", {"[\"text\"]"}, not_array},
      {"stop", {"\"x\"", "[\"x\"]", "null"}, not_string_or_array},
      {"prompt", {"\"x\"", "[1,2]"}, not_string_or_array},
      {"input", {"\"x\"", "[\"x\"]"}, not_string_or_array},
      {"tool_choice", {"\"auto\"", "{}"}, not_string_or_object},
      {"function_call", {"\"none\"", "{}"}, not_string_or_object},
      {"response_format", {"{}"}, not_object},
      {"stream_options", {"{}", "null"}, not_object},
      {"logit_bias", {"{}", "null"}, not_object},
      {"metadata", {"{}"}, not_object},
  };
  for (const Row& row : kRows) {
    auto with = [&](std::string_view value) {
      return chat(",\"" + std::string(row.parameter) + "\":" + std::string(value));
    };
    for (std::string_view value : row.right)
      EXPECT_EQ(verdict(with(value)), "ok") << row.parameter << " " << value;
    for (std::string_view value : row.wrong)
      EXPECT_EQ(verdict(with(value)), std::string(row.parameter) + " invalid_value") << value;
  }
  EXPECT_EQ(verdict(R"({"model":"m","messages":"hi"})"), "messages invalid_value");
  EXPECT_EQ(verdict(R"({"model":"m","prompt":{}})", Operation::kCompletion), "prompt invalid_value");
  EXPECT_EQ(verdict(R"({"model":"m","input":7})", Operation::kEmbedding), "input invalid_value");
  EXPECT_EQ(verdict(R"({"model":7,"messages":[1]})"), "model invalid_value");
  EXPECT_EQ(verdict(chat(R"(,"stream_options":{"include_usage":1})")),
            "stream_options.include_usage invalid_value");
}

TEST(OpenAiRequest, NamesTheParameterOutOfItsRange) {
  for (std::string_view text :
       {"\"temperature\":-0.1", "\"temperature\":100.5", "\"temperature\":1e400", "\"top_p\":1.01",
        "\"top_p\":-1", "\"n\":0", "\"n\":129", "\"n\":-1", "\"max_tokens\":-1", "\"max_tokens\":99999999999",
        "\"dimensions\":0", "\"top_logprobs\":-1", "\"presence_penalty\":101",
        "\"seed\":99999999999999999999", "\"best_of\":-1"}) {
    std::string name(text.substr(1, text.find('"', 1) - 1));
    EXPECT_EQ(verdict(chat("," + std::string(text))), name + " invalid_value") << text;
  }
}

TEST(OpenAiRequest, NeedsItsInput) {
  EXPECT_EQ(verdict(R"({"messages":[1]})"), "model missing_required_parameter");
  EXPECT_EQ(verdict(R"({"model":null,"messages":[1]})"), "model missing_required_parameter");
  EXPECT_EQ(verdict(R"({"model":"m"})"), "messages missing_required_parameter");
  EXPECT_EQ(verdict(R"({"model":"m","messages":null})"), "messages missing_required_parameter");
  EXPECT_EQ(verdict(R"({"model":"m","messages":[ ]})"), "messages invalid_value");
  EXPECT_EQ(verdict(R"({"model":"m"})", Operation::kCompletion), "prompt missing_required_parameter");
  EXPECT_EQ(verdict(R"({"model":"m","prompt":""})", Operation::kCompletion), "ok");
  EXPECT_EQ(verdict(R"({"model":"m","messages":[1]})", Operation::kEmbedding),
            "input missing_required_parameter");
  EXPECT_EQ(verdict(R"({"model":"m","input":[]})", Operation::kEmbedding), "input invalid_value");
}

TEST(OpenAiRequest, RefusesWhatIsNotOneObject) {
  EXPECT_EQ(verdict(""), " invalid_json");
  EXPECT_EQ(verdict("[]"), " invalid_json");
  EXPECT_EQ(verdict("\"text\""), " invalid_json");
  EXPECT_EQ(verdict(chat("") + "x"), " invalid_json");
  EXPECT_EQ(verdict(R"({"model":"m","messages":[1],"model":"other"})"), " duplicate_key");
  EXPECT_EQ(verdict(R"({"model":"m","messages":[1],"mod\u0065l":"other"})"), " duplicate_key");
}

TEST(OpenAiRequest, RefusesParametersThatChooseWhereItGoes) {
  for (std::string_view name : {"api_base", "base_url", "api_key", "api_version", "custom_host",
                                "extra_headers", "extra_body", "extra_query"})
    for (std::string_view value : {"\"x\"", "{}", "null"})
      EXPECT_EQ(verdict(chat(",\"" + std::string(name) + "\":" + std::string(value))),
                std::string(name) + " unknown_parameter");
  EXPECT_EQ(verdict(chat(R"(,"\u0061pi_base":"x")")), "api_base unknown_parameter");
  for (std::string name :
       {"baseURL", "API_BASE", "apiKey", "Custom-Host", "__base__url__", "aws_session_token"})
    EXPECT_EQ(verdict(chat(",\"" + name + "\":1")), name + " unknown_parameter");
  // '_' count for nothing, so there is no end to them; the refusal has one.
  EXPECT_EQ(verdict(chat(",\"api" + std::string(100'000, '_') + "base\":1")),
            "api" + std::string(61, '_') + " unknown_parameter");
  for (std::string name : {std::string("base"), std::string("api_base_x"), std::string("my_api_base"),
                           std::string(100, 'a'), std::string("_")})
    EXPECT_EQ(verdict(chat(",\"" + name + "\":1")), "ok") << name;
  EXPECT_EQ(verdict(chat(R"(,"mystery":{"api_base":"fine here"})")), "ok");
}

TEST(OpenAiRequest, AModelsNameIsAnIdentifier) {
  for (std::string_view name :
       {"gpt-4o", "meta/llama-3:8b@q4", "a", "ft:gpt:x::y", "m~!#$%&'()*+,;<=>?[]^_`{|}"})
    EXPECT_EQ(verdict(R"({"model":")" + std::string(name) + R"(","messages":[1]})"), "ok") << name;
  EXPECT_EQ(verdict(R"({"model":")" + std::string(256, 'm') + R"(","messages":[1]})"), "ok");
  for (std::string name :
       {std::string(), std::string(257, 'm'), std::string("a b"), std::string("a\\n"), std::string("a\\\"b"),
        std::string("a\\\\b"), std::string("m\xc3\xb6"), std::string("a\\u0000"), std::string("\\u007f")})
    EXPECT_EQ(verdict(R"({"model":")" + name + R"(","messages":[1]})"), "model invalid_value") << name;
}

// What is refused is not kept: the log and the metrics take Exchange::request.model for checked.
TEST(OpenAiRequest, ARefusedNameIsNotKept) {
  ModelRequest request;
  EXPECT_FALSE(read(R"({"model":"x\",\"status\":200,\n\"","messages":[1]})", request));
  EXPECT_EQ(request.model, "");
}

TEST(OpenAiRequest, FillsTheRequest) {
  ModelRequest request;
  ASSERT_TRUE(read(
      R"({"m\u006fdel":"a\/b","messages":[1],"str\u0065am":true,"stream_options":{"incl\u0075de_usage":true}})",
      request));
  EXPECT_EQ(request.model, "a/b");
  EXPECT_TRUE(request.stream);
  EXPECT_TRUE(request.usage_wanted);
  ASSERT_TRUE(request.document.find("model"));  // the parser has read another document since
  EXPECT_EQ(request.document.find("model")->raw, "\"a\\/b\"");
  ASSERT_TRUE(request.document.find("stream"));
}

TEST(OpenAiRequest, EmbeddingsDoNotStream) {
  ModelRequest request;
  ASSERT_TRUE(read(R"({"model":"m","input":"x","stream":true})", request, Operation::kEmbedding));
  EXPECT_FALSE(request.stream);
}

// ------------------------------------------------------------------------------------- on the way up

std::string edited(std::string_view body, std::string_view model) {
  ModelRequest request;
  EXPECT_TRUE(read(body, request)) << body;
  json::Edits edits = upstream_edits(request, model);
  std::string text = edits.str();
  EXPECT_EQ(edits.size(), text.size());
  std::string joined;
  for (std::string_view piece : edits.pieces())
    joined += piece;
  EXPECT_EQ(joined, text);
  json::Parser parser;
  json::PaddedBuffer padded(text);
  EXPECT_TRUE(parser.parse(padded.view())) << text;
  return text;
}

TEST(OpenAiEdits, ReplaceTheModelAndNothingElse) {
  std::string before = "{ \"temperature\" : 0.70 , \"model\" :",
              after = " , \"messages\":[ {\"x\": \"\\u00e9\" } ],\t\"unknown\":1e5}";
  EXPECT_EQ(edited(before + "\"mine\"" + after, "theirs"), before + "\"theirs\"" + after);
  EXPECT_EQ(edited(before + "\"mine\"" + after, "mine"), before + "\"mine\"" + after);
  EXPECT_EQ(edited(before + "\"mi\\u006ee\"" + after, "mine"), before + "\"mi\\u006ee\"" + after);
  EXPECT_EQ(edited(before + "\"mine\"" + after, "with \"quotes\""),
            before + "\"with \\\"quotes\\\"\"" + after);
}

TEST(OpenAiEdits, AskForUsageOnStreams) {
  std::string plain = R"({"model":"m","messages":[1],"stream":true)";
  EXPECT_EQ(edited(plain + "}", "m"),
            R"({"stream_options":{"include_usage":true},"model":"m","messages":[1],"stream":true})");
  EXPECT_EQ(edited(" \n" + plain + "}\n", "m"),
            " \n"
            R"({"stream_options":{"include_usage":true},"model":"m","messages":[1],"stream":true})"
            "\n");
  EXPECT_EQ(edited(plain + R"(,"stream_options":null})", "m"),
            plain + R"(,"stream_options":{"include_usage":true}})");
  EXPECT_EQ(edited(plain + R"(,"stream_options":{}})", "m"),
            plain + R"(,"stream_options":{"include_usage":true}})");
  EXPECT_EQ(edited(plain + R"(,"stream_options":{ "other" : 1 }})", "m"),
            plain + R"(,"stream_options":{"include_usage":true, "other" : 1 }})");
  EXPECT_EQ(edited(plain + R"(,"stream_options":{"include_usage":false}})", "m"),
            plain + R"(,"stream_options":{"include_usage":true}})");
  EXPECT_EQ(edited(plain + R"(,"stream_options":{"a":{"include_usage":0},"include_usage" : null }})", "m"),
            plain + R"(,"stream_options":{"a":{"include_usage":0},"include_usage" : true }})");
  EXPECT_EQ(edited(plain + R"(,"stream_options":{"incl\u0075de_usage":false}})", "m"),
            plain + R"(,"stream_options":{"incl\u0075de_usage":true}})");
}

TEST(OpenAiEdits, LeaveTheRestAlone) {
  for (std::string_view body :
       {R"({"model":"m","messages":[1],"stream":true,"stream_options":{"include_usage": true}})",
        R"({"model":"m","messages":[1],"stream":false})", R"({"model":"m","messages":[1],"stream":null})",
        R"({"model":"m","messages":[1],"stream":false,"stream_options":{"include_usage":false}})"})
    EXPECT_EQ(edited(body, "m"), body);
}

// ------------------------------------------------------------------------------ stream events

EventFacts facts(std::string_view data) {
  return read_event(data, true);
}

TEST(OpenAiEvent, OpenAi) {
  EventFacts role = facts(
      R"({"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null})");
  EXPECT_FALSE(role.has_output || role.finished || role.error || role.malformed || role.done);
  ASSERT_TRUE(role.usage_value);
  EXPECT_EQ(role.usage_value->type, json::Type::kNull);
  EXPECT_FALSE(role.usage);
  EXPECT_FALSE(role.choices_empty);

  EXPECT_TRUE(facts(R"({"choices":[{"index":0,"delta":{"content":" a"},"finish_reason":null}]})").has_output);
  EXPECT_TRUE(facts(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})").finished);
  EXPECT_TRUE(facts(R"({"choices":[{"index":0,"delta":{},"finish_reason" : "length"}]})").finished);

  EventFacts last = facts(
      R"({"id":"c","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":20,"total_tokens":32,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":7}}})");
  ASSERT_TRUE(last.usage);
  EXPECT_TRUE(last.choices_empty);
  EXPECT_EQ(last.usage->input_tokens, 12);
  EXPECT_EQ(last.usage->output_tokens, 20);
  EXPECT_EQ(last.usage->cached_input_tokens, 4);
  EXPECT_EQ(last.usage->reasoning_tokens, 7);

  EXPECT_TRUE(facts("[DONE]").done);
  EXPECT_TRUE(facts(" [DONE] ").done);
}

TEST(OpenAiEvent, EveryKindOfOutput) {
  for (std::string_view delta :
       {R"({"content":"x"})", R"({"reasoning_content":"x"})", R"({"reasoning":"x"})", R"({"refusal":"no"})",
        R"({"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]})",
        R"({"function_call":{"name":"f"}})", R"({"role":"assistant","content":[{"type":"thinking"}]})",
        R"({"audio":{"id":"a","data":"UklGR"}})"})
    EXPECT_TRUE(facts(R"({"choices":[{"index":0,"delta":)" + std::string(delta) + "}]}").has_output) << delta;
  for (std::string_view delta :
       {R"({})", R"({"role":"assistant"})", R"({"content":null})", R"({"content":""})",
        R"({"tool_calls":[]})", R"({"function_call":null})", R"(null)"})
    EXPECT_FALSE(facts(R"({"choices":[{"index":0,"delta":)" + std::string(delta) + "}]}").has_output)
        << delta;
  EXPECT_TRUE(facts(R"({"object":"text_completion","choices":[{"text":"t","index":0}]})").has_output);
  EXPECT_FALSE(facts(R"({"choices":[{"text":"","index":0}]})").has_output);
  EXPECT_FALSE(read_event(R"({"choices":[{"delta":{"content":"x"}}]})", false).has_output);
}

TEST(OpenAiEvent, OtherServers) {
  // Azure: the filter's verdict on the prompt comes first, in a chunk without choices and without usage.
  EventFacts azure = facts(
      R"({"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]})");
  EXPECT_FALSE(azure.malformed || azure.error || azure.usage_value);
  // vLLM, continuous usage: on every chunk, beside the choices.
  EventFacts vllm = facts(
      R"({"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":5,"total_tokens":6,"completion_tokens":1}})");
  ASSERT_TRUE(vllm.usage);
  EXPECT_EQ(vllm.usage->output_tokens, 1);
  EXPECT_FALSE(vllm.choices_empty);
  // llama.cpp: timings beside usage.
  EventFacts llama = facts(
      R"({"choices":[],"usage":{"completion_tokens":3,"prompt_tokens":9,"total_tokens":12},"timings":{"prompt_n":9,"usage":"no"}})");
  ASSERT_TRUE(llama.usage);
  EXPECT_EQ(llama.usage->input_tokens, 9);
  // Usage in a place that is not the chunk's, and in the text.
  EXPECT_FALSE(
      facts(R"({"choices":[{"delta":{"content":"\"usage\":{\"prompt_tokens\":1}"}}],"x_groq":{"usage":{}}})")
          .usage);
  // Pretty printed over several data lines.
  EXPECT_TRUE(facts("{\n \"choices\": [\n  {\"delta\": {\"content\": \"x\"}}]\n}").has_output);
  EXPECT_FALSE(facts("{\"choices\":[]} ").malformed);
}

TEST(OpenAiEvent, UsageIsReadWithCare) {
  auto usage = [](std::string_view text) {
    return facts(R"({"choices":[],"usage":)" + std::string(text) + "}").usage;
  };
  EXPECT_FALSE(usage("{}"));
  EXPECT_FALSE(usage("[1]"));
  EXPECT_FALSE(usage(R"({"prompt_tokens":-1})"));
  EXPECT_FALSE(usage(R"({"prompt_tokens":"5"})"));
  EXPECT_FALSE(usage(R"({"prompt_tokens":99999999999999999999})"));
  ASSERT_TRUE(usage(R"({"prompt_tokens":5,"completion_tokens":null,"prompt_tokens_details":null})"));
  EXPECT_FALSE(usage(R"({"prompt_tokens":5,"completion_tokens":null})")->output_tokens);
  EXPECT_EQ(usage(R"({"completion_tokens":0})")->output_tokens, 0);
}

TEST(OpenAiEvent, Errors) {
  EXPECT_TRUE(facts(R"({"error":{"message":"overloaded","type":"server_error"}})").error);
  EXPECT_TRUE(facts(R"({"object":"error","message":"bad","type":"BadRequestError","code":400})").error);
  EXPECT_TRUE(facts(R"({"error":"model runner has stopped"})").error);
  EXPECT_FALSE(facts(R"({"error":null,"choices":[]})").error);
  EXPECT_FALSE(facts(R"({"choices":[{"delta":{"content":"\"error\":{}"}}]})").error);
  for (std::string_view data : {"", "hello", "{", "{\"a\":1", "[1]", "null", "[DONE]x"})
    EXPECT_TRUE(facts(data).malformed) << data;
}

// Nobody checked these bytes: whatever they are, reading them stays inside them.
TEST(OpenAiEvent, DamagedFramesAreSurvived) {
  const std::string_view kFrames[] = {
      R"({"choices":[{"index":0,"delta":{"content":"a\"b","tool_calls":[{}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens_details":{"reasoning_tokens":1}}})",
      R"({"error":{"message":"\u00e9","code":null},"object":"error","usage":null,"choices":[]})"};
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string_view frame = kFrames[i % 2];
    std::vector<char> bytes(frame.begin(), frame.end());  // exactly sized: a sanitizer sees every byte beyond
    for (int n = static_cast<int>(random() % 4); n >= 0; --n)
      bytes[random() % bytes.size()] = "{}[]\",:\\\n x1"[random() % 12];
    if (i % 3 == 0) bytes.resize(random() % bytes.size());
    std::vector<char> exact(bytes);
    std::string_view data(exact.data(), exact.size());
    EventFacts f = read_event(data, true);
    if (f.usage_value) {
      std::string without = without_usage(data);
      EXPECT_TRUE(without.starts_with("data: ") && without.ends_with("\n\n"));
      EXPECT_EQ(without.find('\n'), without.size() - 2);
    }
  }
}

TEST(OpenAiEvent, WithoutUsage) {
  EXPECT_EQ(without_usage(R"({"a":1,"usage":null})"), "data: {\"a\":1}\n\n");
  EXPECT_EQ(without_usage(R"({"usage":{"prompt_tokens":1},"a":1})"), "data: {\"a\":1}\n\n");
  EXPECT_EQ(without_usage(R"({"a":1, "usage":{} , "b":{"usage":2}})"),
            "data: {\"a\":1, \"b\":{\"usage\":2}}\n\n");
  EXPECT_EQ(without_usage(R"({"usage":1})"), "data: {}\n\n");
  EXPECT_EQ(without_usage(R"({"\u0075sage":1,"a":1})"), "data: {\"a\":1}\n\n");
  // Data that came on several lines leaves on one: the line ends were white space between tokens.
  std::string joined = without_usage("{\"a\":1,\n\"usage\":null,\n\"b\":2}");
  EXPECT_EQ(joined.find('\n'), joined.size() - 2) << joined;
  EXPECT_THAT(joined, HasSubstr("\"b\":2}"));
}

// -------------------------------------------------------------------------------- whole answers

std::optional<exchange::Usage> usage_in(std::string_view answer) {
  json::Parser parser;
  json::PaddedBuffer padded(answer);
  auto document = parser.parse(padded.view());
  if (!document) return std::nullopt;
  return usage_of(*document);
}

TEST(OpenAiAnswer, Usage) {
  EXPECT_FALSE(usage_in("{}"));
  EXPECT_FALSE(usage_in(R"({"usage":null})"));
  auto embedding = usage_in(R"({"usage":{"prompt_tokens":5,"total_tokens":5}})");
  ASSERT_TRUE(embedding);
  EXPECT_EQ(embedding->input_tokens, 5);
  EXPECT_FALSE(embedding->output_tokens);
}

// -------------------------------------------------------------------------------- errors and lists

TEST(OpenAiError, HasItsShapeAndType) {
  EXPECT_EQ(
      error_body(make_error(ErrorCode::kInvalidRequest, "bad \"n\"", "n", "invalid_value")),
      R"({"error":{"message":"bad \"n\"","type":"invalid_request_error","param":"n","code":"invalid_value"}})");
  EXPECT_EQ(
      error_body(internal_error(ErrorCode::kUpstream, "10.0.0.1 refused")),
      R"({"error":{"message":"The model server failed.","type":"upstream_error","param":null,"code":"upstream"}})");
  EXPECT_EQ(error_event(make_error(ErrorCode::kRateLimited, "slow\ndown")),
            "data: {\"error\":{\"message\":\"slow\\ndown\",\"type\":\"rate_limit_error\",\"param\":null,"
            "\"code\":\"rate_limited\"}}\n\n");
  for (int code = 0; code <= static_cast<int>(ErrorCode::kConfig); ++code) {
    std::string body = error_body(internal_error(static_cast<ErrorCode>(code), "the operator's eyes only"));
    EXPECT_THAT(body, Not(HasSubstr("operator's eyes")));
  }
}

TEST(OpenAiModels, AreListed) {
  EXPECT_EQ(models_body({}),
            R"({"object":"list","data":[],"has_more":false,"first_id":null,"last_id":null})");
  ModelEntry a{.id = "a", .owned_by = "x", .created = 7};
  EXPECT_EQ(
      models_body({a, {.id = "b", .owned_by = "y", .more = R"("aliases":["c"])"}}),
      R"({"object":"list","data":[{"id":"a","object":"model","created":7,"owned_by":"x","type":"model","display_name":"a","created_at":"1970-01-01T00:00:07.000Z"},)"
      R"({"id":"b","object":"model","created":0,"owned_by":"y","type":"model","display_name":"b","created_at":"1970-01-01T00:00:00.000Z","aliases":["c"]}],)"
      R"("has_more":false,"first_id":"a","last_id":"b"})");
  EXPECT_EQ(
      model_body(a),
      R"({"id":"a","object":"model","created":7,"owned_by":"x","type":"model","display_name":"a","created_at":"1970-01-01T00:00:07.000Z"})");
}

}  // namespace
}  // namespace weir::wire::openai
