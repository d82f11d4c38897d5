#include "weir/pipeline/auth/auth_stage.h"

#include <algorithm>

namespace weir::pipeline {
namespace {

constexpr size_t kKeyBytesMax = 512;

Unexpected wrong_key() {
  return fail(ErrorCode::kUnauthenticated, "Incorrect API key provided.", {}, "invalid_api_key");
}

// The key a caller presents; an empty view when it presents none. Two different ones are an error.
Result<std::string_view> presented_key(HeaderList headers) {
  std::string_view key;
  for (const Header& h : headers) {
    std::string_view found;
    if (iequals(h.name, "authorization")) {
      if (h.value.size() < 7 || !iequals(h.value.substr(0, 7), "bearer ")) return wrong_key();
      found = h.value.substr(7);
      found.remove_prefix(std::min(found.find_first_not_of(' '), found.size()));
    } else if (iequals(h.name, "api-key") || iequals(h.name, "x-api-key")) {  // Azure's clients, Anthropic's
      found = h.value;
    } else {
      continue;
    }
    if (found.empty() || found.size() > kKeyBytesMax) return wrong_key();
    if (!key.empty() && key != found) return wrong_key();
    key = found;
  }
  return key;
}

}  // namespace

AuthStage::AuthStage(const AuthSettings& settings) : settings_(settings) {
  for (const ClientKeySettings& key : settings.keys)
    by_hash_.push_back(&key);
  std::ranges::sort(by_hash_, {}, [](const ClientKeySettings* k) { return k->hash; });
}

// The search runs over digests, which an attacker can not steer byte by byte; equality itself is
// constant-time.
const ClientKeySettings* AuthStage::find(std::string_view key) const {
  Sha256 digest = sha256(key);
  auto at =
      std::ranges::lower_bound(by_hash_, digest, {}, [](const ClientKeySettings* k) { return k->hash; });
  if (at == by_hash_.end() || !constant_time_equal((*at)->hash, digest)) return nullptr;
  return *at;
}

Result<exchange::Principal> AuthStage::authenticate(HeaderList headers, bool peer_local) const {
  TRY(std::string_view key, presented_key(headers));
  if (key.empty()) {
    bool welcome = settings_.anonymous == Anonymous::kAlways ||
                   (settings_.anonymous == Anonymous::kLoopback && peer_local);
    if (!welcome)
      return fail(ErrorCode::kUnauthenticated,
                  "You did not provide an API key: send it as 'Authorization: Bearer KEY'.", {},
                  "missing_api_key");
    return exchange::Principal{"anonymous", nullptr, true};
  }
  const ClientKeySettings* known = find(key);
  if (!known) return wrong_key();
  return exchange::Principal{known->name, &known->models, false, &known->passthrough};
}

io::Task<Result<exchange::Stage::Flow>> AuthStage::before(exchange::Exchange& exchange) {
  CO_TRY(exchange.principal, authenticate(exchange.headers, exchange.peer_local));
  exchange.timeline.authenticated = exchange.loop.now();
  // Before a byte of the body is read: an upload may be long.
  if (exchange.pass && !exchange.principal.may_call(exchange.pass->api))
    co_return fail(ErrorCode::kPermissionDenied,
                   "This key may not use this API: " + std::string(weir::name(exchange.pass->api)) + ".", {},
                   "api_not_allowed");
  co_return Flow::kOn;
}

}  // namespace weir::pipeline
