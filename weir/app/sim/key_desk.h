// KeyDesk: the accounts of a simulated installation: the store that all its replicas share, as a database is
// one for all, and the operator who revokes keys of it while they are used. Each replica reaches the store by
// its own way, which is cut for a while now and then, and fails by chance; what a crash cannot touch is the
// store itself. The desk knows when every key was revoked and when each replica could not hear of it, so it
// can say what must be refused.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/app/sim/plan.h"
#include "weir/io/sim/universe.h"
#include "weir/store/account_store.h"

namespace weir::app::sim {

class KeyDesk {
 public:
  /// Requires: the plan has accounts.
  KeyDesk(io::sim::Universe& universe, const Plan& plan);

  /// The store, as that replica reaches it.
  std::shared_ptr<store::AccountStore> store(size_t replica);
  /// From now on keys are revoked and ways are cut, as the plan says.
  void begin();
  /// Every way is open again, nothing fails any more, nothing is revoked any more.
  void heal();

  const std::string& any_key(io::sim::Chance& chance) const;
  /// One that was revoked; empty: none was.
  std::string revoked_key() const;
  /// It was revoked before then.
  bool revoked(std::string_view key, MonoTime by) const;
  /// A request with the key that began then must be refused by the replica: it had the time to hear of the
  /// revocation, undisturbed, at one piece.
  bool must_be_refused(std::string_view key, size_t replica, MonoTime began) const;
  /// How long hearing takes while nothing is in the way: the documented 2 s, and what a slow disk adds to
  /// each of the three jobs that it may take.
  Duration bound() const;
  uint64_t revocations() const { return revocations_; }

 private:
  friend class DeskStore;
  struct Key {
    std::string id, text;
    std::optional<MonoTime> revoked;
  };
  struct Way {
    bool cut = false;
    MonoTime since;  // while it is cut
    std::vector<std::pair<MonoTime, MonoTime>>
        gaps;  // when it was; a call that failed by chance is one without length
  };
  /// Whether a call of that replica gets through; notes it where it does not.
  bool through(size_t replica);
  void revoke(size_t key);
  const Key* find(std::string_view text) const;

  io::sim::Universe& universe_;
  const Plan& plan_;
  io::sim::Chance chance_;
  std::vector<Key> keys_;
  std::vector<Way> ways_;
  std::map<std::pair<store::AccountKind, std::string>, store::Account> accounts_;
  std::vector<store::AuditRow> audit_;
  uint64_t version_ = 1;
  uint64_t revocations_ = 0;
  bool healed_ = false;
};

}  // namespace weir::app::sim
