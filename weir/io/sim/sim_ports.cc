#include "weir/io/sim/sim_ports.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/io/sim/sim_loop.h"
#include "weir/io/sim/sim_machine.h"
#include "weir/io/sim/sim_net.h"
#include "weir/io/sim/sim_process.h"

namespace weir::io::sim {
namespace {

constexpr uint64_t kChosenPortMin = 32768, kChosenPorts = 28232;  // Linux's range

Unexpected cannot_listen(const Address& at, std::string_view why) {
  return fail_internal(ErrorCode::kIo, fmt::format("cannot listen on {}: {}", at.to_string(), why));
}

bool overlap(SimPort::Host a, SimPort::Host b) {
  using enum SimPort::Host;
  if (a == kUnix || b == kUnix) return a == b;
  return a == b || a == kAny || b == kAny;
}

class SimListener final : public Listener {
 public:
  SimListener(Ref<SimLoop> loop, std::shared_ptr<SimPort> port)
      : loop_(std::move(loop)), port_(std::move(port)) {}
  ~SimListener() override {
    if (loop_->alive()) loop_->process().machine().ports().close(*port_);
  }
  Address local() const override { return port_->at; }

 private:
  const Ref<SimLoop> loop_;
  const std::shared_ptr<SimPort> port_;
};

}  // namespace

Result<std::unique_ptr<Listener>> SimPorts::open(SimLoop& loop, const Address& at,
                                                 const Network::ListenOptions& options,
                                                 std::function<void(std::unique_ptr<Stream>)> accepted) {
  if (!loop.alive()) return cannot_listen(at, "the process was killed");
  auto port = std::make_shared<SimPort>();
  port->at = at;
  if (at.kind == Address::Kind::kUnix)
    port->host = SimPort::Host::kUnix;
  else if (at.host == "0.0.0.0" || at.host == "::")
    port->host = SimPort::Host::kAny;
  else if (SimNet::loopback(at.host))
    port->host = SimPort::Host::kLoopback;
  else if (at.host == machine_.host() || at.host == machine_.name())
    port->host = SimPort::Host::kOwn;
  else
    return cannot_listen(at, SimNet::literal(at.host) ? "Cannot assign requested address" : "unknown name");

  bool shared = options.shared_port && port->host != SimPort::Host::kUnix;
  if (at.kind == Address::Kind::kTcp && at.port == 0) {
    do {
      port->at.port = static_cast<uint16_t>(kChosenPortMin + machine_.physics().chance().below(kChosenPorts));
    } while (holder(port->at, port->host, loop, false));
  } else if (holder(at, port->host, loop, shared)) {
    return cannot_listen(at, "address already in use");
  }
  port->shared = shared;
  port->tls = options.tls != nullptr;
  port->loop = &loop;
  port->accepted = std::move(accepted);
  open_.push_back(port);
  ++loop.process().listeners;
  machine_.physics().trace("{} listens on {}", machine_.name(), port->at.to_string());
  return std::make_unique<SimListener>(Ref<SimLoop>(&loop), std::move(port));
}

const SimPort* SimPorts::holder(const Address& at, SimPort::Host host, const SimLoop& loop,
                                bool shared) const {
  for (const auto& port : open_) {
    if (!overlap(port->host, host)) continue;
    if (host == SimPort::Host::kUnix ? port->at.host != at.host : port->at.port != at.port) continue;
    // One of our own loops is no stranger, when both sides share.
    if (shared && port->shared && &port->loop->process() == &loop.process()) continue;
    return port.get();
  }
  return nullptr;
}

std::shared_ptr<SimPort> SimPorts::choose(const Address& to, bool inside, Chance& chance) const {
  std::vector<const std::shared_ptr<SimPort>*> found;
  SimPort::Host host = SimPort::Host::kOwn;
  if (to.kind == Address::Kind::kUnix)
    host = SimPort::Host::kUnix;
  else if (inside && SimNet::loopback(to.host))
    host = SimPort::Host::kLoopback;
  for (const auto& port : open_) {
    if (!overlap(port->host, host)) continue;
    if (host == SimPort::Host::kUnix ? port->at.host == to.host : port->at.port == to.port)
      found.push_back(&port);
  }
  if (found.empty()) return nullptr;
  return *found[found.size() == 1 ? 0 : chance.below(found.size())];
}

void SimPorts::close(const SimPort& port) {
  if (std::erase_if(open_, [&](const auto& p) { return p.get() == &port; }) > 0)
    --port.loop->process().listeners;
}

void SimPorts::close_all(const SimProcess& process) {
  std::erase_if(open_, [&](const auto& p) { return &p->loop->process() == &process; });
}

}  // namespace weir::io::sim
