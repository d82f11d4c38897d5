// LeaseServer: a Redis of a simulated world, as far as leases need one: it speaks RESP, signs nobody in, and
// runs for the script of leases what that script says (store/lease_book.h). Started, killed and started
// again, with or without what it knew.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "weir/io/sim/universe.h"
#include "weir/store/lease_book.h"
#include "weir/store/redis/resp.h"

namespace weir::app::sim {

class LeaseServer {
 public:
  LeaseServer(io::sim::Universe& universe, io::sim::Machine& machine)
      : universe_(universe), machine_(machine) {}
  ~LeaseServer();

  void start();
  void kill(bool forget);
  bool running() const { return live_ != nullptr; }
  bool clean() const { return dead_.empty(); }
  io::sim::Machine& machine() { return machine_; }

 private:
  struct Process {
    std::unique_ptr<io::Listener> listener;
    io::Cancel ending;
    io::TaskGroup tasks;
    bool has_script = false;
  };
  void accepted(Process& process, std::unique_ptr<io::Stream> stream);
  io::Task<void> serve(Process& process, std::unique_ptr<io::Stream> stream);
  io::Task<void> wait_for_end(Process& process);
  std::string answer(Process& process, const store::redis::Reply& command);

  io::sim::Universe& universe_;
  io::sim::Machine& machine_;
  std::map<std::string, store::LeaseBook> books_;
  std::unique_ptr<Process> live_;
  std::vector<std::unique_ptr<Process>> dead_;
  io::TaskGroup ends_;
};

inline constexpr uint16_t kLeasePort = 6379;

}  // namespace weir::app::sim
