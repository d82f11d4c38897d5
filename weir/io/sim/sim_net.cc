#include "weir/io/sim/sim_net.h"

#include <algorithm>

#include "weir/io/sim/sim_connection.h"
#include "weir/io/sim/sim_machine.h"

namespace weir::io::sim {
namespace {

constexpr Duration kInsideMin = std::chrono::microseconds(1);  // within one machine
constexpr Duration kInsideMax = std::chrono::microseconds(20);

}  // namespace

SimNet::SimNet(Physics& physics) : physics_(physics) {}
SimNet::~SimNet() = default;

SimMachine* SimNet::find(std::string_view name_or_host) const {
  for (SimMachine* machine : machines_)
    if (machine->host() == name_or_host || machine->name() == name_or_host) return machine;
  return nullptr;
}

bool SimNet::loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host == "0.0.0.0" || host == "::" ||
         host.starts_with("127.");
}

bool SimNet::literal(std::string_view host) {
  return host.find(':') != std::string_view::npos || host.find_first_not_of("0123456789.") == host.npos;
}

bool SimNet::passes(const SimMachine& from, const SimMachine& to) const {
  if (&from == &to) return true;
  return to.switched_on() && std::ranges::find(blocked_, std::pair(&from, &to)) == blocked_.end();
}

void SimNet::block(const SimMachine& from, const SimMachine& to) {
  unblock(from, to);
  blocked_.emplace_back(&from, &to);
}

void SimNet::unblock(const SimMachine& from, const SimMachine& to) {
  std::erase(blocked_, std::pair(&from, &to));
}

void SimNet::hold(Pipe& pipe) {
  if (!pipe.linked()) held_.push_back(pipe);
}

void SimNet::release() {
  IntrusiveList<Pipe> all;
  all.splice(held_);
  while (!all.empty()) {
    Pipe& pipe = all.pop_front();
    if (!pipe.connection->release(pipe.to)) held_.push_back(pipe);
  }
}

Duration SimNet::latency(const SimMachine& from, const SimMachine& to) {
  Chance& chance = physics_.chance();
  if (&from == &to) return chance.between(kInsideMin, kInsideMax);
  const Faults& faults = physics_.faults();
  Duration time = chance.between(faults.latency_min, faults.latency_max);
  if (chance.happens(faults.slow_delivery)) time += chance.between(Duration(0), faults.slow_delivery_max);
  return time;
}

}  // namespace weir::io::sim
