// What connections of one SQLite database hold against each other, in memory: the five levels of its file
// lock and the eight locks and the shared pages of a WAL's index. All of it dies with its holders. The rules
// are those of https://www.sqlite.org/lockingv3.html and of xShmLock in sqlite3.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace weir::io::sim {

/// Levels are SQLite's: 0 none, 1 shared, 2 reserved, 3 pending, 4 exclusive.
class FileLocks {
 public:
  using Holder = uint64_t;  // one connection's number
  /// False: somebody else's lock stands against it. Asking for exclusive may leave the holder at pending,
  /// which keeps new readers out.
  bool raise(Holder holder, int level);
  void lower(Holder holder, int level);
  int level(Holder holder) const;
  bool reserved() const;  // by anybody

 private:
  std::map<Holder, int> levels_;
};

class SharedIndex {
 public:
  static constexpr int kLocks = 8;
  struct User {
    uint32_t shared = 0;     // a bit a lock
    uint32_t exclusive = 0;  // likewise
  };

  void join(User& user) { users_.push_back(&user); }
  void leave(User& user);
  bool unused() const { return users_.empty(); }

  bool lock(User& user, uint32_t mask, bool exclusive);
  static void unlock(User& user, uint32_t mask, bool exclusive);

  /// Zeros at first; nullptr when it is not there and `extend` is not set. Stays where it is.
  std::byte* region(size_t number, size_t bytes, bool extend);

 private:
  std::vector<User*> users_;
  std::vector<std::unique_ptr<std::byte[]>> regions_;
};

}  // namespace weir::io::sim
