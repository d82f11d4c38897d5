// BudgetWorld: one simulated world of replicas that share limits, from one seed: on each the meters, the bank
// and the Redis client that `weir serve` has (quota/, store/redis/), used by callers that reserve and settle;
// in the middle a server of leases. What happens to it: replicas are killed, cut off and drained, the server
// is slow, killed, started again, in some worlds without what it knew; connections break. What must hold:
//   1. What all replicas have spent is never more than the budget, what they spent on a local share while the
//      store was away (each counts that itself), and for each crash what the replica had spent of its lease
//      and not told: at most that lease. The same of the budget of the day.
//   2. No replica that reaches the store refuses everything for five seconds while a fifth of the budget is
//   left.
//   3. Alone, a replica never spends more than the whole budget; where only the server was away, all of them
//      together pass it by a tenth of it at most.
//   4. In the healed world every replica knows the exact sum, and what is left of the budget can be used.
// One thread; a run is a function of its seed.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weir/app/sim/lease_server.h"
#include "weir/app/sim/world.h"
#include "weir/quota/bank.h"

namespace weir::app::sim {

class BudgetWorld {
 public:
  BudgetWorld(uint64_t seed, World::Trace trace);
  ~BudgetWorld();
  Report run();

 private:
  enum class Kind : uint8_t { kCalm, kCrashes, kServerAway, kServerForgets };
  struct Process;
  struct Replica {
    size_t index = 0;
    io::sim::Machine* machine = nullptr;
    int64_t spent = 0, requests = 0;  // on its disk
    std::unique_ptr<Process> live;
    std::vector<std::unique_ptr<Process>> dead;
    MonoTime served, in_trouble;  // last
    bool cut_off = false;
  };

  void start(Replica& replica);
  void kill(Replica& replica);
  void bury(Replica& replica, Process* process);
  io::Task<void> end(Replica& replica, Process& process);
  io::Task<void> work(Replica& replica, Process& process, uint64_t seed, size_t loop);
  io::Task<std::optional<quota::Refusal>> reserve(Process& process, size_t loop, int64_t amount,
                                                  Duration most, io::Cancel& cancel);
  io::Task<void> probe(Process& process, bool* done);
  void settle(Replica& replica, Process& process, size_t loop, int64_t reserved, int64_t used);
  void trouble();
  void tick();
  void check();
  void heal();
  void check_end();
  int64_t allowed() const;
  void violated(std::string what);
  bool wait(std::string_view what, Duration limit, const std::function<bool()>& done);
  void say(std::string_view what) {
    if (universe_->tracing()) universe_->trace("world", what);
  }

  const uint64_t seed_;
  io::sim::Chance chance_;
  std::unique_ptr<io::sim::Universe> universe_;
  size_t frames_before_ = 0;
  Kind kind_ = Kind::kCalm;
  int64_t limit_ = 0;
  Duration think_{};
  MonoTime start_;
  std::unique_ptr<LeaseServer> server_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  int64_t spent_ = 0;    // by all
  int64_t excused_ = 0;  // by what happened to processes that are gone
  std::deque<std::pair<MonoTime, int64_t>> spent_before_;
  uint64_t asked_ = 0, served_ = 0;
  io::TaskGroup ends_;
  bool stopping_ = false, ticking_ = true;
  std::string violation_;
};

}  // namespace weir::app::sim
