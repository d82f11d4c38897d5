#include "weir/io/sim/sim_machine.h"

#include "weir/base/assert.h"
#include "weir/io/sim/sim_net.h"
#include "weir/io/sim/sim_process.h"

namespace weir::io::sim {
namespace {

constexpr int64_t kWallStartNs = 1'767'225'600'000'000'000;  // 2026-01-01T00:00:00Z
constexpr Duration kWallSkewMax = milliseconds(50);          // clocks kept by NTP

}  // namespace

SimMachine::SimMachine(SimNet& net, std::string name, std::string host, int loops)
    : net_(net),
      physics_(net.physics()),
      name_(std::move(name)),
      host_(std::move(host)),
      loops_(loops),
      wall_offset_ns_(kWallStartNs - Physics::kStart.ns +
                      physics_.chance().between(-kWallSkewMax, kWallSkewMax).count()),
      ports_(*this),
      disk_(name_, physics_.chance(), physics_.faults(), [this] { return wall_now(); }),
      mount_(disk_.mount()) {}

SimMachine::~SimMachine() = default;

std::vector<Loop*> SimMachine::boot() {
  WEIR_ASSERT(!process_);
  physics_.trace("{} boots", name_);
  process_ = std::make_unique<SimProcess>(*this, net_, disk_.mount(), loops_);
  switched_on_ = true;
  net_.release();
  std::vector<Loop*> loops;
  for (const auto& loop : process_->loops())
    loops.push_back(loop.get());
  return loops;
}

void SimMachine::end_process(bool silent) {
  if (!process_) return;
  process_->die(silent);
  dead_.push_back(std::move(process_));
}

void SimMachine::kill() {
  physics_.trace("{} killed", name_);
  end_process(false);
}

void SimMachine::power_cut() {
  physics_.trace("{} loses power", name_);
  switched_on_ = false;
  end_process(true);
  disk_.power_cut();
}

void SimMachine::bury() {
  dead_.clear();
}

void SimMachine::jump_clock(Duration by) {
  physics_.trace("{} clock jumps by {} ms", name_, to_milliseconds(by));
  wall_offset_ns_ += by.count();
}

void SimMachine::fall_silent() {
  bury();
  if (!process_) return;
  for (const auto& loop : process_->loops())
    loop->bury();
}

void SimMachine::count(Census& census) const {
  if (process_) {
    census.streams += process_->streams;
    census.listeners += process_->listeners;
  }
  auto count_loops = [&census](const SimProcess& process) {
    for (const auto& loop : process.loops()) {
      census.timers += loop->timers_armed();
      census.jobs += loop->jobs();
    }
  };
  if (process_) count_loops(*process_);
  for (const auto& process : dead_)
    count_loops(*process);
}

}  // namespace weir::io::sim
