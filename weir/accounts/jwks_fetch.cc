#include "weir/accounts/jwks_fetch.h"

#include <fmt/format.h>

#include "weir/accounts/jwk.h"
#include "weir/accounts/token_keys.h"
#include "weir/http/fetch_options.h"
#include "weir/http/read_whole.h"

namespace weir::accounts {
namespace {

constexpr size_t kCaBytesMax = 1 << 20;

// Only the answer of that very address: a redirect is an answer other than 200.
io::Task<Result<std::string>> get(io::Loop& loop, FetchUrl url, const std::string& ca_pem,
                                  io::Cancel& cancel) {
  http::ConnectionPool pool(loop, http::options_of(url, ca_pem));
  http::ClientCall call(pool);
  std::string head =
      fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: weir/" WEIR_VERSION
                  "\r\nAccept: application/json\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n",
                  url.target, url.host_header());
  std::string_view request = head;
  auto sent = co_await call.send("GET", {&request, 1}, {kFetchMax, kFetchMax, kFetchMax}, cancel);
  if (!sent) co_return fail_internal(ErrorCode::kUpstream, sent.error().message);
  if (call.head().status != 200)
    co_return fail_internal(ErrorCode::kUpstream,
                            fmt::format("the answer's status is {}", call.head().status));
  if (const Header* coding = find_header(call.head().headers, "content-encoding");
      coding && !iequals(coding->value, "identity"))
    co_return fail_internal(ErrorCode::kUpstream, "the answer is in a coding that was not asked for");
  co_return co_await http::read_whole(call.body(), KeySet::kBytesMax, cancel);
}

// Where the document may send us. It is the issuer's word, so another host is its choice, but not one behind
// our firewall; a name that leads there still has to show a certificate of that name.
Result<FetchUrl> keys_url(const std::string& document_text, const TokenIssuerSettings& issuer,
                          const FetchUrl& from) {
  auto wrong = [](const char* why) { return fail_internal(ErrorCode::kUpstream, why); };
  json::Parser parser;
  json::PaddedBuffer bytes(document_text);
  auto document = parser.parse(bytes.view());
  if (!document || document->type != json::Type::kObject)
    return wrong("the discovery document is no JSON object");
  const json::Value* named = document->find("issuer");
  if (!named || !named->is_string(issuer.issuer)) return wrong("the discovery document is another issuer's");
  const json::Value* uri = document->find("jwks_uri");
  auto url = FetchUrl::parse(uri ? uri->as_string().value_or("") : "");
  if (!url) return wrong("the discovery document's jwks_uri is no https address");
  bool same_host = url->origin == from.origin;
  bool https = url->origin.scheme == BaseUrl::Scheme::kHttps;
  if (!same_host && (!https || is_private_address(url->origin.host)))
    return wrong("the discovery document's jwks_uri leads to a private address");
  return *std::move(url);
}

}  // namespace

io::Task<Result<std::string>> fetch_key_set(io::Loop& loop, const TokenIssuerSettings& issuer,
                                            io::Cancel& cancel) {
  io::Disk& disk = loop.disk();
  if (!issuer.jwks_file.empty())
    co_return co_await io::offload(loop, [&] { return disk.read_file(issuer.jwks_file, KeySet::kBytesMax); });
  std::string ca_pem;
  if (!issuer.ca_file.empty()) {
    CO_TRY(ca_pem, co_await io::offload(loop, [&] { return disk.read_file(issuer.ca_file, kCaBytesMax); }));
  }
  io::Cancel scope(cancel);
  io::Timeout too_long(scope, io::CancelReason::kTotalTimeout);
  loop.arm(too_long, kFetchMax);
  if (!issuer.jwks_url.empty()) {
    CO_TRY(FetchUrl url, FetchUrl::parse(issuer.jwks_url));
    co_return co_await get(loop, std::move(url), ca_pem, scope);
  }
  std::string base = issuer.issuer;
  while (base.ends_with('/'))
    base.pop_back();
  CO_TRY(FetchUrl discovery, FetchUrl::parse(base + "/.well-known/openid-configuration"));
  CO_TRY(std::string document, co_await get(loop, discovery, ca_pem, scope));
  CO_TRY(FetchUrl url, keys_url(document, issuer, discovery));
  co_return co_await get(loop, std::move(url), ca_pem, scope);
}

}  // namespace weir::accounts
