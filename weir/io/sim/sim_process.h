// SimProcess: one boot of a machine: its loops, its view of the disk, and what it holds of the network. Dies
// once; its loops run on until it is buried.
#pragma once

#include <memory>
#include <vector>

#include "weir/base/intrusive_list.h"
#include "weir/io/sim/no_programs.h"
#include "weir/io/sim/sim_connect.h"
#include "weir/io/sim/sim_connection.h"
#include "weir/io/sim/sim_disk.h"
#include "weir/io/sim/sim_loop.h"

namespace weir::io::sim {

class SimMachine;

class SimProcess {
 public:
  SimProcess(SimMachine& machine, SimNet& net, std::unique_ptr<ProcessDisk> disk, int loops);
  ~SimProcess();
  SimProcess(const SimProcess&) = delete;
  SimProcess& operator=(const SimProcess&) = delete;

  SimMachine& machine() { return machine_; }
  const std::vector<Ref<SimLoop>>& loops() const { return loops_; }
  ProcessDisk& disk() { return *disk_; }
  Processes& programs() { return programs_; }
  bool alive() const { return alive_; }

  /// Its connections end, by chance in order or cut or, and always when `silent`, without a word.
  void die(bool silent);

  void add(SimConnection::Side& side) {
    ++streams;
    sides_.push_back(side);
  }
  void remove(SimConnection::Side& side) {
    --streams;
    side.unlink();
  }
  void add(ConnectAttempt& attempt) { attempts_.push_back(attempt); }

  size_t streams = 0;  // of a living process
  size_t listeners = 0;

 private:
  SimMachine& machine_;
  SimNet& net_;
  bool alive_ = true;
  std::unique_ptr<ProcessDisk> disk_;
  NoPrograms programs_;
  std::vector<Ref<SimLoop>> loops_;
  IntrusiveList<SimConnection::Side> sides_;
  IntrusiveList<ConnectAttempt> attempts_;
};

}  // namespace weir::io::sim
