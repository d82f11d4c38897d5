// The processes of a simulated world. Replica: one weir as `weir serve` runs it, on one machine: the
// configuration read from the machine's disk, the Gateway, the ConfigWatch. ModelServer: one `weir mock`.
// Both can be started, killed and started again; a dead process's objects are told to stop on their dead
// loops and destroyed, as universe.h asks for.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weir/app/config_watch.h"
#include "weir/app/gateway.h"
#include "weir/app/mock/server.h"
#include "weir/io/sim/universe.h"

namespace weir::app::sim {

class Replica {
 public:
  /// `accounts`: the store of all replicas, as this one reaches it; nullptr: none.
  Replica(io::sim::Universe& universe, io::sim::Machine& machine,
          std::shared_ptr<store::AccountStore> accounts)
      : universe_(universe), machine_(machine), accounts_(std::move(accounts)) {}
  ~Replica();

  /// Starts the process. Errors: what `weir serve` would have ended with; the machine runs nothing then.
  Result<void> start();
  /// kill -9, or the machine's power is cut. Also for a process whose machine killed it already.
  void kill(bool power_cut);
  /// SIGTERM; `ended` once the process is gone.
  void drain(std::function<void()> ended);
  /// SIGHUP.
  void reload() { live_->watch->reload(); }

  bool running() const { return live_ != nullptr && !draining_; }
  bool alive() const { return live_ != nullptr; }  // perhaps draining
  /// Nothing of any process is left but the one that runs.
  bool clean() const { return dead_.empty(); }
  io::sim::Machine& machine() { return machine_; }
  /// What its budgets have counted. Requires: alive().
  std::vector<quota::Meter::BudgetView> budgets() const;

 private:
  struct Process {
    std::unique_ptr<Gateway> gateway;
    std::optional<ConfigWatch> watch;
    bool cut = false;  // told that nothing is to be waited for
  };
  void bury(Process* process);

  io::sim::Universe& universe_;
  io::sim::Machine& machine_;
  const std::shared_ptr<store::AccountStore> accounts_;  // with the process
  std::unique_ptr<Process> live_;
  std::vector<std::unique_ptr<Process>> dead_;
  bool draining_ = false;
};

class ModelServer {
 public:
  ModelServer(io::sim::Universe& universe, io::sim::Machine& machine, MockWatcher& watcher)
      : universe_(universe), machine_(machine), watcher_(watcher) {}
  ~ModelServer();

  Result<void> start();
  void kill(bool power_cut);
  /// Ends it in order.
  void stop();
  /// From now on every request fails as `script` says; empty: none does any more.
  void sicken(const std::string& script);

  bool running() const { return live_ != nullptr; }
  bool clean() const { return dead_.empty(); }
  size_t connections() const { return live_ ? live_->server->connections() : 0; }
  io::sim::Machine& machine() { return machine_; }

 private:
  struct Process {
    std::unique_ptr<MockServer> mock;
    std::unique_ptr<http::Server> server;
    std::unique_ptr<io::Listener> listener;
    io::TaskGroup ending;
  };
  void end();
  io::Task<void> wait_for_end(Process& process);

  io::sim::Universe& universe_;
  io::sim::Machine& machine_;
  MockWatcher& watcher_;
  std::string plan_ = "{}";
  std::unique_ptr<Process> live_;
  std::vector<std::unique_ptr<Process>> dead_;
};

}  // namespace weir::app::sim
