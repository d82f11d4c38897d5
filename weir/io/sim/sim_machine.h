// SimMachine: the Machine of a universe: its disk, its wall clock, its ports, the process that runs and the
// dead ones not yet buried. Switched off from a power cut to the next boot: then nobody even refuses.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "weir/io/sim/physics.h"
#include "weir/io/sim/sim_disk.h"
#include "weir/io/sim/sim_ports.h"
#include "weir/io/sim/universe.h"

namespace weir::io::sim {

class SimNet;
class SimProcess;

class SimMachine final : public Machine {
 public:
  SimMachine(SimNet& net, std::string name, std::string host, int loops);
  ~SimMachine() override;

  std::string_view name() const override { return name_; }
  std::string_view host() const override { return host_; }
  std::vector<Loop*> boot() override;
  bool running() const override { return process_ != nullptr; }
  void kill() override;
  void power_cut() override;
  void bury() override;
  void jump_clock(Duration by) override;
  void limit_disk(std::optional<uint64_t> bytes) override { disk_.limit(bytes); }
  void on_disk_change(std::function<void()> hook) override { disk_.on_change(std::move(hook)); }
  Disk& disk() override { return *mount_; }

  Physics& physics() { return physics_; }
  SimPorts& ports() { return ports_; }
  WallTime wall_now() const { return {physics_.now().ns + wall_offset_ns_}; }
  bool switched_on() const { return switched_on_; }
  uint64_t throttle() const { return throttle_; }
  void throttle(uint64_t bytes_per_second) { throttle_ = bytes_per_second; }

  /// Drops what its loops still have to do: the universe ends.
  void fall_silent();
  void count(Census& census) const;

 private:
  void end_process(bool silent);

  SimNet& net_;
  Physics& physics_;
  const std::string name_, host_;
  const int loops_;
  int64_t wall_offset_ns_;
  bool switched_on_ = false;
  uint64_t throttle_ = 0;
  SimPorts ports_;
  SimDisk disk_;
  std::unique_ptr<ProcessDisk> mount_;
  std::unique_ptr<SimProcess> process_;
  std::vector<std::unique_ptr<SimProcess>> dead_;
};

}  // namespace weir::io::sim
