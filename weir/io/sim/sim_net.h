// SimNet: what lies between the machines: who reaches whom, how long a delivery takes, and what waits for a
// partition to heal. Machines are known by host ("10.0.0.1") and by name; the loopback names are each
// machine's own.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/base/intrusive_list.h"
#include "weir/io/sim/physics.h"

namespace weir::io::sim {

class SimMachine;
struct Pipe;

class SimNet {
 public:
  explicit SimNet(Physics& physics);
  ~SimNet();
  SimNet(const SimNet&) = delete;
  SimNet& operator=(const SimNet&) = delete;

  Physics& physics() { return physics_; }
  void add(SimMachine& machine) { machines_.push_back(&machine); }
  const std::vector<SimMachine*>& machines() const { return machines_; }

  /// Null: no machine is called so.
  SimMachine* find(std::string_view name_or_host) const;
  static bool loopback(std::string_view host);
  /// An address that needs no resolver.
  static bool literal(std::string_view host);

  /// Whether what `from` sends arrives: the way is open, and `to` is switched on.
  bool passes(const SimMachine& from, const SimMachine& to) const;
  void block(const SimMachine& from, const SimMachine& to);
  void unblock(const SimMachine& from, const SimMachine& to);
  void unblock_all() { blocked_.clear(); }
  /// Deliveries that waited go on, where the way is open now.
  void release();
  /// Until the way is open.
  void hold(Pipe& pipe);

  /// Time of one delivery, drawn.
  Duration latency(const SimMachine& from, const SimMachine& to);
  uint64_t next_connection() { return ++connections_; }
  void note_buffer(size_t bytes) { largest_buffer_ = std::max(largest_buffer_, bytes); }
  size_t largest_buffer() const { return largest_buffer_; }

 private:
  Physics& physics_;
  std::vector<SimMachine*> machines_;
  std::vector<std::pair<const SimMachine*, const SimMachine*>> blocked_;  // from, to
  IntrusiveList<Pipe> held_;
  uint64_t connections_ = 0;
  size_t largest_buffer_ = 0;
};

}  // namespace weir::io::sim
