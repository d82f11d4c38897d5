#include "weir/app/mock/server.h"

#include <fmt/format.h>

#include <array>

#include "weir/app/mock/speech.h"
#include "weir/base/assert.h"
#include "weir/base/json_write.h"
#include "weir/wire/ollama/ollama.h"
#include "weir/wire/openai/openai.h"

namespace weir::app {
namespace {

using exchange::Dialect;

constexpr size_t kSeenMax = 16;
constexpr size_t kInvoiceLinesMax = 2'000'000;
constexpr size_t kSeenBodyBytesMax = 256 << 10;
constexpr Duration kForEver = seconds(3600);

std::vector<Header> headers_of(const Script& script, Dialect dialect, std::string_view content_type) {
  std::string_view id = dialect == Dialect::kAnthropic ? "request-id" : "x-request-id";
  std::vector<Header> headers{
      {"content-type", script.content_type.empty() ? content_type : script.content_type}, {id, "req_mock"}};
  for (const auto& [name, value] : script.headers)
    headers.push_back({name, value});
  return headers;
}

// Headers that no client wants to read: `bytes` of them, `filler` the value of each.
void add_filler(std::vector<Header>& headers, int64_t bytes, std::string_view filler) {
  for (; bytes > 0; bytes -= static_cast<int64_t>(filler.size()))
    headers.push_back({"x-filler", filler.substr(0, static_cast<size_t>(bytes))});
}

// The stream's last frame gone, where the dialect has one that only says so.
void drop_terminator(std::string& frames, const wire::Wire& wire) {
  if (wire.dialect() == Dialect::kGemini) return;
  std::string_view end = wire.framing() == wire::Framing::kNdjson ? "\n" : "\n\n";
  std::string_view all(frames);
  if (!all.ends_with(end)) return;
  size_t before = all.substr(0, all.size() - end.size()).rfind(end);
  frames.resize(before == std::string_view::npos ? 0 : before + end.size());
}

std::string malformed_frame(const wire::Wire& wire) {
  if (wire.framing() == wire::Framing::kNdjson) return "{this is not json\n";
  std::string_view event = wire.dialect() == Dialect::kAnthropic ? "event: content_block_delta\n" : "";
  return fmt::format("{}data: {{this is not json\n\n", event);
}

bool goes_on(const exchange::chat::Request& asked) {
  const auto& messages = asked.messages;
  auto is_assistants = [&](size_t from_the_end) {
    return messages.size() >= from_the_end &&
           messages[messages.size() - from_the_end].role == exchange::chat::Role::kAssistant;
  };
  return is_assistants(1) || is_assistants(2);
}

Error stream_error(const Script& script, Dialect dialect) {
  bool overloaded = dialect == Dialect::kAnthropic;  // what its servers say in a stream most of the time
  return make_error(overloaded ? ErrorCode::kUnavailable : ErrorCode::kInternal,
                    script.message.empty() ? "mock overload" : script.message, {}, "mock_overload");
}

// OpenAI only: several servers give the usage on the frame with the finish_reason, asked or not.
void put_usage_on_finish(std::string& frames, const exchange::Usage& usage) {
  constexpr std::string_view kEnd = "}\n\n";
  if (!frames.ends_with(kEnd)) return;
  frames.resize(frames.size() - kEnd.size());
  frames += R"(,"usage":)";
  wire::openai::append_usage(frames, usage);
  frames += kEnd;
}

}  // namespace

// Writes a stream's bytes as the script wants them cut.
class MockServer::Outgoing {
 public:
  Outgoing(MockServer& server, const Script& script, http::Request& request, http::ResponseWriter& response)
      : server_(server), script_(script), request_(request), response_(response) {}

  io::Task<bool> write(std::string_view bytes) {
    if (script_.piece_bytes <= 0) co_return co_await response_.write(bytes);
    while (!bytes.empty()) {
      std::string_view piece = bytes.substr(0, static_cast<size_t>(script_.piece_bytes));
      if (!co_await response_.write(piece)) co_return false;
      if (!co_await server_.pause(milliseconds(script_.piece_delay_ms), request_.cancel)) co_return false;
      bytes.remove_prefix(piece.size());
    }
    co_return true;
  }
  io::Task<void> end(std::string_view bytes) {
    if (script_.piece_bytes > 0) {
      if (!co_await write(bytes)) co_return;
      bytes = {};
    }
    co_await response_.end(bytes);
  }

 private:
  MockServer& server_;
  const Script& script_;
  http::Request& request_;
  http::ResponseWriter& response_;
};

void MockServer::use(InvoiceLine& line, const exchange::Usage& usage) {
  line.input_tokens = usage.input_tokens.value_or(0);
  line.cached_tokens = usage.cached_input_tokens.value_or(0);
  line.output_tokens = usage.output_tokens.value_or(0);
}

std::string MockServer::invoice() const {
  std::string text;
  for (const InvoiceLine& line : invoice_)
    fmt::format_to(std::back_inserter(text), "{},{},{},{},{},{}\n", line.id, line.model,
                   line.whole ? "whole" : "cut", line.input_tokens, line.cached_tokens, line.output_tokens);
  return text;
}

io::Task<bool> MockServer::pause(Duration after, io::Cancel& cancel) {
  if (after.count() <= 0) co_return !cancel.requested();
  co_return co_await io::sleep(loop_, after, cancel);
}

std::string MockServer::error_body(const Error& error) {
  return wire::openai::error_body(error);
}

io::Task<void> MockServer::send(http::ResponseWriter& response, int status, std::string_view body) {
  std::array<Header, 1> headers{Header{"content-type", "application/json"}};
  co_await response.send(status, headers, body);
}

io::Task<void> MockServer::serve(http::Request& request, http::ResponseWriter& response) {
  if (request.head.path.starts_with("/mock/")) {
    co_await administer(request, response);
    co_return;
  }
  if (request.head.method == "GET" || request.head.path.ends_with("/api/show")) {
    co_await list(request, response);
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
  auto bytes = co_await request.read_body(64 << 20);
  if (!bytes) co_return;
  note(request.head, bytes->view());
  MockCall call(mock_route(request.head.path));
  std::string next;
  if (!next_.empty()) {
    next = std::move(next_.front());
    next_.pop_front();
  }
  auto read = call.read(*std::move(bytes), parser_, {default_, next});
  const Header* id = find_header(request.head.headers, "x-weir-request-id");
  InvoiceLine line{.id = std::string(id ? id->value : std::string_view())};
  if (watcher_) watcher_->on_call(read ? call.script.tag : -1, line.id, read && goes_on(call.asked));
  if (!read) {
    co_await send(response, http_status(read.error().code), call.wire.error_body(read.error()));
    co_return;
  }
  const Script& script = call.script;
  tag = script.tag;
  if (script.fault == "reset") co_return;
  if (script.fault == "hang") {
    co_await pause(kForEver, request.cancel);
    co_return;
  }
  if (!co_await pause(milliseconds(script.delay_ms), request.cancel)) co_return;
  if (auto refusal = mock_refusal(call)) {
    std::vector<Header> headers = headers_of(script, call.route.dialect, "application/json");
    std::string body = call.wire.error_body(refusal->error);
    co_await response.send(refusal->status, headers, body);
  } else if (call.stream && call.is_chat() && script.fault != "html") {
    co_await stream(call, request, response, line);
  } else {
    co_await whole(call, request, response, line);
  }
  if (line.model.empty() || watcher_ || invoice_.size() == kInvoiceLinesMax) co_return;
  line.whole = line.whole && !request.cancel.requested();
  invoice_.push_back(std::move(line));
}

io::Task<void> MockServer::stream(MockCall& call, http::Request& request, http::ResponseWriter& response,
                                  InvoiceLine& line) {
  const Script& script = call.script;
  const wire::Wire& wire = call.wire;
  std::vector<Header> headers = headers_of(script, call.route.dialect, wire.stream_content_type());
  headers.push_back({"cache-control", "no-cache"});
  std::string filler(4096, 'f');
  add_filler(headers, script.header_bytes, filler);
  response.begin(200, headers);
  if (script.fault == "hang_after_head" || script.first_frame_delay_ms > 0) {
    if (!co_await response.write({})) co_return;
    Duration wait =
        script.fault == "hang_after_head" ? kForEver : Duration(milliseconds(script.first_frame_delay_ms));
    if (!co_await pause(wait, request.cancel)) co_return;
  }
  MonoTime begun = loop_.now();
  Speech speech(script, call.asked, call.route.dialect, true);
  std::unique_ptr<wire::StreamWriter> writer = wire.stream_writer(call.context);
  Outgoing out(*this, script, request, response);
  line.model = call.context.model;
  line.input_tokens = speech.usage().input_tokens.value_or(0);
  for (int64_t i = 0; speech.more(); ++i) {
    if (i == script.after && !script.fault.empty()) {
      if (script.fault == "cut") co_return;  // the handler ends without end(): the connection is cut
      if (script.fault == "hang_mid" && !co_await pause(milliseconds(script.stall_ms), request.cancel))
        co_return;
      std::string bad;
      if (script.fault == "malformed") bad = malformed_frame(wire);
      if (script.fault == "error_event") bad = wire.error_event(stream_error(script, call.route.dialect));
      if (!bad.empty()) {
        co_await out.end(bad);
        co_return;
      }
    }
    writer->elapsed_ns = (loop_.now() - begun).count();
    writer->out.clear();
    speech.next(*writer);
    line.output_tokens = i + 1;
    if (watcher_ && script.tag >= 0) watcher_->on_words(script.tag, i + 1);
    if (!co_await out.write(writer->out)) co_return;
    if (!co_await pause(milliseconds(script.frame_delay_ms), request.cancel)) co_return;
  }
  writer->out.clear();
  if (script.fault != "no_finish") {
    writer->elapsed_ns = (loop_.now() - begun).count();
    speech.finish(*writer);
    if (script.usage == "with_finish" && wire.dialect() == Dialect::kOpenAi)
      put_usage_on_finish(writer->out, speech.usage());
    writer->take({.kind = exchange::chat::Step::Kind::kEnd});
    if (script.fault == "no_done" || !script.done) drop_terminator(writer->out, wire);
    line.whole = script.usage != "none";
    use(line, speech.usage());
  }
  co_await out.end(writer->out);
}

io::Task<void> MockServer::whole(MockCall& call, http::Request& request, http::ResponseWriter& response,
                                 InvoiceLine& line) {
  const Script& script = call.script;
  std::vector<Header> headers = headers_of(script, call.route.dialect, "application/json");
  std::string filler(4096, 'f');
  add_filler(headers, script.header_bytes, filler);
  if (script.fault == "html") {
    headers[0].value = "text/html";
    call.body = "<html><body>Welcome to the login page</body></html>";
  } else if (call.is_chat()) {
    Speech speech(script, call.asked, call.route.dialect, false);
    exchange::chat::Collector answer;
    while (speech.more())
      speech.next(answer);
    speech.finish(answer);
    answer.take({.kind = exchange::chat::Step::Kind::kEnd});
    call.body = call.wire.write_answer(call.context, answer.answer);
    line.model = call.context.model;
    line.whole = script.fault.empty() && script.usage != "none";
    use(line, speech.usage());
  } else if (call.used) {
    line.model = call.context.model;
    // Gemini's embeddings tell nobody what they used.
    line.whole = script.fault.empty() && call.route.dialect != Dialect::kGemini;
    use(line, *call.used);
  }
  std::string_view body = call.body;
  if (script.fault == "malformed") body = "{this is not json";
  if (script.fault == "cut_body" || script.fault == "hang_after_head" || script.piece_bytes > 0) {
    response.begin(200, headers);
    if (script.fault == "hang_after_head") {
      if (co_await response.write({})) co_await pause(kForEver, request.cancel);
      co_return;
    }
    Outgoing out(*this, script, request, response);
    if (script.fault == "cut_body")
      co_await out.write(body.substr(0, body.size() / 2));
    else
      co_await out.end(body);
    co_return;
  }
  co_await response.send(200, headers, body);
}

// ---------------------------------------------------------------------------------------------- models

io::Task<void> MockServer::list(http::Request& request, http::ResponseWriter& response) {
  Script script;
  if (!get_.empty()) WEIR_ASSERT(script.apply(get_).has_value());  // it was checked when it came
  if (script.fault == "reset") co_return;
  if (!co_await pause(script.fault == "hang" ? kForEver : milliseconds(script.delay_ms), request.cancel))
    co_return;
  std::string_view path = request.head.path;
  if (script.status != 200) {
    MockCall call(mock_route(path));
    call.script = std::move(script);
    auto refusal = mock_refusal(call);
    co_await response.send(refusal->status, headers_of(call.script, call.route.dialect, "application/json"),
                           call.wire.error_body(refusal->error));
    co_return;
  }
  wire::ollama::ModelFacts facts{.name = "mock",
                                 .format = "gguf",
                                 .family = "mock",
                                 .capabilities = {"completion", "tools", "vision", "thinking", "embedding"},
                                 .context_length = 8192};
  std::string body;
  if (path.ends_with("/api/tags"))
    body = wire::ollama::tags_body({facts});
  else if (path.ends_with("/api/ps"))
    body = wire::ollama::ps_body({facts});
  else if (path.ends_with("/api/show"))
    body = wire::ollama::show_body(facts);
  else if (path.ends_with("/api/version"))
    body = wire::ollama::version_body();
  else if (path.ends_with("/v1beta/models"))
    body = R"({"models":[{"name":"models/mock","displayName":"mock"}]})";
  else
    body = wire::openai::models_body({{.id = "mock", .owned_by = "weir"}});
  co_await send(response, 200, body);
}

// --------------------------------------------------------------------------------------- administration

void MockServer::note(const http::RequestHead& head, std::string_view body) {
  if (watcher_) return;  // the simulator asks nothing back
  if (seen_.size() == kSeenMax) seen_.pop_front();
  seen_.push_back(
      {std::string(head.method), std::string(head.target), std::string(body.substr(0, kSeenBodyBytesMax))});
}

std::string MockServer::seen_body() const {
  std::string text;
  json::Writer out(text);
  out.begin_array();
  for (const Seen& seen : seen_)
    out.begin_object()
        .member("method", seen.method)
        .member("path", seen.path)
        .member("body", seen.body)
        .end_object();
  out.end_array();
  return text;
}

Result<void> MockServer::queue(const json::Value& script) {
  if (script.type != json::Type::kObject)
    return fail(ErrorCode::kInvalidRequest, "A script is an object.", {}, "bad_script");
  int64_t times = 1;
  json::Edits edits(script.raw);
  json::Members members = json::members_of(script.raw);
  if (const json::Member* m = members.member("times")) {
    times = m->value.as_int().value_or(0);
    if (times < 1 || times > 100'000)
      return fail(ErrorCode::kInvalidRequest, "mock.times must be an integer from 1 on", "mock.times",
                  "bad_script");
    edits.remove_member(*m);
  }
  std::string text = edits.str();
  TRY_VOID(Script().apply(text));
  for (; times > 0; --times)
    next_.push_back(text);
  return {};
}

Result<void> MockServer::set_plan(std::string_view plan) {
  json::PaddedBuffer bytes(plan);
  json::Parser parser;
  TRY(json::Document document, parser.parse(bytes.view()));
  for (const json::Member& member : document.members) {
    bool list = member.key == "next";
    if (!list && member.key != "default" && member.key != "get")
      return fail(ErrorCode::kInvalidRequest, "A plan has default, next and get.", std::string(member.key),
                  "bad_script");
    if (list) {
      next_.clear();
      if (member.value.type != json::Type::kArray) {
        TRY_VOID(queue(member.value));
        continue;
      }
      for (const json::Value& script : json::elements_of(member.value.raw))
        TRY_VOID(queue(script));
      continue;
    }
    if (member.value.type != json::Type::kObject)
      return fail(ErrorCode::kInvalidRequest, "A script is an object.", std::string(member.key),
                  "bad_script");
    TRY_VOID(Script().apply(member.value.raw));
    (member.key == "get" ? get_ : default_) = member.value.raw;
  }
  return {};
}

// POST /mock/plan {...}, or one member of it alone: /mock/default {...}, /mock/get {...}; /mock/next {...} or
// [...] adds to the queue. POST /mock/reset: no plan, nothing seen.
Result<void> MockServer::take_plan(std::string_view verb, std::string_view body) {
  if (verb == "reset") {
    default_.clear();
    get_.clear();
    next_.clear();
    seen_.clear();
    invoice_.clear();
    return {};
  }
  if (verb == "plan") return set_plan(body);
  if (verb == "default" || verb == "get") return set_plan(fmt::format(R"({{"{}":{}}})", verb, body));
  if (verb != "next") return fail(ErrorCode::kNotFound, "no such page", {}, "not_found");
  json::PaddedBuffer bytes(body);
  json::Parser parser;
  TRY(json::Document document, parser.parse(bytes.view()));
  if (document.type != json::Type::kArray) return queue(document.root);
  for (const json::Value& script : json::elements_of(document.root.raw))
    TRY_VOID(queue(script));
  return {};
}

io::Task<void> MockServer::administer(http::Request& request, http::ResponseWriter& response) {
  std::string_view verb = request.head.path.substr(std::string_view("/mock/").size());
  if (request.head.method == "GET") {
    if (verb == "requests") {
      co_await send(response, 200, seen_body());
    } else if (verb == "invoice") {
      std::array<Header, 1> headers{Header{"content-type", "text/csv"}};
      co_await response.send(200, headers, invoice());
    } else
      co_await send(response, 200,
                    fmt::format(R"({{"requests":{},"open":{},"left":{}}})", requests_, open_, left_));
    co_return;
  }
  auto body = co_await request.read_body(64 << 20);
  if (!body) co_return;
  if (auto taken = take_plan(verb, body->view()); !taken)
    co_await send(response, http_status(taken.error().code), error_body(taken.error()));
  else
    co_await send(response, 200, fmt::format(R"({{"queued":{}}})", next_.size()));
}

}  // namespace weir::app
