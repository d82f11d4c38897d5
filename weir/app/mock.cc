#include "weir/app/mock.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "weir/base/json_write.h"
#include "weir/io/net/runtime.h"

namespace weir::app {

struct MockServer::Script {
  bool streaming = false;
  bool embedding = false;
  bool completion = false;
  bool usage_wanted = false;
  int64_t inputs = 1;
  int64_t frames = 8;
  int64_t frame_delay_ms = 0;
  int64_t delay_ms = 0;
  int64_t first_frame_delay_ms = 0;
  int64_t text_bytes = 0;
  int64_t status = 200;
  int64_t after = 4;
  int64_t text_seed = -1;
  int64_t tag = -1;
  bool done = true;
  std::string usage = "final";
  std::string fault;
  std::string model = "mock";
  OwnedHeaders headers;

  void read(const json::Document& document);
  /// The word of frame `index`.
  std::string word(int64_t index) const {
    if (text_seed >= 0) return mock_word(text_seed, index, text_bytes);
    return text_bytes > 0 ? std::string(static_cast<size_t>(text_bytes), 'x') : " token";
  }
  std::string usage_json() const {
    int64_t output = text_seed >= 0 ? frames : 20;
    return fmt::format(R"("usage":{{"prompt_tokens":12,"completion_tokens":{},"total_tokens":{}}})", output,
                       12 + output);
  }
};

std::string mock_word(int64_t seed, int64_t index, int64_t bytes) {
  uint64_t mixed = (static_cast<uint64_t>(seed) * 0x9e3779b97f4a7c15 + static_cast<uint64_t>(index)) *
                   0xbf58476d1ce4e5b9;  // the words of two texts, and of two places, differ
  std::string word = fmt::format(" {}-{:04x}", index, mixed >> 48);
  if (word.size() < static_cast<size_t>(std::max<int64_t>(bytes, 0)))
    word.append(static_cast<size_t>(bytes) - word.size(), 'x');
  return word;
}

namespace {

int64_t integer(std::string_view object, std::string_view key, int64_t otherwise) {
  auto v = json::find_in(object, key);
  return v ? v->as_int().value_or(otherwise) : otherwise;
}

std::string text(std::string_view object, std::string_view key, std::string_view otherwise) {
  auto v = json::find_in(object, key);
  return v && v->type == json::Type::kString ? *v->as_string() : std::string(otherwise);
}

std::string frame(const std::string& model, std::string_view choices, std::string_view more = {}) {
  return fmt::format(
      "data: "
      "{{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"{}"
      "\","
      "\"choices\":[{}]{}}}\n\n",
      model, choices, more);
}

}  // namespace

void MockServer::Script::read(const json::Document& document) {
  if (const auto* v = document.find("stream")) streaming = v->as_bool().value_or(false);
  if (const auto* v = document.find("model")) model = v->as_string().value_or("mock");
  if (const auto* v = document.find("stream_options"); v && v->type == json::Type::kObject)
    if (auto include = json::find_in(v->raw, "include_usage"))
      usage_wanted = include->as_bool().value_or(false);
  if (const auto* v = document.find("input"); v && v->type == json::Type::kArray)
    inputs = static_cast<int64_t>(json::elements_of(v->raw).size());
  const auto* mock = document.find("mock");
  if (!mock || mock->type != json::Type::kObject) return;
  frames = integer(mock->raw, "frames", frames);
  frame_delay_ms = integer(mock->raw, "frame_delay_ms", 0);
  delay_ms = integer(mock->raw, "delay_ms", 0);
  first_frame_delay_ms = integer(mock->raw, "first_frame_delay_ms", 0);
  text_bytes = integer(mock->raw, "text_bytes", 0);
  text_seed = integer(mock->raw, "text_seed", -1);
  tag = integer(mock->raw, "tag", -1);
  status = integer(mock->raw, "status", 200);
  after = integer(mock->raw, "after", after);
  usage = text(mock->raw, "usage", usage);
  fault = text(mock->raw, "fault", "");
  if (auto v = json::find_in(mock->raw, "done")) done = v->as_bool().value_or(true);
  if (auto v = json::find_in(mock->raw, "headers"); v && v->type == json::Type::kObject)
    for (const json::Member& m : json::members_of(v->raw))
      headers.emplace_back(m.key, m.value.as_string().value_or(""));
}

io::Task<bool> MockServer::pause(Duration after, io::Cancel& cancel) {
  if (after.count() <= 0) co_return !cancel.requested();
  co_return co_await io::sleep(loop_, after, cancel);
}

std::string MockServer::error_body(const Error& error) {
  std::string body = R"({"error":{"message":)";
  json::append_quoted(body, error.message);
  return body + R"(,"type":"mock_error","param":null,"code":null}})";
}

io::Task<void> MockServer::serve(http::Request& request, http::ResponseWriter& response) {
  if (request.head.method == "GET") {
    bool stats = request.head.path == "/mock/stats";
    std::string body =
        stats ? fmt::format(R"({{"requests":{},"open":{},"left":{}}})", requests_, open_, left_)
              : R"({"object":"list","data":[{"id":"mock","object":"model","created":0,"owned_by":"weir"}]})";
    std::array<Header, 1> headers{Header{"content-type", "application/json"}};
    co_await response.send(200, headers, body);
    co_return;
  }
  ++requests_;
  ++open_;
  int64_t tag = -1;
  co_await answer(request, response, tag);
  --open_;
  if (watcher_ && tag >= 0) watcher_->on_call_end(tag, request.cancel.reason());
  if (request.cancel.reason() == io::CancelReason::kClientLeft) ++left_;
}

io::Task<void> MockServer::answer(http::Request& request, http::ResponseWriter& response, int64_t& tag) {
  Script script;
  script.embedding = request.head.path.ends_with("/embeddings");
  script.completion =
      request.head.path.ends_with("/completions") && !request.head.path.ends_with("/chat/completions");
  auto body = co_await request.read_body(64 << 20);
  if (!body) co_return;
  auto document = parser_.parse(body->view());
  if (!document) {
    std::array<Header, 1> headers{Header{"content-type", "application/json"}};
    co_await response.send(400, headers, error_body(document.error()));
    co_return;
  }
  script.read(*document);
  tag = script.tag;
  const Header* id = find_header(request.head.headers, "x-weir-request-id");
  if (watcher_) watcher_->on_call(tag, id ? id->value : std::string_view());
  if (script.fault == "hang") {
    co_await pause(seconds(3600), request.cancel);
    co_return;
  }
  if (!co_await pause(milliseconds(script.delay_ms), request.cancel)) co_return;
  if (script.streaming && script.status == 200 && script.fault != "html")
    co_await stream(script, request, response);
  else
    co_await whole(script, request, response);
}

io::Task<void> MockServer::stream(const Script& script, http::Request& request,
                                  http::ResponseWriter& response) {
  std::vector<Header> headers{
      {"content-type", "text/event-stream"}, {"cache-control", "no-cache"}, {"x-request-id", "req_mock"}};
  for (const auto& [name, value] : script.headers)
    headers.push_back({name, value});
  response.begin(200, headers);
  if (script.fault == "hang_after_head" || script.first_frame_delay_ms > 0) {
    if (!co_await response.write({})) co_return;
    Duration wait = script.fault == "hang_after_head" ? Duration(seconds(3600))
                                                      : Duration(milliseconds(script.first_frame_delay_ms));
    if (!co_await pause(wait, request.cancel)) co_return;
  }
  auto chunk_of = [&](int64_t i) {
    std::string word = script.word(i);
    if (script.completion)
      return frame(script.model, fmt::format(R"({{"index":0,"text":"{}","finish_reason":null}})", word));
    std::string_view role = i == 0 ? R"("role":"assistant",)" : "";
    return frame(
        script.model,
        fmt::format(R"({{"index":0,"delta":{{{}"content":"{}"}},"finish_reason":null}})", role, word));
  };
  std::string chunk;
  for (int64_t i = 0; i < script.frames; ++i) {
    if (i == script.after && !script.fault.empty()) {
      if (script.fault == "cut") co_return;  // the handler ends without end(): the connection is cut
      if (script.fault == "hang_mid") {
        co_await pause(seconds(3600), request.cancel);
        co_return;
      }
      std::string_view bad;
      if (script.fault == "malformed") bad = "data: {this is not json\n\n";
      if (script.fault == "error_event")
        bad = "data: {\"error\":{\"message\":\"mock overload\",\"type\":\"server_error\",\"code\":null}}\n\n";
      if (!bad.empty()) {
        co_await response.end(bad);
        co_return;
      }
    }
    if (i < 2 || script.text_seed >= 0) chunk = chunk_of(i);  // all later ones are as the second
    if (watcher_ && script.tag >= 0) watcher_->on_words(script.tag, i + 1);
    if (!co_await response.write(chunk)) co_return;
    if (!co_await pause(milliseconds(script.frame_delay_ms), request.cancel)) co_return;
  }
  if (script.fault == "no_finish") {
    co_await response.end();
    co_return;
  }
  bool with_finish = script.usage == "with_finish";
  std::string last = frame(script.model,
                           script.completion ? R"({"index":0,"text":"","finish_reason":"stop"})"
                                             : R"({"index":0,"delta":{},"finish_reason":"stop"})",
                           with_finish ? "," + script.usage_json() : "");
  if (script.usage == "final" && script.usage_wanted)
    last += frame(script.model, "", "," + script.usage_json());
  if (script.fault != "no_done" && script.done) last += "data: [DONE]\n\n";
  co_await response.end(last);
}

io::Task<void> MockServer::whole(const Script& script, http::Request&, http::ResponseWriter& response) {
  std::vector<Header> headers{{"content-type", "application/json"}, {"x-request-id", "req_mock"}};
  for (const auto& [name, value] : script.headers)
    headers.push_back({name, value});
  std::string body;
  if (script.fault == "html") {
    headers[0].value = "text/html";
    body = "<html><body>Welcome to the login page</body></html>";
  } else if (script.status != 200) {
    body = fmt::format(
        R"({{"error":{{"message":"mock status {0}","type":"mock_error","param":null,"code":"mock_{0}"}}}})",
        script.status);
  } else if (script.embedding) {
    body = R"({"object":"list","data":[)";
    for (int64_t i = 0; i < script.inputs; ++i)
      body += fmt::format(R"({}{{"object":"embedding","index":{},"embedding":[0.1,0.2,0.3,0.4]}})",
                          i ? "," : "", i);
    body += fmt::format(R"(],"model":"{}","usage":{{"prompt_tokens":5,"total_tokens":5}}}})", script.model);
  } else {
    std::string content;
    for (int64_t i = 0; script.text_seed >= 0 && i < script.frames; ++i)
      content += script.word(i);
    if (script.text_seed < 0)
      content = script.text_bytes > 0 ? script.word(0)
                                      : "A river is a natural stream of water that flows to a sea or a lake.";
    std::string choice =
        script.completion
            ? fmt::format(R"({{"index":0,"text":"{}","finish_reason":"stop"}})", content)
            : fmt::format(
                  R"({{"index":0,"message":{{"role":"assistant","content":"{}"}},"finish_reason":"stop"}})",
                  content);
    body = fmt::format(
        R"({{"id":"chatcmpl-mock","object":"chat.completion","created":1700000000,"model":"{}","choices":[{}],{}}})",
        script.model, choice, script.usage_json());
  }
  if (script.fault == "cut_body") {
    response.begin(static_cast<int>(script.status), headers);
    co_await response.write(std::string_view(body).substr(0, body.size() / 2));
    co_return;
  }
  co_await response.send(static_cast<int>(script.status), headers, body);
}

int run_mock(const std::string& listen) {
  auto at = io::Address::parse(listen);
  auto runtime = io::net::Runtime::create({.cores = 1});
  if (!at || !runtime) {
    fmt::print(stderr, "weir mock: {}\n", !at ? at.error().message : runtime.error().message);
    return 1;
  }
  io::Loop& loop = (*runtime)->loop(0);
  MockServer mock(loop);
  http::ServerOptions options;
  options.connections_max = 100'000;
  http::Server server(loop, mock, options);
  io::Network::ListenOptions listen_options;
  listen_options.shared_port = false;
  auto listener = loop.network().listen(*at, listen_options,
                                        [&](std::unique_ptr<io::Stream> s) { server.serve(std::move(s)); });
  if (!listener) {
    fmt::print(stderr, "weir mock: {}\n", listener.error().message);
    return 1;
  }
  io::Address local = (*listener)->local();
  fmt::print("ready url={}\n",
             local.kind == io::Address::Kind::kUnix ? local.to_string() : "http://" + local.to_string());
  std::fflush(stdout);
  io::TaskGroup ending;
  struct End {
    static io::Task<void> run(http::Server& s, io::Loop& l) {
      s.close_all(io::CancelReason::kShutdown);
      co_await s.tasks().idle();
      l.stop();
    }
  };
  bool told = false;
  (*runtime)->on_signals([&](int) {
    if (told) return;
    told = true;
    (*listener).reset();
    ending.start(End::run(server, loop));
  });
  (*runtime)->run();
  return 0;
}

}  // namespace weir::app
