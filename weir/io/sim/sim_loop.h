// SimLoop: one loop of a simulated process. Its jobs, timers and offloaded work are events of the universe;
// code on it takes no virtual time. Work runs where its event is, in between everything else, as a worker
// thread's would. A dead process's loop runs on, reaching nothing, until it is buried.
#pragma once

#include <functional>
#include <vector>

#include "weir/base/intrusive_list.h"
#include "weir/io/loop.h"
#include "weir/io/sim/physics.h"
#include "weir/io/sim/seeded_random.h"
#include "weir/io/sim/sim_network.h"

namespace weir::io::sim {

class SimProcess;

class SimLoop final : public Loop, public Occurrence {
 public:
  SimLoop(SimProcess& process, SimNet& net, int index);
  ~SimLoop() override;

  int index() const override { return index_; }
  MonoTime now() const override { return physics_.now(); }
  WallTime wall_now() const override;
  TimerWheel& timers() override { return wheel_; }
  Network& network() override { return network_; }
  Disk& disk() override;
  Processes& processes() override;
  Random& random() override { return random_; }
  void post(std::move_only_function<void()> job) override;
  void offload(std::move_only_function<void()> work, std::move_only_function<void()> done) override;
  void stop() override { stopped_ = true; }

  SimNetwork& sim_network() { return network_; }
  /// Requires: not yet buried.
  SimProcess& process() const { return *process_; }
  bool runs() const { return process_ && !stopped_; }
  /// Of a living process.
  bool alive() const;
  size_t jobs() const { return jobs_.size() + offloaded_; }
  size_t timers_armed() { return wheel_.armed(); }

  /// Drops what is left: its process goes away.
  void bury();

 private:
  enum What : uint32_t { kJobs, kAlarm };
  struct Offloaded;

  void happen(uint32_t what) override;
  void run_jobs();
  void ring_at(MonoTime at);

  Physics& physics_;
  SimProcess* process_;  // null: buried
  const int index_;
  bool stopped_ = false;
  TimerWheel wheel_;
  MonoTime alarm_at_{INT64_MAX};
  SeededRandom random_;
  SimNetwork network_;
  std::vector<std::move_only_function<void()>> jobs_, running_;
  size_t offloaded_ = 0;
  IntrusiveList<Offloaded> workers_;
};

}  // namespace weir::io::sim
