#include "weir/io/sim/sim_loop.h"

#include "weir/io/sim/sim_machine.h"
#include "weir/io/sim/sim_net.h"
#include "weir/io/sim/sim_process.h"

namespace weir::io::sim {

struct SimLoop::Offloaded final : Occurrence, ListNode {
  Offloaded(SimLoop& l, std::move_only_function<void()> w, std::move_only_function<void()> d)
      : loop(l), work(std::move(w)), done(std::move(d)) {}
  void happen(uint32_t) override {
    if (!linked()) return;  // the loop was buried
    work();
    work = nullptr;
    unlink();
    --loop.offloaded_;
    loop.post(std::move(done));
  }
  SimLoop& loop;  // alive while this is linked
  std::move_only_function<void()> work, done;
};

SimLoop::SimLoop(SimProcess& process, SimNet& net, int index)
    : physics_(net.physics()),
      process_(&process),
      index_(index),
      // Loops do not tick together.
      wheel_({physics_.now().ns - static_cast<int64_t>(physics_.chance().below(TimerWheel::kTickNs))}),
      random_(physics_.chance().next()),
      network_(*this, net) {
  wheel_.on_earlier = [this](MonoTime at) {
    if (at < alarm_at_) ring_at(at);
  };
}

SimLoop::~SimLoop() = default;

WallTime SimLoop::wall_now() const {
  return process_->machine().wall_now();
}

Disk& SimLoop::disk() {
  return process_->disk();
}

Processes& SimLoop::processes() {
  return process_->programs();
}

bool SimLoop::alive() const {
  return process_ && process_->alive();
}

void SimLoop::happen(uint32_t what) {
  if (!runs()) return;
  if (what == kJobs) return run_jobs();
  if (physics_.now() < alarm_at_) return;  // set again since, to another time
  alarm_at_ = {INT64_MAX};
  wheel_.advance(physics_.now());
  if (auto next = wheel_.next(); next && *next < alarm_at_) ring_at(*next);
}

void SimLoop::ring_at(MonoTime at) {
  alarm_at_ = at;
  physics_.schedule(at + physics_.soon(), *this, kAlarm);  // nobody wakes on the dot
}

void SimLoop::post(std::move_only_function<void()> job) {
  if (!process_) return;
  if (jobs_.empty()) physics_.schedule(physics_.soon(), *this, kJobs);
  jobs_.push_back(std::move(job));
}

// What the jobs post comes in the next round. The vectors take turns and keep their room.
void SimLoop::run_jobs() {
  running_.swap(jobs_);
  for (auto& job : running_)
    job();
  running_.clear();
}

void SimLoop::offload(std::move_only_function<void()> work, std::move_only_function<void()> done) {
  if (!process_) return;
  const Faults& faults = physics_.faults();
  Chance& chance = physics_.chance();
  Duration most = chance.happens(faults.slow_disk) ? faults.slow_disk_max : faults.disk_latency_max;
  Ref<Offloaded> job(new Offloaded(*this, std::move(work), std::move(done)));
  workers_.push_back(*job);
  ++offloaded_;
  physics_.schedule(chance.between(Duration(1), std::max(most, Duration(1))), *job, 0);
}

void SimLoop::bury() {
  process_ = nullptr;
  while (!workers_.empty()) {
    Offloaded& job = workers_.pop_front();
    job.work = nullptr;
    job.done = nullptr;
  }
  offloaded_ = 0;
  jobs_.clear();
}

}  // namespace weir::io::sim
