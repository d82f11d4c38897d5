// World: one simulated world from one seed: replicas of weir, model servers and clients on their machines,
// the blows that its plan has for it, and in the end a healed world in which everything must work again and
// nothing may be left. One thread; a run is a function of its seed.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weir/app/sim/audit.h"
#include "weir/app/sim/client.h"
#include "weir/app/sim/invariants.h"
#include "weir/app/sim/key_desk.h"
#include "weir/app/sim/node.h"
#include "weir/app/sim/plan.h"
#include "weir/app/sim/troubles.h"

namespace weir::app::sim {

struct Report {
  std::string violation;  // empty: everything held
  Duration virtual_time{};
  Duration gateway_time{};  // summed over the replicas
  uint64_t requests = 0;
  uint64_t records = 0;
  uint64_t shared = 0;  // requests to shared budgets
  uint64_t events = 0;
  uint64_t asked = 0, asked_again = 0;  // of the model servers
  std::map<std::string, uint64_t> outcomes;
  std::map<std::string, uint64_t> blows;
  std::map<std::string, uint64_t> moods;
};

class World {
 public:
  using Trace = std::function<void(std::string_view line)>;
  World(uint64_t seed, Trace trace);
  ~World();

  Report run();

 private:
  struct Upstart {  // a replica and what it is written down as
    std::unique_ptr<Replica> replica;
    uint64_t version = 0;  // of its configuration
    bool starting = false;
    std::optional<int64_t> spent_tokens{};  // by its budgets, when it rested
    bool dropped = false;                   // records were, so its budgets may know more
  };
  void build();
  void strike(const PlannedBlow& blow);
  void end_replica(size_t i, bool power_cut);
  void die_writing(const PlannedBlow& blow);
  void start_replica(size_t i);
  void start_model(size_t i);
  void write_configuration(size_t i, bool broken);
  void tick();
  void heal();
  bool all_well() const;
  void probe();
  void probe_revoked(size_t i);
  void check_metrics(size_t i);
  void note_spent(size_t i, bool dropped);
  void check_spent(size_t i, const std::vector<Record>& records);
  void finish();
  void check_nothing_left();
  Duration drain_bound(MonoTime since) const;
  bool wait(std::string_view what, Duration limit, const std::function<bool()>& done);
  void say(std::string_view what) {
    if (universe_->tracing()) universe_->trace("world", what);
  }

  const Plan plan_;
  std::unique_ptr<io::sim::Universe> universe_;
  Troubles troubles_;
  std::optional<KeyDesk> accounts_;
  Ledger ledger_;
  size_t frames_before_ = 0;
  uint64_t records_ = 0;
  MonoTime start_;
  std::vector<Upstart> replicas_;
  std::vector<std::unique_ptr<ModelServer>> models_;
  std::vector<io::sim::Machine*> client_machines_;
  std::vector<io::Loop*> client_loops_;
  std::vector<std::unique_ptr<Client>> clients_;
  io::TaskGroup client_tasks_;
  std::array<uint64_t, kBlows> struck_{};
  bool ticking_ = true;
  bool healed_ = false;
};

}  // namespace weir::app::sim
