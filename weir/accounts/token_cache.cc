#include "weir/accounts/token_cache.h"

#include <algorithm>

namespace weir::accounts {

TokenCache::TokenCache(size_t places) : sets_(std::max<size_t>(places / kWays, 1)) {}

const std::shared_ptr<const exchange::Identity>* TokenCache::find(const Sha256& digest, MonoTime now) const {
  if (places_.empty()) return nullptr;
  const Place* place = &places_[first_of(digest)];
  for (const Place* end = place + kWays; place < end; ++place)
    if (place->identity && place->digest == digest) return now < place->until ? &place->identity : nullptr;
  return nullptr;
}

void TokenCache::put(const Sha256& digest, std::shared_ptr<const exchange::Identity> identity,
                     MonoTime until) {
  if (places_.empty()) places_.resize(sets_ * kWays);
  Place* begin = &places_[first_of(digest)];
  Place* room = begin;
  for (Place* place = begin; place < begin + kWays; ++place) {
    if (place->identity && place->digest == digest) {
      room = place;
      break;
    }
    if (!place->identity ? room->identity != nullptr : room->identity && place->until < room->until)
      room = place;
  }
  *room = {digest, std::move(identity), until};
}

}  // namespace weir::accounts
