// Universe: everything outside the gateway's code, in one thread, on virtual time, from one seed. Machines
// with disks and addresses, a network between them, and what goes wrong: delays, cut and half-open
// connections, partitions, slow readers, short reads and writes, jumps of wall time, dying processes and
// machines, disks that fill, stall, and lose what was not synced. The same seed and the same calls give the
// same run, event by event. Method: deterministic simulation as FoundationDB and TigerBeetle do it (the real
// code above simulated ports).
//
//   Universe universe(seed, faults);
//   Machine& a = universe.add_machine("weir-0", "10.0.0.1", 2);
//   Gateway gateway(a.boot(), ...);          // the very classes that run on io/net
//   universe.run_for(seconds(60));
//
// Not thread-safe; one thread may hold many universes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/io/loop.h"

namespace weir::io::sim {

/// Chances are per occasion (0..1); durations are drawn evenly from their range. All zero: a calm world. May
/// be changed at any time through Universe::faults(). Those of deliveries and connections happen between two
/// machines only; within one (loopback, a Unix socket) reads and writes still come in parts.
struct Faults {
  Duration latency_min =
      std::chrono::microseconds(50);  // of each delivery between two machines, in order per stream
  Duration latency_max = std::chrono::microseconds(200);
  double slow_delivery = 0;  // a delivery takes up to slow_delivery_max longer
  Duration slow_delivery_max = milliseconds(500);
  double short_read = 0;   // a read gets a part of what is there
  double short_write = 0;  // a write is delivered in several pieces, each with its own delay
  double refused = 0;      // a connection attempt is refused
  double unanswered = 0;   // a connection attempt gets no answer at all
  double reset = 0;        // a delivery resets its connection instead (both ends hear of it, some bytes lost)
  double half_open = 0;  // a delivery silently kills its direction: nothing arrives any more, nobody is told
  double resolver_fails = 0;
  Duration disk_latency_max = std::chrono::microseconds(500);  // of an offloaded job that touches the disk
  double slow_disk = 0;                                        // such a job takes up to slow_disk_max
  Duration slow_disk_max = seconds(2);
  double disk_error = 0;  // a write or sync fails with "input/output error"
};

/// SplitMix64: small, fast, and the same everywhere.
class Chance {
 public:
  explicit Chance(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// 0 .. n-1. Requires: n > 0.
  uint64_t below(uint64_t n) { return next() % n; }
  int64_t between(int64_t low, int64_t high) {  // both included
    return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low) + 1));
  }
  bool happens(double chance) { return chance > 0 && static_cast<double>(next() >> 11) * 0x1p-53 < chance; }
  Duration between(Duration low, Duration high) { return Duration(between(low.count(), high.count())); }

 private:
  uint64_t state_;
};

/// One machine: an address, a disk, and at most one running process on it. It is switched off until its first
/// boot and from a power cut to the next one: then nothing reaches it and nobody is told. A connection
/// attempt that got no answer ends by itself after two minutes.
class Machine {
 public:
  virtual ~Machine() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view host() const = 0;  // "10.0.0.1"; its name resolves to it

  /// Starts a process: fresh loops, the disk as the last process left it. The loops live until bury().
  /// Requires: no process runs. Whoever runs on these loops is destroyed before bury() or before the
  /// universe.
  virtual std::vector<Loop*> boot() = 0;
  virtual bool running() const = 0;

  /// kill -9: the process's connections break, its files keep what was written (the page cache lives on). A
  /// peer reads an end in order or a reset, as kernels do, and now and then nothing at all until it writes.
  /// May be called from anywhere, the process's own code included.
  /// The dead process's objects still exist in memory: its loops run on without reaching anything (every
  /// stream ends, every disk operation fails and changes nothing that the next process sees), so that they
  /// can be told to stop and be destroyed. Then bury().
  virtual void kill() = 0;
  /// The machine stops: as kill(), but no peer hears of it, and of each file what was not synced is kept,
  /// lost or torn by sector, by chance.
  virtual void power_cut() = 0;
  /// Drops the loops of dead processes. Requires: nothing of them is in use (tasks ended, objects destroyed).
  virtual void bury() = 0;

  /// Wall time of this machine jumps (monotonic time never does).
  virtual void jump_clock(Duration by) = 0;
  /// The disk takes no more than this many bytes in all; nullopt: no bound. Existing files stay.
  virtual void limit_disk(std::optional<uint64_t> bytes) = 0;
  /// Called before each change that reaches the disk, of whichever process: may kill it or cut the power, so
  /// that the change never happens.
  virtual void on_disk_change(std::function<void()> hook) = 0;
  virtual Disk& disk() = 0;  // to look at and to prepare, also while no process runs
};

/// What exists now; all 0 when a world ended cleanly.
struct Census {
  size_t streams = 0;  // ends of connections not yet destroyed by their owners, live processes only
  size_t listeners = 0;
  size_t timers = 0;                // armed
  size_t jobs = 0;                  // posted or offloaded, not yet run
  size_t frames = 0;                // coroutine frames of this thread
  size_t largest_buffer_bytes = 0;  // the most that one direction of one connection ever held
};

class Universe {
 public:
  static std::unique_ptr<Universe> create(uint64_t seed, Faults faults);
  virtual ~Universe() = default;

  virtual MonoTime now() const = 0;
  virtual Chance& chance() = 0;
  virtual Faults& faults() = 0;
  /// `loops`: cores of the machine.
  virtual Machine& add_machine(std::string name, std::string host, int loops) = 0;

  /// Runs `what` outside of every machine, `after` from now.
  virtual void at(Duration after, std::move_only_function<void()> what) = 0;

  /// Nothing passes from `a` to `b` (and back, unless one_way); existing connections hang, they are not told.
  virtual void partition(Machine& a, Machine& b, bool one_way) = 0;
  virtual void heal(Machine& a, Machine& b) = 0;
  virtual void heal_all() = 0;
  /// `reader` takes at most this many bytes a second from each connection; 0: as many as come.
  virtual void throttle(Machine& reader, uint64_t bytes_per_second) = 0;

  /// The earliest event. False: nothing is left that could happen.
  virtual bool step() = 0;
  virtual void run_for(Duration time) = 0;
  /// Until `done` or the limit of virtual time; true when done.
  virtual bool run_until(const std::function<bool()>& done, Duration limit) = 0;

  virtual Census census() const = 0;
  virtual uint64_t events() const = 0;  // so far
  /// Told what happens, a line each, while it is set ("12.345678 weir-0 > model-1  612 bytes"). Costs nothing
  /// unset.
  virtual void on_trace(std::function<void(std::string_view line)> sink) = 0;
  virtual bool tracing() const = 0;
  virtual void trace(std::string_view who, std::string_view what) = 0;
};

}  // namespace weir::io::sim
