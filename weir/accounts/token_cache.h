// TokenCache: tokens that were verified lately, so that the same token costs a hash and a look instead of a
// signature. Found by the SHA-256 of the whole token: no part of it, and no cheaper hash, says who somebody
// is. A fixed number of places in sets of eight; the one that ends first makes room. One core's.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/hash.h"
#include "weir/exchange/principal.h"

namespace weir::accounts {

class TokenCache {
 public:
  /// At least eight places; 56 bytes each, taken with the first put().
  explicit TokenCache(size_t places);

  /// nullptr: not known, or no longer.
  const std::shared_ptr<const exchange::Identity>* find(const Sha256& digest, MonoTime now) const;
  void put(const Sha256& digest, std::shared_ptr<const exchange::Identity> identity, MonoTime until);
  void clear() { places_.clear(); }

 private:
  static constexpr size_t kWays = 8;
  struct Place {
    Sha256 digest{};
    std::shared_ptr<const exchange::Identity> identity;  // nullptr: free
    MonoTime until;
  };
  size_t first_of(const Sha256& digest) const {
    uint64_t bits = 0;
    std::memcpy(&bits, digest.data(), sizeof(bits));
    return (bits % sets_) * kWays;
  }

  const size_t sets_;
  std::vector<Place> places_;  // empty, or all of them
};

}  // namespace weir::accounts
