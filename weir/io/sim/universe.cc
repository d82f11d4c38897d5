#include "weir/io/sim/universe.h"

#include "weir/base/assert.h"
#include "weir/io/frame_pool.h"
#include "weir/io/sim/physics.h"
#include "weir/io/sim/sim_machine.h"
#include "weir/io/sim/sim_net.h"
#include "weir/io/sim/sim_process.h"

namespace weir::io::sim {
namespace {

struct Happening final : Occurrence {
  explicit Happening(std::move_only_function<void()> w) : what(std::move(w)) {}
  void happen(uint32_t) override { what(); }
  std::move_only_function<void()> what;
};

class SimUniverse final : public Universe {
 public:
  SimUniverse(uint64_t seed, const Faults& faults) : physics_(seed, faults), net_(physics_) {}
  ~SimUniverse() override {
    // What jobs and events own may be streams: they go while every machine is still there.
    physics_.on_trace(nullptr);
    for (const auto& machine : machines_)
      machine->fall_silent();
    physics_.forget();
  }

  MonoTime now() const override { return physics_.now(); }
  Chance& chance() override { return physics_.world_chance(); }
  Faults& faults() override { return physics_.faults(); }

  Machine& add_machine(std::string name, std::string host, int loops) override {
    WEIR_ASSERT(loops > 0 && !net_.find(name) && !net_.find(host));
    machines_.push_back(std::make_unique<SimMachine>(net_, std::move(name), std::move(host), loops));
    net_.add(*machines_.back());
    return *machines_.back();
  }

  void at(Duration after, std::move_only_function<void()> what) override {
    Ref<Happening> happening(new Happening(std::move(what)));
    physics_.schedule(after, *happening, 0);
  }

  void partition(Machine& a, Machine& b, bool one_way) override {
    physics_.trace("{} {} {}  the way is closed", a.name(), one_way ? ">" : "<>", b.name());
    net_.block(of(a), of(b));
    if (!one_way) net_.block(of(b), of(a));
  }
  void heal(Machine& a, Machine& b) override {
    physics_.trace("{} <> {}  the way is open", a.name(), b.name());
    net_.unblock(of(a), of(b));
    net_.unblock(of(b), of(a));
    net_.release();
  }
  void heal_all() override {
    physics_.trace("every way is open");
    net_.unblock_all();
    net_.release();
  }
  void throttle(Machine& reader, uint64_t bytes_per_second) override {
    physics_.trace("{} reads {} bytes/s", reader.name(), bytes_per_second);
    of(reader).throttle(bytes_per_second);
  }

  bool step() override { return physics_.step(); }
  void run_for(Duration time) override {
    MonoTime end = physics_.now() + time;
    while (physics_.step(end)) {
    }
    physics_.pass_time(end);
  }
  bool run_until(const std::function<bool()>& done, Duration limit) override {
    MonoTime end = physics_.now() + limit;
    while (!done())
      if (!physics_.step(end)) {
        physics_.pass_time(end);
        return done();
      }
    return true;
  }

  Census census() const override {
    Census census;
    for (const auto& machine : machines_)
      machine->count(census);
    census.frames = FramePool::live();
    census.largest_buffer_bytes = net_.largest_buffer();
    return census;
  }
  uint64_t events() const override { return physics_.events(); }
  void on_trace(std::function<void(std::string_view)> sink) override { physics_.on_trace(std::move(sink)); }
  bool tracing() const override { return physics_.tracing(); }
  void trace(std::string_view who, std::string_view what) override { physics_.trace("{}  {}", who, what); }

 private:
  static SimMachine& of(Machine& machine) { return static_cast<SimMachine&>(machine); }

  Physics physics_;
  SimNet net_;
  std::vector<std::unique_ptr<SimMachine>> machines_;
};

}  // namespace

std::unique_ptr<Universe> Universe::create(uint64_t seed, Faults faults) {
  return std::make_unique<SimUniverse>(seed, faults);
}

}  // namespace weir::io::sim
