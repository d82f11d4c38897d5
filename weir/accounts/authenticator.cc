#include "weir/accounts/authenticator.h"

#include <algorithm>

#include "weir/accounts/key.h"
#include "weir/accounts/permission.h"

namespace weir::accounts {
namespace {

using exchange::Principal;

constexpr size_t kKeyBytesMax = 512;  // a token: kTokenBytesMax

Unexpected wrong_key() {
  return fail(ErrorCode::kUnauthenticated, "Incorrect API key provided.", {}, "invalid_api_key");
}

// What a caller presents; an empty view when it presents nothing. Two different ones are an error.
Result<std::string_view> presented(HeaderList headers, const TokenVerifier* tokens) {
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
    if (found.empty()) return wrong_key();
    if (found.size() > kKeyBytesMax && !(tokens && tokens->takes(found))) return wrong_key();
    if (!key.empty() && key != found) return wrong_key();
    key = found;
  }
  return key;
}

}  // namespace

void Authenticator::set_settings(const AuthSettings& settings, const MeterOf& meter_of) {
  anonymous_ = settings.anonymous;
  configured_.clear();
  for (const ClientKeySettings& key : settings.keys) {
    auto identity = std::make_shared<exchange::Identity>();
    identity->name = key.name;
    identity->models = key.models;
    identity->passthrough = key.passthrough;
    identity->roles = key.roles;
    identity->permissions = permissions_of(key.roles, true);
    if (meter_of)
      if (auto meter = meter_of("key", key.name, key.limits, {}))
        identity->meters.push_back(std::move(meter));
    configured_.push_back({key.hash, {std::move(identity)}});
  }
  std::ranges::sort(configured_, {}, &Configured::hash);
}

void Authenticator::set_directory(std::shared_ptr<const Directory> directory) {
  held_ =
      directory ? std::make_shared<const std::shared_ptr<const Directory>>(std::move(directory)) : nullptr;
  if (tokens_) tokens_->purge();
}

// The search runs over digests, which an attacker can not steer byte by byte; equality itself is
// constant-time.
const Authenticator::Configured* Authenticator::configured(const Sha256& digest) const {
  auto at = std::ranges::lower_bound(configured_, digest, {}, &Configured::hash);
  if (at == configured_.end() || !constant_time_equal(at->hash, digest)) return nullptr;
  return &*at;
}

Result<Principal> Authenticator::by_account(std::string_view key, std::string_view id) const {
  const Directory::Entry* entry = (*held_)->find(id);
  if (!entry) return wrong_key();
  int64_t now_ms = 0;
  auto ended = [&](int64_t expires_unix_ms) {
    if (expires_unix_ms == 0) return false;
    if (now_ms == 0) now_ms = loop_.wall_now().unix_ns / 1'000'000;
    return now_ms >= expires_unix_ms;
  };
  // Both secrets are looked at, whichever fits: the time says nothing.
  bool fits = false;
  for (const Directory::Entry::Known& secret : entry->secrets)
    if (secret.pepper) {
      bool same = constant_time_equal(secret.digest, (*secret.pepper)(key));
      fits = fits || (same && !ended(secret.expires_unix_ms));
    }
  if (!fits || ended(entry->expires_unix_ms)) return wrong_key();
  if (entry->suspended)
    return fail(ErrorCode::kPermissionDenied, "The account of this key is suspended.", {},
                "account_suspended");
  return Principal{{held_, &entry->identity}};
}

Result<Principal> Authenticator::without_key(bool peer_local) const {
  if (anonymous_ == Anonymous::kAlways || (anonymous_ == Anonymous::kLoopback && peer_local))
    return Principal{};
  return fail(ErrorCode::kUnauthenticated,
              "You did not provide an API key: send it as 'Authorization: Bearer KEY'.", {},
              "missing_api_key");
}

Result<std::optional<Principal>> Authenticator::decide(std::string_view credential, bool peer_local,
                                                       Sha256& digest) const {
  if (credential.empty()) return without_key(peer_local);
  if (held_) {
    KeyText text = read_key(credential);
    if (text.shape == KeyShape::kDamaged) return wrong_key();
    if (text.shape == KeyShape::kKey) return by_account(credential, text.id);
  }
  digest = sha256(credential);
  if (const Configured* known = configured(digest)) return known->principal;
  if (!tokens_ || !tokens_->takes(credential)) return wrong_key();
  if (auto identity = tokens_->known(digest)) return Principal{std::move(identity)};
  return std::nullopt;
}

Result<Principal> Authenticator::authenticate(HeaderList headers, bool peer_local) const {
  TRY(std::string_view credential, presented(headers, tokens_));
  Sha256 digest;
  TRY(std::optional<Principal> principal, decide(credential, peer_local, digest));
  if (principal) return *std::move(principal);
  TRY(auto identity, tokens_->verify_now(credential, digest));
  return Principal{std::move(identity)};
}

std::optional<Result<Principal>> Authenticator::authenticate_at_once(HeaderList headers,
                                                                     bool peer_local) const {
  Result<std::string_view> credential = presented(headers, tokens_);
  if (!credential) return Unexpected(std::move(credential).error());
  Sha256 digest;
  Result<std::optional<Principal>> decided = decide(*credential, peer_local, digest);
  if (!decided) return Unexpected(std::move(decided).error());
  if (!*decided) return std::nullopt;
  return **std::move(decided);
}

io::Task<Result<Principal>> Authenticator::authenticate_waiting(HeaderList headers, bool peer_local,
                                                                io::Cancel& cancel) const {
  CO_TRY(std::string_view credential, presented(headers, tokens_));
  Sha256 digest;
  CO_TRY(std::optional<Principal> principal, decide(credential, peer_local, digest));
  if (principal) co_return *std::move(principal);
  CO_TRY(auto identity, co_await tokens_->verify(credential, digest, cancel));
  co_return Principal{std::move(identity)};
}

}  // namespace weir::accounts
