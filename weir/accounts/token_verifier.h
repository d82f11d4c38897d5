// TokenVerifier: from a signed token to the identity it stands for. One a core, on its loop. What was
// verified is remembered for a minute at most, never beyond the token's end, and forgotten at once when
// accounts or keys change. A token whose key is not known waits, within bounds, for the one fetch of its
// issuer's keys that is under way, and is refused at once when there was one lately.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weir/accounts/jwt.h"
#include "weir/accounts/token_cache.h"
#include "weir/accounts/token_keys.h"
#include "weir/base/json.h"
#include "weir/exchange/principal.h"
#include "weir/io/loop.h"

namespace weir::accounts {

class TokenVerifier {
 public:
  using Identified = Result<std::shared_ptr<const exchange::Identity>>;
  struct Options {
    size_t remembered = 65536;  // tokens
    size_t waiting_max = 256;   // requests that wait for keys; more are refused
    Duration remember = seconds(60);
  };
  /// Who a subject is among the accounts: its tenant is there and not suspended ... Errors end the request.
  using Identify = std::function<Identified(const TokenSubject& subject)>;
  /// An issuer's keys are wanted (JwksSource::want, on its loop).
  using WantKeys = std::function<void(const std::string& issuer)>;

  TokenVerifier(io::Loop& loop, Options options, Identify identify, WantKeys want_keys);
  TokenVerifier(const TokenVerifier&) = delete;
  TokenVerifier& operator=(const TokenVerifier&) = delete;

  /// Is this a token for it, and not a key of weir?
  bool takes(std::string_view credential) const {
    return keys_ && !keys_->issuers.empty() && looks_like_token(credential);
  }
  /// Verified before: by sha256(token). nullptr: not, or not lately.
  std::shared_ptr<const exchange::Identity> known(const Sha256& digest) const {
    auto found = cache_.find(digest, loop_.now());
    return found ? *found : nullptr;
  }
  /// Without waiting: a token whose key is not known is refused (and the key asked for). `digest` is
  /// sha256(token). Errors: kUnauthenticated invalid_token; those of Identify.
  Identified verify_now(std::string_view token, const Sha256& digest);
  /// As verify_now, but waits for keys that may come. Also kCancelled. `token` lives until the end.
  io::Task<Identified> verify(std::string_view token, Sha256 digest, io::Cancel& cancel);

  /// From now on. What waits for keys looks again.
  void set_keys(std::shared_ptr<const TokenKeys> keys);
  /// Accounts changed: every token is looked at anew.
  void purge() { cache_.clear(); }

  size_t waiting() const { return waiting_; }
  /// Issuers whose keys could not be fetched, one sentence each.
  std::vector<std::string> warnings() const;

 private:
  // `missing`: the token's key is not known, it might be after a fetch from this issuer.
  struct Checked {
    Identified identity;
    const IssuerKeys* missing = nullptr;
  };
  Checked check(std::string_view token, const Sha256& digest);
  bool may_ask(const IssuerKeys& issuer) const;
  void remember(const Sha256& digest, const std::shared_ptr<const exchange::Identity>& identity,
                int64_t expires_unix_s);

  io::Loop& loop_;
  const Options options_;
  const Identify identify_;
  const WantKeys want_keys_;
  json::Parser parser_;
  TokenCache cache_;
  std::shared_ptr<const TokenKeys> keys_;
  io::Event changed_;
  size_t waiting_ = 0;
};

}  // namespace weir::accounts
