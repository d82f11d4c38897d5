// Troubles: what was done to the world, kept so that a bad outcome can be asked for its reason: an outcome
// that nothing explains is a defect. Times are virtual.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "weir/app/sim/plan.h"

namespace weir::app::sim {

class Troubles {
 public:
  explicit Troubles(const Plan& plan)
      : plan_(plan),
        replica_(plan.replicas),
        model_(plan.models),
        sick_(plan.models),
        deaths_(plan.replicas),
        dead_(plan.replicas) {}

  /// From now on; until_now() ends it. One after the other.
  class Spells {
   public:
    void begin(MonoTime now) {
      if (!open_) spells_.push_back({now, now});
      open_ = true;
    }
    void end(MonoTime now) {
      if (open_) spells_.back().to = now;
      open_ = false;
    }
    bool open() const { return open_; }
    /// Was there any at or after `since`?
    bool any(MonoTime since) const { return open_ || (!spells_.empty() && spells_.back().to >= since); }

   private:
    struct Spell {
      MonoTime from, to;
    };
    std::vector<Spell> spells_;
    bool open_ = false;
  };

  Spells& replica(size_t i) { return replica_[i]; }  // down, draining or starting
  Spells& model(size_t i) { return model_[i]; }
  Spells& sick(size_t i) { return sick_[i]; }  // a model server that fails every request
  Spells& network() { return network_; }       // some partition
  Spells& throttled() { return throttled_; }
  Spells& disk() { return disk_; }  // some disk is full

  /// A replica's process died, with its machine or without.
  struct Death {
    MonoTime at;
    bool power_cut = false;
    /// Until when a process worked on its disk: one that died while it started brought nothing there that the
    /// one before had left, which had died, too (weir sim seed 34548).
    MonoTime worked_until;
  };
  void died(size_t replica, MonoTime at, bool power_cut) {
    std::vector<Death>& all = deaths_[replica];
    all.push_back({at, power_cut, dead_[replica] ? all.back().worked_until : at});
    dead_[replica] = true;
  }
  void started(size_t replica) { dead_[replica] = false; }
  const std::vector<Death>& deaths(size_t replica) const { return deaths_[replica]; }

  bool any_model(MonoTime since) const {
    for (const Spells& m : model_)
      if (m.any(since)) return true;
    return false;
  }
  bool any_sick(MonoTime since) const {
    return std::ranges::any_of(sick_, [&](const Spells& s) { return s.any(since); });
  }
  /// Model servers that were well all the time since then.
  size_t well(MonoTime since) const {
    size_t n = 0;
    for (size_t m = 0; m < model_.size(); ++m)
      n += !model_[m].any(since) && !sick_[m].any(since);
    return n;
  }
  bool any_replica(MonoTime since) const {
    for (const Spells& r : replica_)
      if (r.any(since)) return true;
    return false;
  }
  /// Nothing was silent without being dead: what the timers promise can be asked for.
  /// (A process that dies may leave connections whose other end is not told.)
  bool honest(MonoTime since, size_t replica) const {
    return !plan_.lies() && !network_.any(since) && !replica_[replica].any(since);
  }
  /// Nothing can be written, or was not lately: a store that failed is tried again with pauses.
  bool disks_fail(MonoTime since) const {
    return plan_.faults.disk_error > 0 || plan_.faults.slow_disk > 0 || disk_.any(since + -seconds(10));
  }
  bool resets() const { return plan_.faults.reset > 0 || plan_.lies(); }
  const Plan& plan() const { return plan_; }

 private:
  const Plan& plan_;
  std::vector<Spells> replica_;
  std::vector<Spells> model_;
  std::vector<Spells> sick_;
  std::vector<std::vector<Death>> deaths_;  // of each replica
  std::vector<bool> dead_;                  // and has not started since
  Spells network_;
  Spells throttled_;
  Spells disk_;
};

}  // namespace weir::app::sim
