// SimPorts: who listens on one machine, on which host and port or Unix path; a killed process's Unix paths
// are free again. Ports of one process may be shared by its loops, as SO_REUSEPORT does; everybody else's are
// in use.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "weir/io/network.h"
#include "weir/io/sim/physics.h"

namespace weir::io::sim {

class SimLoop;
class SimMachine;
class SimProcess;

/// One open listener, as the kernel keeps it.
struct SimPort {
  enum class Host : uint8_t { kAny, kLoopback, kOwn, kUnix };
  Address at;
  Host host = Host::kAny;
  bool shared = false;
  bool tls = false;
  SimLoop* loop = nullptr;
  std::function<void(std::unique_ptr<Stream>)> accepted;
};

class SimPorts {
 public:
  explicit SimPorts(SimMachine& machine) : machine_(machine) {}

  /// Errors: kIo, as io/net's.
  Result<std::unique_ptr<Listener>> open(SimLoop& loop, const Address& at,
                                         const Network::ListenOptions& options,
                                         std::function<void(std::unique_ptr<Stream>)> accepted);
  /// One of those that a connection to `to` reaches; null: nobody listens. `inside`: it comes from this
  /// machine.
  std::shared_ptr<SimPort> choose(const Address& to, bool inside, Chance& chance) const;

  void close(const SimPort& port);
  void close_all(const SimProcess& process);

 private:
  const SimPort* holder(const Address& at, SimPort::Host host, const SimLoop& loop, bool shared) const;

  SimMachine& machine_;
  std::vector<std::shared_ptr<SimPort>> open_;  // in the order of opening; shared with the call it is in
};

}  // namespace weir::io::sim
