// Who calls: an Identity is what a key or a token stands for, a Principal is one caller with it (or without:
// anonymous). Identities are made by accounts/ from the configuration's keys, the accounts' keys and verified
// tokens, never change, and are kept alive by the requests that carry them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/passed_api.h"

namespace weir::quota {
class Meter;
}

namespace weir::exchange {

struct Identity {
  std::string name;                       // of the key, or the subject of a token
  std::string tenant, team, user, key;    // ids of accounts; empty: none, or the configuration's
  std::vector<std::string> roles;         // accounts/permission.h
  uint64_t permissions = 0;               // those of its roles: what it may do besides calling models
  std::vector<std::string> models;        // exact names or "prefix*"; empty: every model
  std::optional<PassedApis> passthrough;  // nullopt: see Principal::may_call
  /// Everything that limits it: its own meter first, then the user's, the team's, the tenant's, where those
  /// have limits. Shared with the other identities that they limit.
  std::vector<std::shared_ptr<quota::Meter>> meters;
};

struct Principal {
  std::shared_ptr<const Identity> identity;  // nullptr: it sent no key

  /// With a key of no account.
  static Principal with_key(std::string name, std::vector<std::string> models = {},
                            std::optional<PassedApis> passthrough = std::nullopt);

  bool anonymous() const { return identity == nullptr; }
  std::string_view name() const { return identity ? std::string_view(identity->name) : "anonymous"; }
  std::string_view tenant() const { return identity ? std::string_view(identity->tenant) : ""; }
  uint64_t permissions() const { return identity ? identity->permissions : 0; }
  bool may_use(std::string_view model) const;
  /// What is kept in the provider's account is shared by all who may reach it: it takes a key, and one that
  /// is limited to models must name it. The provider's administration must be named by every key.
  bool may_call(PassedApi api) const;
  /// It may use some models only.
  bool limited() const { return identity && !identity->models.empty(); }
};

/// Who calls, as one name for each key and each address without one: "key team-a" (of the configuration),
/// "account 4fGh2kLm" (a key of the accounts, or a token's tenant and subject), "address 10.0.0.1".
std::string client_of(const Principal& principal, std::string_view peer);

}  // namespace weir::exchange
