#include "weir/upstream/endpoint.h"

#include <algorithm>

#include "weir/base/hash.h"
#include "weir/base/trace_context.h"

namespace weir::upstream {
namespace {

std::string host_header(const BaseUrl& url) {
  if (url.scheme == BaseUrl::Scheme::kUnix) return "localhost";
  bool v6 = url.host.find(':') != std::string::npos;
  std::string host = v6 ? "[" + url.host + "]" : url.host;
  uint16_t standard = url.scheme == BaseUrl::Scheme::kHttps ? 443 : 80;
  if (url.port != standard) host += ":" + std::to_string(url.port);
  return host;
}

std::string address_of(const BaseUrl& url) {
  if (url.scheme == BaseUrl::Scheme::kUnix) return url.host;
  bool v6 = url.host.find(':') != std::string::npos;
  return (v6 ? "[" + url.host + "]" : url.host) + ":" + std::to_string(url.port);
}

http::ClientOptions client_options(const EndpointOptions& options) {
  http::ClientOptions client;
  const BaseUrl& url = options.url;
  client.address.kind =
      url.scheme == BaseUrl::Scheme::kUnix ? io::Address::Kind::kUnix : io::Address::Kind::kTcp;
  client.address.host = url.host;
  client.address.port = url.port;
  client.connect.tls = url.scheme == BaseUrl::Scheme::kHttps;
  client.connect.tls_options.server_name = url.host;
  client.connect.tls_options.ca_pem = options.ca_pem;
  client.connections_max = options.connections_max;
  client.queue_max = options.queue_max;
  return client;
}

// What a caller may say to the model server besides the body. Authorization, cookies, connection headers and
// anything unknown stay here.
// Each once, in plain text of a sane length: a model server that chokes on a header must not look broken
// because of one caller.
constexpr size_t kCallerHeaderBytesMax = 512;
constexpr std::string_view kCallerHeaders[] = {"traceparent", "tracestate", "idempotency-key"};

constexpr std::string_view kAnswerHeaders[] = {"retry-after",   "retry-after-ms",       "x-request-id",
                                               "request-id",    "openai-processing-ms", "openai-version",
                                               "x-should-retry"};

bool fit_to_pass(std::string_view value) {
  return value.size() <= kCallerHeaderBytesMax &&
         std::ranges::all_of(value, [](char c) { return c >= 0x20 && c < 0x7f; });
}

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    c = lower(c);
  return out;
}

void add(std::string& head, std::string_view name, std::string_view value) {
  head.append(name).append(": ").append(value).append("\r\n");
}

// All callers of a provider share its account, and there an answer is kept by this key: without the caller's
// name in it, who guesses or repeats another's key would get that one's answer.
std::string scoped_key(std::string_view principal, std::string_view key) {
  std::string both(principal);
  both.append(1, '\0').append(key);
  return "weir-" + to_hex(sha256(both));
}

}  // namespace

Endpoint::Endpoint(io::Loop& loop, EndpointOptions options)
    : prefix_(options.url.path),
      api_version_(options.api_version),
      traced_(options.traced),
      address_(address_of(options.url)),
      counts_tokens_(options.counts_tokens),
      check_(options.check),
      pool_(std::make_unique<http::ConnectionPool>(loop, client_options(options))) {
  fixed_ = "Host: " + host_header(options.url) +
           "\r\nUser-Agent: weir/" WEIR_VERSION "\r\nAccept-Encoding: identity\r\n";
  if (!options.api_key.empty()) {
    if (options.key_header.empty())
      fixed_.append("Authorization: Bearer ");
    else
      fixed_.append(options.key_header).append(": ");
    fixed_.append(options.api_key.reveal()).append("\r\n");
  }
  for (const UpstreamHeader& h : options.headers)
    fixed_.append(h.name).append(": ").append(h.value.reveal()).append("\r\n");
}

std::string Endpoint::post_head(std::string_view path, HeaderList caller_headers, const wire::Wire& wire,
                                bool relayed, std::string_view principal, std::string_view request_id,
                                size_t content_length) const {
  std::string head;
  head.reserve(512);
  head.append("POST ").append(prefix_).append(path).append(" HTTP/1.1\r\n").append(fixed_);
  add(head, "Content-Type", "application/json");
  add(head, "X-Weir-Request-Id", request_id);
  add(head, "Content-Length", std::to_string(content_length));
  add_caller_headers(head, caller_headers, wire, relayed, principal, request_id);
  head.append("\r\n");
  return head;
}

std::string Endpoint::pass_head(const exchange::PassThrough& pass, HeaderList caller_headers,
                                const wire::Wire& wire, std::string_view principal,
                                std::string_view request_id, std::optional<uint64_t> content_length) const {
  // OpenAI's base URL ends in the version that the caller's path begins with.
  std::string_view path = behind_base(pass.path);
  if (path == pass.path && wire.dialect() != exchange::Dialect::kAnthropic)
    path.remove_prefix(std::string_view("/v1").size());
  std::string head;
  head.reserve(512);
  head.append(pass.method).append(" ").append(prefix_).append(path);
  if (!pass.query.empty()) head.append("?").append(pass.query);
  if (!api_version_.empty())
    head.append(pass.query.empty() ? "?" : "&").append("api-version=").append(api_version_);
  head.append(" HTTP/1.1\r\n").append(fixed_);
  for (std::string_view name : {"Content-Type", "Accept"})
    if (const Header* h = find_header(caller_headers, name); h && fit_to_pass(h->value))
      add(head, name, h->value);
  add(head, "X-Weir-Request-Id", request_id);
  if (!content_length)
    add(head, "Transfer-Encoding", "chunked");
  else if (pass.has_body || pass.method == "POST")
    add(head, "Content-Length", std::to_string(*content_length));
  add_caller_headers(head, caller_headers, wire, true, principal, request_id);
  head.append("\r\n");
  return head;
}

void Endpoint::add_caller_headers(std::string& head, HeaderList caller_headers, const wire::Wire& wire,
                                  bool relayed, std::string_view principal,
                                  std::string_view request_id) const {
  if (traced_) {
    TraceContext context = TraceContext::of(caller_headers, request_id);
    context.sampled = context.sampled || !context.parent;  // what is decided at its end may be kept
    add(head, "traceparent", context.traceparent());
  }
  for (const Header& h : caller_headers) {
    auto same = [&](std::string_view name) { return iequals(h.name, name); };
    bool passes = std::ranges::any_of(kCallerHeaders, same) || (relayed && wire.passes_header(h.name));
    if (traced_ && same("traceparent")) continue;
    if (!passes || find_header(caller_headers, h.name) != &h || !fit_to_pass(h.value)) continue;
    if (same("idempotency-key"))
      add(head, "idempotency-key", scoped_key(principal, h.value));
    else
      add(head, lowered(h.name), h.value);
  }
  for (const Header& h : wire.default_headers()) {
    const Header* own = find_header(caller_headers, h.name);
    bool given = own && relayed && wire.passes_header(h.name) && fit_to_pass(own->value);
    if (!given) add(head, h.name, h.value);
  }
}

// Anthropic's paths begin with the version that a base URL of OpenAI's kind ends with.
std::string_view Endpoint::behind_base(std::string_view path) const {
  if (prefix_.ends_with("/v1") && path.starts_with("/v1/")) path.remove_prefix(3);
  return path;
}

// Azure's dated API has a path for each deployment; its undated one (/openai/v1) is OpenAI's.
std::string Endpoint::path_of(std::string_view path, std::string_view model) const {
  path = behind_base(path);
  if (api_version_.empty()) return std::string(path);
  std::string out;
  if (!prefix_.ends_with("/v1")) out.append("/deployments/").append(model);
  return out.append(path).append("?api-version=").append(api_version_);
}

std::string Endpoint::get_head(std::string_view path) const {
  std::string head;
  head.append("GET ")
      .append(prefix_)
      .append(behind_base(path))
      .append(" HTTP/1.1\r\n")
      .append(fixed_)
      .append("\r\n");
  return head;
}

OwnedHeaders passed_answer_headers(HeaderList headers) {
  constexpr size_t kPassedMax = 32;
  OwnedHeaders passed;
  for (const Header& h : headers) {
    // Most of an answer's headers begin with none of the letters that those which pass begin with.
    if (h.name.empty() || !std::string_view("aorx").contains(lower(h.name.front()))) continue;
    bool allowed = iequals(h.name.substr(0, 12), "x-ratelimit-") ||
                   iequals(h.name.substr(0, 20), "anthropic-ratelimit-") ||
                   std::ranges::any_of(kAnswerHeaders, [&](auto name) { return iequals(h.name, name); });
    if (!allowed || passed.size() == kPassedMax) continue;
    if (passed.empty()) passed.reserve(std::min(headers.size(), kPassedMax));
    passed.emplace_back(lowered(h.name), h.value);
  }
  return passed;
}

}  // namespace weir::upstream
