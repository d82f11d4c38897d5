#include "weir/server/openai_api.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "weir/base/mutation.h"
#include "weir/server/body_source.h"
#include "weir/wire/openai.h"

namespace weir::server {
namespace {

namespace wire = weir::wire::openai;

std::string new_request_id(io::Random& random) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string id = "req_000000000000000000000000";
  uint64_t bits = random.next(), more = random.next();
  for (size_t i = 0; i < 24; ++i) {
    uint64_t& source = i < 16 ? bits : more;
    id[4 + i] = kHex[source & 15];
    source >>= 4;
  }
  return id;
}

// The path's part with its percent escapes resolved (clients write "org/model" as "org%2Fmodel"); what is no
// escape stays as it is.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// 127.0.0.0/8 in four decimal parts.
bool loopback_v4(std::string_view host) {
  for (int part = 0; part < 4; ++part) {
    unsigned n = 0;
    auto [end, error] = std::from_chars(host.data(), host.data() + host.size(), n);
    if (error != std::errc() || n > 255 || (part == 0 && n != 127)) return false;
    host.remove_prefix(static_cast<size_t>(end - host.data()));
    if (part == 3) break;
    if (!host.starts_with('.')) return false;
    host.remove_prefix(1);
  }
  return host.empty();
}

// Only what cannot be anybody else's: "127.example.org" is a name that anyone may own.
bool loopback_name(std::string_view authority) {
  size_t end = authority.starts_with("[::1]") ? 5 : std::min(authority.find(':'), authority.size());
  std::string_view host = authority.substr(0, end), port = authority.substr(end);
  if (!port.empty() && port.front() != ':') return false;
  return host == "[::1]" || iequals(host, "localhost") || loopback_v4(host);
}

// Is the caller a program on this machine? A page in this machine's browser is not: its Origin, or after a
// DNS rebinding its Host, gives it away.
bool is_peer_local(const http::Request& request) {
  bool from_here = request.peer == "unix" || request.peer == "::1" || request.peer.starts_with("127.");
  if (!from_here || (request.peer != "unix" && !loopback_name(request.head.host))) return false;
  for (const Header& h : request.head.headers) {
    // A reverse proxy on this machine speaks for callers from anywhere.
    for (std::string_view relayed : {"x-forwarded-for", "forwarded", "x-real-ip", "via"})
      if (iequals(h.name, relayed)) return false;
    if (!iequals(h.name, "origin")) continue;
    size_t slashes = h.value.find("://");
    if (slashes == std::string_view::npos || !loopback_name(h.value.substr(slashes + 3))) return false;
  }
  return true;
}

// Collects events and writes them to the caller's connection. [DONE] tells the caller that all is well, and
// nobody reads on after it: it is held back until that is certain.
class ResponseStream final : public exchange::AnswerStream {
 public:
  ResponseStream(http::ResponseWriter& response, const exchange::Exchange& exchange)
      : response_(response), exchange_(exchange) {}

  void begin(int status, std::string_view content_type, const OwnedHeaders& headers) override;
  void event(exchange::StreamEvent event) override {
    (says_done(event.data) ? done_ : pending_).append(event.raw);
  }
  io::Task<bool> flush() override {
    if (pending_.empty() || WEIR_MUTATE(kEndlessBuffer)) co_return true;
    // A client that does not read keeps this for long: then without the spare room of its growth.
    if (pending_.size() >= 1024 && pending_.capacity() - pending_.size() > pending_.size() / 4)
      pending_.shrink_to_fit();
    bool ok = co_await response_.write(pending_);
    pending_.clear();
    if (pending_.capacity() > 16 * 1024) pending_.shrink_to_fit();
    co_return ok;
  }
  /// What is still to be written when all went well, and when not.
  std::string_view good_end() { return pending_.append(done_); }
  std::string_view bad_end(const Error& error) { return pending_.append(wire::error_event(error)); }

 private:
  static bool says_done(std::string_view data) {
    size_t begin = data.find_first_not_of(' ');
    return begin != data.npos && data.substr(begin, data.find_last_not_of(' ') + 1 - begin) == "[DONE]";
  }

  http::ResponseWriter& response_;
  const exchange::Exchange& exchange_;
  std::string pending_;
  std::string done_;
};

// The headers of an answer: the model server's that pass, ours, and who answered.
std::vector<Header> answer_headers(const exchange::Exchange& exchange, std::string_view content_type,
                                   const OwnedHeaders& passed) {
  std::vector<Header> headers;
  headers.reserve(passed.size() + 6);
  headers.push_back({"content-type", content_type});
  bool has_request_id = false;
  for (const auto& [name, value] : passed) {
    headers.push_back({name, value});
    has_request_id = has_request_id || name == "x-request-id";
  }
  if (!has_request_id) headers.push_back({"x-request-id", exchange.id});
  headers.push_back({"x-weir-request-id", exchange.id});
  if (!exchange.outcome.provider.empty()) {
    headers.push_back({"x-weir-provider", exchange.outcome.provider});
    headers.push_back({"x-weir-model", exchange.outcome.provider_model});
  }
  return headers;
}

void ResponseStream::begin(int status, std::string_view content_type, const OwnedHeaders& headers) {
  if (WEIR_MUTATE(kResendAfterBytes) && response_.started()) return;
  std::vector<Header> all = answer_headers(exchange_, content_type, headers);
  all.push_back({"cache-control", "no-cache"});
  response_.begin(status, all);
}

io::Task<void> send_error(http::ResponseWriter& response, const exchange::Exchange& exchange,
                          const Error& error) {
  OwnedHeaders extra;
  if (error.code == ErrorCode::kUnauthenticated) extra.emplace_back("www-authenticate", "Bearer");
  if (error.reason == "unsupported_content_encoding")
    extra.emplace_back("accept-encoding", http::kContentCodings);
  if (error.retry_after_s > 0) extra.emplace_back("retry-after", std::to_string(error.retry_after_s));
  std::string body = wire::error_body(error);
  co_await response.send(http_status(error.code), answer_headers(exchange, "application/json", extra), body);
}

}  // namespace

// Nothing of the request was looked at but its path, and nothing is made for it: no id, no log line.
io::Task<void> OpenAiApi::refuse(http::Request& request, http::ResponseWriter& response) {
  Admission::Refusal refusal = admission_.refusal(request.connections());
  request.rest(refusal.rest);
  std::string retry_after = std::to_string(refusal.error.retry_after_s);
  std::array<Header, 2> headers{Header{"content-type", "application/json"},
                                Header{"retry-after", retry_after}};
  std::string body = wire::error_body(refusal.error);
  co_await response.send(http_status(refusal.error.code), headers, body);
}

io::Task<void> OpenAiApi::call(std::shared_ptr<Services> services, http::Request& request,
                               http::ResponseWriter& response, exchange::Operation operation) {
  MonoTime received = loop_.now();
  Admission::Place place = admission_.enter(received);
  if (!place) {
    co_await refuse(request, response);
    co_return;
  }
  BodySource source(request, parser_, static_cast<size_t>(services->settings().server.limits.body_bytes));
  exchange::Exchange exchange(loop_, request.cancel, operation, source);
  exchange.id = new_request_id(loop_.random());
  exchange.headers = request.head.headers;
  exchange.peer = request.peer;
  exchange.peer_local = is_peer_local(request);
  exchange.timeline.received = received;

  ResponseStream stream(response, exchange);
  Result<void> outcome = co_await services->pipeline().handle(exchange, stream);

  if (!outcome && outcome.error().code == ErrorCode::kCancelled) co_return;  // nobody listens
  if (outcome && !exchange.answer && !response.started())
    outcome = fail_internal(ErrorCode::kInternal, "the pipeline ended without an answer");
  if (!outcome && !response.started()) {
    co_await send_error(response, exchange, outcome.error());
  } else if (!outcome) {
    co_await response.end(stream.bad_end(outcome.error()));
  } else if (exchange.answer) {
    const exchange::Answer& answer = *exchange.answer;
    co_await response.send(answer.status, answer_headers(exchange, answer.content_type, answer.headers),
                           answer.body);
  } else {
    co_await response.end(stream.good_end());
  }
}

io::Task<void> OpenAiApi::models(std::shared_ptr<Services> services, http::Request& request,
                                 http::ResponseWriter& response, std::string_view id_in_path) {
  std::string id = percent_decoded(id_in_path);
  std::string request_id = new_request_id(loop_.random());
  auto send = [&](int status, const std::string& body) {
    std::array<Header, 4> headers{Header{"content-type", "application/json"},
                                  Header{"x-request-id", request_id}, Header{"x-weir-request-id", request_id},
                                  Header{"www-authenticate", "Bearer"}};
    return response.send(status, {headers.data(), status == 401 ? 4u : 3u}, body);
  };
  auto principal = services->authenticate(request.head.headers, is_peer_local(request));
  if (!principal) {
    std::string body = wire::error_body(principal.error());
    co_await send(http_status(principal.error().code), body);
    co_return;
  }
  const Settings& settings = services->settings();
  std::vector<wire::ModelEntry> entries;
  auto add = [&](const std::string& name, const std::string& owner) {
    if (principal->may_use(name) && std::ranges::find(entries, name, &wire::ModelEntry::id) == entries.end())
      entries.push_back({name, owner});
  };
  for (const ModelSettings& model : settings.models) {
    add(model.name, model.targets.front().provider);
    for (const std::string& alias : model.aliases)
      add(alias, model.targets.front().provider);
  }
  for (const ProviderSettings& provider : settings.providers) {
    for (const LocalChatSettings& chat : provider.chat)
      add(chat.name, provider.name);
    for (const LocalEmbeddingsSettings& e : provider.embeddings)
      add(e.name, provider.name);
    for (const std::string& pattern : provider.models)
      if (!pattern.ends_with('*')) add(pattern, provider.name);
  }
  int64_t created = 0;  // weir does not know when a model was made; the field is required by the clients
  std::string body;
  int status = 200;
  if (id.empty()) {
    body = wire::models_body(entries, created);
  } else if (auto at = std::ranges::find(entries, id, &wire::ModelEntry::id); at != entries.end()) {
    body = wire::model_body(*at, created);
  } else if (auto name = wire::check_model_name(id); !name) {
    status = http_status(name.error().code);
    body = wire::error_body(name.error());
  } else {
    status = 404;
    body = wire::error_body(make_error(ErrorCode::kNotFound,
                                       "The model '" + id + "' does not exist or this key may not use it.",
                                       "model", "model_not_found"));
  }
  co_await send(status, body);
}

}  // namespace weir::server
