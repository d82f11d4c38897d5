// x-weir-lossy is complete: whatever a caller says reaches the model server of another dialect, or is named
// as lost, or the request is refused. Tried by leaving out: a request that says all that a dialect's
// reference knows is translated again and again, each time without one of its members. If that changes
// neither what the model server gets nor the losses, then the member was dropped without a word.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "weir/wire/wire.h"

namespace weir::wire {
namespace {

using exchange::Dialect;
using json::Type;
using json::Value;

struct Asked {
  std::string_view name;
  Dialect dialect;
  Operation operation;
  std::string_view body;
};

constexpr Asked kAsked[] = {
    {"chat", Dialect::kOpenAi, Operation::kChat, R"({"model":"m",
 "messages":[
  {"role":"system","content":"Be brief.","name":"boss"},
  {"role":"developer","content":[{"type":"text","text":"Really.","cache_control":{"type":"ephemeral"}}]},
  {"role":"user","name":"ann","content":[{"type":"text","text":"What?"},
    {"type":"image_url","image_url":{"url":"data:image/png;base64,aGk=","detail":"low"}},
    {"type":"image_url","image_url":{"url":"https://images.test/c.jpg"}},
    {"type":"input_audio","input_audio":{"data":"aGk=","format":"wav"}},
    {"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}}]},
  {"role":"assistant","name":"bob","content":"I look.","reasoning_content":"Hm.","refusal":"Not that.",
   "audio":{"id":"audio-1"},
   "tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},
  {"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"rain"}]},
  {"role":"user","content":"So?"}],
 "tools":[{"type":"function","function":{"name":"f","description":"d","strict":true,
    "parameters":{"type":"object","properties":{"a":{"type":"integer"}}}}},
   {"type":"custom","custom":{"name":"g","description":"free"}}],
 "tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,
 "response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","strict":true,
    "schema":{"type":"object"}}},
 "reasoning_effort":"low","verbosity":"low","max_completion_tokens":100,"temperature":0.5,"top_p":0.9,"top_k":40,
 "min_p":0.1,"presence_penalty":0.5,"frequency_penalty":0.25,"repetition_penalty":1.1,"seed":7,"n":2,
 "logprobs":true,"top_logprobs":3,"stop":["END"],"user":"u-1","service_tier":"flex","store":true,
 "metadata":{"topic":"x"},"modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"},
 "logit_bias":{"50256":-100},"prediction":{"type":"content","content":"rain"},"prompt_cache_key":"k",
 "web_search_options":{"search_context_size":"low"}})"},

    {"chat with a kept file", Dialect::kOpenAi, Operation::kChat, R"({"model":"m","messages":[{"role":"user",
 "content":[{"type":"file","file":{"file_id":"file-1"}}]}]})"},
    {"response with a kept file", Dialect::kResponses, Operation::kChat,
     R"({"model":"m","input":[{"role":"user",
 "content":[{"type":"input_text","text":"x"},{"type":"input_file","file_id":"file-1"}]}]})"},
    {"response with a file elsewhere", Dialect::kResponses, Operation::kChat, R"({"model":"m","input":[
 {"role":"user","content":[{"type":"input_text","text":"x"},
  {"type":"input_file","file_url":"https://files.test/a.pdf"}]}]})"},
    {"message with a kept image", Dialect::kAnthropic, Operation::kChat,
     R"({"model":"m","max_tokens":9,"messages":[
 {"role":"user","content":[{"type":"image","source":{"type":"file","file_id":"file_1"}}]}]})"},
    {"message with a kept document", Dialect::kAnthropic, Operation::kChat, R"({"model":"m","max_tokens":9,
 "messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"file_1"}}]}]})"},
    {"message with a document elsewhere", Dialect::kAnthropic, Operation::kChat,
     R"({"model":"m","max_tokens":9,
 "messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://f.test/a"}}]}]})"},

    {"completion", Dialect::kOpenAi, Operation::kCompletion, R"({"model":"m","prompt":"Once","suffix":"end.",
 "max_tokens":100,"temperature":0.5,"top_p":0.9,"presence_penalty":0.5,"frequency_penalty":0.25,"seed":7,"n":2,
 "logprobs":2,"stop":"END","user":"u-1","echo":true,"best_of":3,"logit_bias":{"50256":-100}})"},

    {"responses", Dialect::kResponses, Operation::kChat, R"({"model":"m","instructions":"Be brief.",
 "input":[
  {"type":"message","role":"user","content":[{"type":"input_text","text":"What?"},
    {"type":"input_image","image_url":"data:image/png;base64,aGk=","detail":"low"},
    {"type":"input_image","image_url":"https://images.test/c.jpg"},
    {"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}]},
  {"type":"reasoning","summary":[{"type":"summary_text","text":"Hm."}],"encrypted_content":"c2ln"},
  {"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look."},
    {"type":"refusal","refusal":"Not that."}]},
  {"type":"function_call","call_id":"c1","name":"f","arguments":"{\"a\":1}"},
  {"type":"function_call_output","call_id":"c1","output":"rain"},
  {"type":"web_search_call","id":"ws_1","status":"completed"},
  {"role":"user","content":"So?"}],
 "tools":[{"type":"function","name":"f","description":"d","strict":true,
    "parameters":{"type":"object","properties":{"a":{"type":"integer"}}}},{"type":"web_search"}],
 "tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":false,
 "text":{"verbosity":"low","format":{"type":"json_schema","name":"n","description":"d","strict":true,
    "schema":{"type":"object"}}},
 "reasoning":{"effort":"low","summary":"auto"},"max_output_tokens":100,"max_tool_calls":3,"temperature":0.5,
 "top_p":0.9,"top_logprobs":3,"user":"u-1","service_tier":"flex","prompt_cache_key":"k","truncation":"auto",
 "include":["message.output_text.logprobs"]})"},

    {"messages", Dialect::kAnthropic, Operation::kChat, R"({"model":"m","max_tokens":30000,
 "system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral","ttl":"1h"}}],
 "messages":[
  {"role":"user","content":[{"type":"text","text":"What?","cache_control":{"type":"ephemeral"}},
    {"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}},
    {"type":"image","source":{"type":"url","url":"https://images.test/c.jpg"}},
    {"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="},
     "title":"A","context":"C","citations":{"enabled":true}},
    {"type":"document","source":{"type":"text","media_type":"text/plain","data":"plain"},"title":"B"},
    {"type":"document","source":{"type":"content","content":[{"type":"text","text":"cut"}]},"title":"D"},
    {"type":"search_result","source":"https://s.test","title":"S","content":[{"type":"text","text":"found"}],
     "citations":{"enabled":true}}]},
  {"role":"assistant","content":[
    {"type":"thinking","thinking":"Hm.","signature":"c2ln"},{"type":"redacted_thinking","data":"cmVk"},
    {"type":"text","text":"I look.","citations":[{"type":"char_location","cited_text":"x"}]},
    {"type":"server_tool_use","id":"srv_1","name":"web_search","input":{}},
    {"type":"tool_use","id":"t1","name":"f","input":{"a":1},"cache_control":{"type":"ephemeral"}}]},
  {"role":"user","content":[
    {"type":"tool_result","tool_use_id":"t1","is_error":true,"cache_control":{"type":"ephemeral"},
     "content":[{"type":"text","text":"rain"},
       {"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}]},
    {"type":"text","text":"So?"}]}],
 "tools":[{"name":"f","description":"d","strict":true,"cache_control":{"type":"ephemeral"},
    "input_schema":{"type":"object","properties":{"a":{"type":"integer"}}},"defer_loading":true,
    "input_examples":[{"a":1}],"allowed_callers":["direct"]},
   {"type":"web_search_20250305","name":"web_search","max_uses":3}],
 "tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},
 "thinking":{"type":"enabled","budget_tokens":16000,"display":"omitted"},
 "output_config":{"effort":"low","task_budget":{"type":"tokens","total":9000},
    "format":{"type":"json_schema","schema":{"type":"object"}}},
 "stop_sequences":["END"],"temperature":1,"top_p":0.9,"top_k":40,"metadata":{"user_id":"u-1"},
 "service_tier":"standard_only","container":"c_1","mcp_servers":[{"type":"url","url":"https://m.test","name":"m"}],
 "context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]},"inference_geo":"eu","speed":"fast",
 "cache_control":{"type":"ephemeral"}})"},

    {"ollama chat", Dialect::kOllama, Operation::kChat, R"({"model":"m","messages":[
  {"role":"system","content":"Be brief."},
  {"role":"user","content":"What?","images":["iVBORw0KGgo="]},
  {"role":"assistant","content":"I look.","thinking":"Hm.",
   "tool_calls":[{"id":"c1","function":{"index":0,"name":"f","arguments":{"a":1}}}]},
  {"role":"tool","tool_name":"f","tool_call_id":"c1","content":"rain"},
  {"role":"user","content":"So?"}],
 "tools":[{"type":"function","function":{"name":"f","description":"d",
    "parameters":{"type":"object","properties":{"a":{"type":"integer"}}}}}],
 "format":{"type":"object"},"think":"low","keep_alive":"5m","logprobs":true,"top_logprobs":3,"stream":false,
 "truncate":true,"shift":true,
 "options":{"temperature":0.5,"top_k":40,"top_p":0.9,"min_p":0.1,"typical_p":0.5,"num_predict":100,"num_ctx":4096,
    "num_keep":3,"num_batch":8,"num_gpu":1,"main_gpu":0,"num_thread":2,"repeat_last_n":64,"repeat_penalty":1.1,
    "presence_penalty":0.5,"frequency_penalty":0.25,"seed":7,"use_mmap":true,"stop":["END"]}})"},

    {"ollama generate", Dialect::kOllama, Operation::kCompletion,
     R"({"model":"m","prompt":"Once","suffix":"end.",
 "system":"Be brief.","images":["iVBORw0KGgo="],"template":"{{.}}","raw":true,"context":[1,2],"format":"json",
 "think":true,"keep_alive":"5m","stream":false,"options":{"temperature":0.5}})"},
};

// What says nothing to a model server of another dialect: constants, what is said twice, what holds anyway
// (schemas are kept to strictly by all that take them), labels, and what the answer's form depends on.
constexpr std::string_view kSaysNothing[] = {
    "model",
    "stream",
    "messages.tool_calls.type",
    "messages.tool_calls.function.index",
    "tool_choice.type",
    "tools.type",
    "response_format.json_schema.name",
    "response_format.json_schema.strict",
    "text.format.name",
    "text.format.strict",
    "input.type",                           // "message" where there is none
    "reasoning.summary",                    // "auto": what all others do
    "input.summary.type",                   // a constant
    "messages.content.source.media_type",   // of documents: PDF or text, by the source's type
    "messages.content.input_audio.format",  // Ollama reads it off the bytes
    "messages.tool_name",
    "messages.tool_call_id",  // either one says which call is answered
};

// How the canonical tree, and so a loss, calls what stands at `path`: its first part, and its last.
std::string head_of(std::string_view path) {
  std::string_view head = path.substr(0, path.find('.'));
  if (head == "thinking" || head == "think" || path == "output_config.effort") return "reasoning";
  if (head == "format" || path.starts_with("output_config.format") || path.starts_with("text.format"))
    return "response_format";
  if (head == "input" || head == "system") return "messages";
  return std::string(head);
}
std::string_view tail_of(std::string_view path) {
  std::string_view key = path.substr(path.rfind('.') + 1);
  if (key == "title" || key == "filename") return "name";
  if (key == "display") return "summary";
  if (key == "file_url") return "url";
  return key;
}

struct Translated {
  std::string body;
  std::vector<std::string> losses;
  bool operator==(const Translated&) const = default;
};

// nullopt: refused.
std::optional<Translated> translated(const Asked& asked, std::string_view body, Dialect to) {
  const Wire& from = wire_of(asked.dialect);
  json::Parser parser;
  exchange::ModelRequest request;
  request.body = json::PaddedBuffer(body);
  if (!from.read_request(asked.operation, parser, request)) return std::nullopt;
  auto chat = from.read_chat(asked.operation, request);
  if (!chat) return std::nullopt;
  chat::Losses losses;
  Translated out;
  // As upstream/ does for every translation.
  if (chat->logprobs.value_or(false)) losses.add("logprobs");
  if (chat->top_logprobs.value_or(0) > 0) losses.add("top_logprobs");
  chat->logprobs.reset();
  chat->top_logprobs.reset();
  out.body = wire_of(to).write_chat(*chat, "other", losses);
  out.losses = losses.fields();
  return out;
}

class Walk {
 public:
  Walk(const Asked& asked, Dialect to) : asked_(asked), to_(to), all_(translated(asked, asked.body, to)) {}

  std::vector<std::string> silent() {
    if (!all_) return {"the whole request is refused"};
    json::Parser parser;
    json::PaddedBuffer bytes(asked_.body);
    auto document = parser.parse(bytes.view());
    if (!document) return {"it is no JSON"};
    text_ = bytes.view();
    members(document->root, "");
    return silent_;
  }

 private:
  // What stands there stays as it is, and is no parameter.
  static bool is_opaque(std::string_view key) {
    constexpr std::string_view kOpaque[] = {"parameters", "input_schema", "schema",
                                            "input",      "arguments",    "cache_control"};
    return std::ranges::find(kOpaque, key) != std::end(kOpaque);
  }
  bool named(std::string_view path) const {
    std::string head = head_of(path);
    std::string_view tail = tail_of(path);
    return std::ranges::any_of(all_->losses, [&](const std::string& loss) {
      return loss == path || loss == head || (loss.starts_with(head + ".") && tail_of(loss) == tail);
    });
  }
  enum class Found : uint8_t { kCarried, kNamed, kSilent };
  Found without(const json::Edits& edits, std::string_view path) const {
    auto less = translated(asked_, edits.str(), to_);
    if (!less || less->body != all_->body) return Found::kCarried;
    return less->losses != all_->losses || (!path.empty() && named(path)) ? Found::kNamed : Found::kSilent;
  }
  void inside(const Value& value, const std::string& path) {
    if (value.type == Type::kObject) members(value, path);
    if (value.type != Type::kArray) return;
    for (const Value& element : json::elements_of(value.raw)) {
      json::Edits edits(text_);
      edits.remove_element(element);
      if (without(edits, "") != Found::kNamed) inside(element, path);
    }
  }
  void members(const Value& object, const std::string& path) {
    for (const json::Member& member : json::members_of(object.raw)) {
      std::string at = path.empty() ? std::string(member.key) : path + "." + std::string(member.key);
      if (std::ranges::find(kSaysNothing, at) != std::end(kSaysNothing)) continue;
      json::Edits edits(text_);
      edits.remove_member(member);
      Found found = without(edits, at);
      if (found == Found::kSilent) silent_.push_back(at);
      bool whole = is_opaque(member.key) && !(asked_.dialect == Dialect::kResponses && at == "input");
      if (found == Found::kCarried && !whole) inside(member.value, at);
    }
  }

  const Asked& asked_;
  const Dialect to_;
  const std::optional<Translated> all_;
  std::string_view text_;
  std::vector<std::string> silent_;
};

TEST(Losses, NothingIsDroppedWithoutAWord) {
  for (const Asked& asked : kAsked)
    for (Dialect to : {Dialect::kOpenAi, Dialect::kAnthropic, Dialect::kOllama, Dialect::kGemini}) {
      if (to == asked.dialect) continue;  // relayed
      SCOPED_TRACE(std::string(asked.name) + " to " + std::string(exchange::name(to)));
      EXPECT_THAT(Walk(asked, to).silent(), ::testing::IsEmpty());
    }
}

}  // namespace
}  // namespace weir::wire
