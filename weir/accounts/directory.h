// Directory: everybody whom the accounts know, as of one version of the store: an immutable snapshot that
// every core judges by. Built whole on a worker thread, swapped whole; a request that was let in by it keeps
// it alive. Found by key id with one look into a table of twice as many places as keys. Thread-safe: it never
// changes.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "weir/accounts/pepper.h"
#include "weir/exchange/principal.h"
#include "weir/store/account_store.h"

namespace weir::accounts {

/// The meter of a scope ("key", "user", "team", "tenant"), with these limits from now on; nullptr: it needs
/// none. `tenant`: whose it is; empty: the configuration's. Called by whoever builds identities, on any
/// thread.
using MeterOf = std::function<std::shared_ptr<quota::Meter>(std::string_view scope, const std::string& id,
                                                            const Limits& limits, std::string_view tenant)>;

class Directory {
 public:
  /// One key. Revoked keys are not in it.
  struct Entry {
    exchange::Identity identity;
    bool suspended = false;       // it, its user, team or tenant
    int64_t expires_unix_ms = 0;  // 0: never
    struct Known {
      const HmacSha256* pepper = nullptr;  // nullptr: no secret, or its pepper is not known here
      Sha256 digest{};
      int64_t expires_unix_ms = 0;  // 0: with the key
    };
    std::array<Known, 2> secrets;
  };

  /// `peppers` is kept with it.
  static std::shared_ptr<const Directory> build(const store::AccountStore::Everything& all,
                                                std::shared_ptr<const Peppers> peppers,
                                                const MeterOf& meter_of);

  /// nullptr: there is no such key.
  const Entry* find(std::string_view key_id) const;

  /// Those that a token's subject belongs to. What is not in the accounts is in nobody's way: `known` false.
  struct Scope {
    bool known = false;
    bool suspended = false;
    uint64_t permissions = 0;  // a user's roles permit
    std::shared_ptr<quota::Meter> meter;
  };
  Scope scope(store::AccountKind kind, std::string_view tenant, std::string_view id) const;

  uint64_t version() const { return version_; }
  size_t keys() const { return entries_.size(); }
  const std::vector<Entry>& entries() const { return entries_; }
  /// Secrets made with a pepper that is not known here: such keys are refused.
  size_t unverifiable() const { return unverifiable_; }

 private:
  struct Place {
    uint64_t number = 0;
    uint32_t entry = 0;  // from 1; 0: free
  };
  struct Placed {
    Scope scope;
    std::string tenant;
  };
  size_t first_place(uint64_t number) const;
  void add(Entry entry);

  std::shared_ptr<const Peppers> peppers_;
  std::vector<Entry> entries_;
  std::vector<Place> places_;                                      // a power of two
  std::array<std::unordered_map<std::string, Placed>, 3> scopes_;  // tenants, teams, users
  uint64_t version_ = 0;
  size_t unverifiable_ = 0;
};

}  // namespace weir::accounts
