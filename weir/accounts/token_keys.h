// TokenKeys: every issuer and its keys as they are now, immutable: the loop that fetches them (jwks_source.h)
// publishes a new one to every core.
#pragma once

#include <algorithm>
#include <memory>
#include <string_view>
#include <vector>

#include "weir/accounts/jwk.h"
#include "weir/base/clock.h"
#include "weir/base/settings.h"

namespace weir::accounts {

/// Nothing is fetched from an issuer more often, whatever its callers send.
inline constexpr Duration kFetchPauseMin = seconds(60);
/// Of a fetch, discovery included; a request waits no longer for one.
inline constexpr Duration kFetchMax = seconds(5);

struct IssuerKeys {
  TokenIssuerSettings settings;
  std::vector<Algorithm> algorithms;   // settings.algorithms
  std::shared_ptr<const KeySet> keys;  // nullptr: none yet, or none for too long
  uint64_t fetches = 0;                // that ended, well or not
  MonoTime fetched;                    // the last of them
  bool fixed = false;                  // a secret: there is nothing to fetch
  bool failing = false;                // the last fetch brought nothing

  bool takes(Algorithm algorithm) const {
    return std::ranges::find(algorithms, algorithm) != algorithms.end();
  }
};

struct TokenKeys {
  std::vector<std::shared_ptr<const IssuerKeys>> issuers;
  uint64_t version = 0;  // grows when a token that was valid may no longer be

  const IssuerKeys* find(std::string_view issuer) const {
    auto found = std::ranges::find_if(issuers, [&](const auto& i) { return i->settings.issuer == issuer; });
    return found == issuers.end() ? nullptr : found->get();
  }
};

}  // namespace weir::accounts
