#include "weir/accounts/token_verifier.h"

#include <algorithm>

namespace weir::accounts {
namespace {

Unexpected key_unknown() {
  return token_refused("its issuer has no such key");
}

}  // namespace

TokenVerifier::TokenVerifier(io::Loop& loop, Options options, Identify identify, WantKeys want_keys)
    : loop_(loop),
      options_(options),
      identify_(std::move(identify)),
      want_keys_(std::move(want_keys)),
      cache_(options.remembered) {}

void TokenVerifier::set_keys(std::shared_ptr<const TokenKeys> keys) {
  if (keys_ && keys->version != keys_->version) cache_.clear();
  keys_ = std::move(keys);
  changed_.notify();
}

TokenVerifier::Checked TokenVerifier::check(std::string_view text, const Sha256& digest) {
  auto refused = [](std::string why) { return Checked{token_refused(std::move(why))}; };
  auto token = Token::read(text, parser_);
  if (!token) return {Unexpected(std::move(token).error())};
  auto claims = parser_.parse(token->payload.view());
  if (!claims || claims->type != json::Type::kObject)
    return refused("its claims are no JSON object, or one is there twice");
  std::optional<std::string> name = issuer_of(*claims);
  const IssuerKeys* issuer = name && keys_ ? keys_->find(*name) : nullptr;
  if (!issuer) return refused("its issuer is not known");
  if (!issuer->takes(token->algorithm)) return refused("its algorithm is not taken from this issuer");
  KeySet::Found found;
  // A secret of the configuration has no name.
  if (issuer->keys)
    found = issuer->keys->find(issuer->fixed ? std::nullopt : token->key_id, token->algorithm);
  if (found.lookup == KeySet::Lookup::kWrongAlgorithm) return refused("its key is for another algorithm");
  if (!found.key) return {key_unknown(), issuer};
  if (!found.key->key.verify(token->algorithm, token->signing_input, token->signature))
    return refused("its signature is not its issuer's");
  auto subject = subject_of(*claims, *token, issuer->settings, loop_.wall_now());
  if (!subject) return {Unexpected(std::move(subject).error())};
  Identified identity = identify_(*subject);
  if (identity) remember(digest, *identity, subject->expires_unix_s);
  return {std::move(identity)};
}

void TokenVerifier::remember(const Sha256& digest, const std::shared_ptr<const exchange::Identity>& identity,
                             int64_t expires_unix_s) {
  // The minute that clocks may differ is not remembered: such a token is looked at each time.
  int64_t left_s = expires_unix_s - loop_.wall_now().unix_s();
  if (left_s <= 0) return;
  Duration left = seconds(std::min<int64_t>(left_s, 86400));
  cache_.put(digest, identity, loop_.now() + std::min(left, options_.remember));
}

bool TokenVerifier::may_ask(const IssuerKeys& issuer) const {
  return !issuer.fixed && (issuer.fetches == 0 || loop_.now() - issuer.fetched >= kFetchPauseMin);
}

TokenVerifier::Identified TokenVerifier::verify_now(std::string_view token, const Sha256& digest) {
  if (auto identity = known(digest)) return identity;
  Checked checked = check(token, digest);
  if (checked.missing && may_ask(*checked.missing)) want_keys_(checked.missing->settings.issuer);
  return std::move(checked.identity);
}

io::Task<TokenVerifier::Identified> TokenVerifier::verify(std::string_view token, Sha256 digest,
                                                          io::Cancel& cancel) {
  if (auto identity = known(digest)) co_return identity;
  Checked checked = check(token, digest);
  if (!checked.missing || !may_ask(*checked.missing) || waiting_ >= options_.waiting_max)
    co_return std::move(checked.identity);
  const std::string issuer = checked.missing->settings.issuer;
  const uint64_t fetches = checked.missing->fetches;
  io::Cancel scope(cancel);
  io::Timeout too_long(scope, io::CancelReason::kTotalTimeout);
  loop_.arm(too_long, kFetchMax + seconds(1));
  ++waiting_;
  want_keys_(issuer);
  // Other issuers' keys may come first; that the issuer is gone is an answer too.
  for (const IssuerKeys* now = keys_->find(issuer); now && now->fetches == fetches; now = keys_->find(issuer))
    if (!co_await changed_.wait(scope)) break;
  --waiting_;
  if (cancel.requested())
    co_return Unexpected(internal_error(ErrorCode::kCancelled, "left while its token's key was fetched"));
  co_return check(token, digest).identity;
}

std::vector<std::string> TokenVerifier::warnings() const {
  std::vector<std::string> sentences;
  if (!keys_) return sentences;
  for (const std::shared_ptr<const IssuerKeys>& issuer : keys_->issuers)
    if (issuer->failing)
      sentences.push_back("the keys of issuer " + issuer->settings.name +
                          " could not be fetched; the log says why");
  return sentences;
}

}  // namespace weir::accounts
