// NetLoop: the real Loop, one poller driven by one thread. post() and stop() are thread-safe, the rest is
// called on the loop's thread (or before run()). Each time round: timers that are due, what was posted, what
// has its turn, then one wait that lasts until the next timer at most, so arming a timeout is no system call.
//
// delay(): the probe is a descriptor that is always readable. Changing its watch puts it at the end of
// epoll's ready list, behind every socket that became ready before; until its turn comes it takes as long as
// a socket does. (A job that was posted comes round after the 128 events of one wait, however many more the
// kernel holds.)
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "weir/io/loop.h"
#include "weir/io/net/child_process.h"
#include "weir/io/net/file_disk.h"
#include "weir/io/net/poller.h"
#include "weir/io/net/socket_network.h"
#include "weir/io/net/system_random.h"
#include "weir/io/net/worker_pool.h"

namespace weir::io::net {

class NetLoop final : public Loop {
 public:
  /// Errors: kIo when the system has no descriptors left.
  static Result<std::unique_ptr<NetLoop>> create(int index, WorkerPool& pool);
  ~NetLoop() override;

  int index() const override { return index_; }
  MonoTime now() const override;
  MonoTime recent() const override { return recent_.ns != 0 ? recent_ : now(); }
  WallTime wall_now() const override;
  TimerWheel& timers() override { return wheel_; }
  Network& network() override { return network_; }
  Disk& disk() override { return disk_; }
  Processes& processes() override { return processes_; }
  Random& random() override { return random_; }
  void post(std::move_only_function<void()> job) override;
  void offload(std::move_only_function<void()> work, std::move_only_function<void()> done) override;
  void stop() override;
  Duration delay(MonoTime now) override;

  /// Blocks until stop().
  void run();
  Poller& poller() { return poller_; }
  WorkerPool& pool() { return pool_; }

 private:
  using Job = std::move_only_function<void()>;
  // Ends the loop's wait from another thread. By its edge: it is written to and never read.
  struct Wake final : Poller::Watch {
    void on_ready(uint32_t) override {}
    Fd fd;
  };
  struct Probe final : Poller::Watch {
    explicit Probe(NetLoop& l) : loop(l) {}
    void on_ready(uint32_t) override {
      under_way = false;
      back = loop.now();
      delay = back - sent;
    }
    NetLoop& loop;
    Fd fd;
    MonoTime sent;
    MonoTime back;
    bool under_way = false;
    Duration delay{};  // of the last one that came back
  };
  NetLoop(int index, WorkerPool& pool, Poller poller, Fd wake, Fd probe);
  void wake_if(bool sleeping);

  const int index_;
  WorkerPool& pool_;
  Poller poller_;
  Wake wake_;
  Probe probe_{*this};
  std::mutex mutex_;  // guards the next three
  std::vector<Job> jobs_;
  bool sleeping_ = false;  // the loop waits, or is about to: a job must wake it
  bool stopped_ = false;
  TimerWheel wheel_;
  mutable MonoTime recent_;       // the last now() of this turn; 0: none yet
  MonoTime alarm_at_{INT64_MAX};  // when the wheel is due next, or earlier; INT64_MAX: nothing is armed
  SystemRandom random_;
  FileDisk disk_;
  ChildProcesses processes_;
  SocketNetwork network_;
};

}  // namespace weir::io::net
