#include "weir/app/admin_client.h"

#include <fmt/format.h>

#include "weir/base/json.h"
#include "weir/base/settings.h"
#include "weir/http/client.h"
#include "weir/io/net/runtime.h"

namespace weir::app {
namespace {

constexpr size_t kAnswerBytesMax = 64 << 20;
constexpr Duration kPatience = seconds(30);

Result<Secret> key_of(const AdminAccess& access, io::Loop& loop) {
  if (access.key_file.empty()) {
    std::string key = loop.processes().environment("WEIR_ADMIN_KEY");
    if (key.empty()) return fail(ErrorCode::kConfig, "no key: set WEIR_ADMIN_KEY or give --key-file FILE");
    return Secret(std::move(key));
  }
  TRY(std::string text, loop.disk().read_file(access.key_file, 64 << 10));
  while (text.ends_with('\n') || text.ends_with('\r'))
    text.pop_back();
  return Secret(std::move(text));
}

Result<std::string> read_answer(int status, std::string body) {
  if (status >= 200 && status < 300) return body;
  json::Parser parser;
  json::PaddedBuffer bytes(body);
  std::string sentence = fmt::format("it answered with status {}", status);
  if (auto document = parser.parse(bytes.view()))
    if (const json::Value* error = document->find("error"))
      if (auto message = json::find_in(error->raw, "message"))
        sentence = message->as_string().value_or(sentence);
  return fail(ErrorCode::kUpstream, sentence);
}

io::Task<Result<std::string>> body_of(http::BodyReader& body, io::Cancel& cancel) {
  std::string bytes;
  for (;;) {
    http::BodyReader::Piece piece = body.take();
    bytes.append(piece.bytes);
    if (piece.state == http::BodyReader::State::kEnd) co_return bytes;
    if (piece.state == http::BodyReader::State::kData && bytes.size() <= kAnswerBytesMax) continue;
    if (piece.state != http::BodyReader::State::kNothing || bytes.size() > kAnswerBytesMax)
      co_return fail(ErrorCode::kUpstream, "its answer broke off");
    co_await body.inbox().more(cancel);
    if (cancel.requested()) co_return fail(ErrorCode::kUpstream, "its answer did not come in time");
  }
}

io::Task<Result<std::string>> ask(io::Loop& loop, const AdminAccess& access, std::string method,
                                  std::string target, std::string body) {
  CO_TRY(Secret key, key_of(access, loop));
  auto url = BaseUrl::parse(access.url);
  if (!url) co_return fail(ErrorCode::kConfig, "--url: " + url.error().message);
  http::ClientOptions options;
  bool unix_socket = url->scheme == BaseUrl::Scheme::kUnix;
  options.address = unix_socket ? io::Address{io::Address::Kind::kUnix, url->host, 0}
                                : io::Address{io::Address::Kind::kTcp, url->host, url->port};
  options.connections_max = 1;
  if (url->scheme == BaseUrl::Scheme::kHttps) {
    options.connect.tls = true;
    options.connect.tls_options.server_name = url->host;
    if (!access.ca_file.empty()) {
      CO_TRY(options.connect.tls_options.ca_pem, loop.disk().read_file(access.ca_file, 1 << 20));
    }
  }
  http::ConnectionPool pool(loop, options);
  http::ClientCall call(pool);
  std::string host = unix_socket ? "localhost" : fmt::format("{}:{}", url->host, url->port);
  std::string head = fmt::format(
      "{} {}{} HTTP/1.1\r\nHost: {}\r\nUser-Agent: weir/" WEIR_VERSION
      "\r\nAuthorization: Bearer {}\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\nConnection: close\r\n\r\n",
      method, url->path, target, host, key.reveal(), body.size());
  std::array<std::string_view, 2> pieces{head, body};
  io::Cancel cancel;
  io::Timeout patience(cancel, io::CancelReason::kTotalTimeout);
  loop.arm(patience, kPatience);
  auto sent = co_await call.send(method, pieces, {}, cancel);
  wipe(head);
  if (!sent) co_return fail(ErrorCode::kUpstream, access.url + ": " + sent.error().message);
  int status = call.head().status;
  CO_TRY(std::string answer, co_await body_of(call.body(), cancel));
  co_return read_answer(status, std::move(answer));
}

io::Task<void> ask_and_stop(io::Loop& loop, const AdminAccess& access, const std::string& method,
                            const std::string& target, const std::string& body, Result<std::string>& out) {
  out = co_await ask(loop, access, method, target, body);
  loop.stop();
}

}  // namespace

Result<std::string> ask_admin(const AdminAccess& access, const std::string& method, const std::string& target,
                              const std::string& body) {
  TRY(auto runtime, io::net::Runtime::create({.cores = 1}));
  io::Loop& loop = runtime->loop(0);
  Result<std::string> answer;
  io::TaskGroup tasks;
  loop.post([&] { tasks.start(ask_and_stop(loop, access, method, target, body, answer)); });
  runtime->run();
  return answer;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                 c == '_' || c == '.';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace weir::app
