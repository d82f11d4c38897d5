// Authenticator: who sends a request, decided on one core without waiting, locking or asking anybody: a key
// of the configuration, a key of the accounts, or a signed token. "Authorization: Bearer KEY", or "api-key",
// "x-api-key" as other clients send it; two different ones are an error. Fails closed: a wrong key is refused
// even where requests without a key are welcome, and every wrong key is refused in the same words. Used on
// its loop only.
//
// A principal holds its identity by a count of this core: two cores that serve one key do not fight over one
// number in memory.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "weir/accounts/directory.h"
#include "weir/accounts/token_verifier.h"
#include "weir/base/header.h"
#include "weir/base/settings.h"
#include "weir/exchange/principal.h"
#include "weir/io/loop.h"

namespace weir::accounts {

class Authenticator {
 public:
  explicit Authenticator(io::Loop& loop) : loop_(loop) {}
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  /// The configuration's keys and who needs none, from now on. `meter_of` may be empty.
  void set_settings(const AuthSettings& settings, const MeterOf& meter_of = {});
  /// The accounts from now on; nullptr: there are none.
  void set_directory(std::shared_ptr<const Directory> directory);
  /// Who verifies signed tokens, forgetting all of them when accounts change; nullptr: none are taken.
  /// Outlives the requests.
  void set_tokens(TokenVerifier* tokens) { tokens_ = tokens; }
  const Directory* directory() const { return held_ ? held_->get() : nullptr; }

  /// At once; a token whose issuer's keys are not here yet is refused. Errors: kUnauthenticated
  /// (invalid_api_key, missing_api_key, invalid_token), kPermissionDenied (account_suspended).
  Result<exchange::Principal> authenticate(HeaderList headers, bool peer_local) const;
  /// The same without a coroutine where nothing has to be waited for; nullopt: authenticate_waiting().
  std::optional<Result<exchange::Principal>> authenticate_at_once(HeaderList headers, bool peer_local) const;
  /// A token may wait for its issuer's keys. `headers` outlive it. Also kCancelled.
  io::Task<Result<exchange::Principal>> authenticate_waiting(HeaderList headers, bool peer_local,
                                                             io::Cancel& cancel) const;

 private:
  struct Configured {
    Sha256 hash;
    exchange::Principal principal;
  };
  Result<exchange::Principal> without_key(bool peer_local) const;
  /// What needs no waiting; nullopt: it is a token that has to be verified. `digest` is of `credential`.
  Result<std::optional<exchange::Principal>> decide(std::string_view credential, bool peer_local,
                                                    Sha256& digest) const;
  Result<exchange::Principal> by_account(std::string_view key, std::string_view id) const;
  const Configured* configured(const Sha256& digest) const;

  io::Loop& loop_;
  Anonymous anonymous_ = Anonymous::kNever;
  std::vector<Configured> configured_;  // sorted by digest
  // The directory behind a count of this core: principals share this one, not the directory's own.
  std::shared_ptr<const std::shared_ptr<const Directory>> held_;
  TokenVerifier* tokens_ = nullptr;
};

}  // namespace weir::accounts
