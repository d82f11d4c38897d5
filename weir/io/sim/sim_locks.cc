#include "weir/io/sim/sim_locks.h"

#include <algorithm>

namespace weir::io::sim {
namespace {

constexpr int kShared = 1, kReserved = 2, kPending = 3, kExclusive = 4;

}  // namespace

int FileLocks::level(Holder holder) const {
  auto found = levels_.find(holder);
  return found == levels_.end() ? 0 : found->second;
}

bool FileLocks::reserved() const {
  return std::ranges::any_of(levels_, [](const auto& held) { return held.second >= kReserved; });
}

bool FileLocks::raise(Holder holder, int wanted) {
  if (level(holder) >= wanted) return true;
  int others = 0;
  for (const auto& [other, held] : levels_)
    if (other != holder) others = std::max(others, held);
  if (wanted == kShared && others >= kPending) return false;
  if (wanted > kShared && others >= kReserved) return false;
  if (wanted == kExclusive && others >= kShared) {
    levels_[holder] = kPending;
    return false;
  }
  levels_[holder] = wanted;
  return true;
}

void FileLocks::lower(Holder holder, int level_now) {
  if (level(holder) <= level_now) return;
  if (level_now == 0)
    levels_.erase(holder);
  else
    levels_[holder] = level_now;
}

void SharedIndex::leave(User& user) {
  std::erase(users_, &user);
  user = {};
}

bool SharedIndex::lock(User& user, uint32_t mask, bool exclusive) {
  for (const User* other : users_)
    if (other != &user && (((exclusive ? other->shared : 0) | other->exclusive) & mask)) return false;
  (exclusive ? user.exclusive : user.shared) |= mask;
  return true;
}

void SharedIndex::unlock(User& user, uint32_t mask, bool exclusive) {
  (exclusive ? user.exclusive : user.shared) &= ~mask;
}

std::byte* SharedIndex::region(size_t number, size_t bytes, bool extend) {
  if (number >= regions_.size()) {
    if (!extend) return nullptr;
    while (regions_.size() <= number)
      regions_.push_back(std::make_unique<std::byte[]>(bytes));
  }
  return regions_[number].get();
}

}  // namespace weir::io::sim
