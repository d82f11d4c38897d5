// NetLoop: the real Loop, one io_context driven by one thread. post() and stop() are thread-safe, the rest is
// called on the loop's thread (or before run()). The timer wheel sleeps on a single asio timer that is set
// again only when something earlier is armed or after it fired, so arming a timeout is no system call.
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "weir/io/loop.h"
#include "weir/io/net/asio.h"
#include "weir/io/net/child_process.h"
#include "weir/io/net/file_disk.h"
#include "weir/io/net/socket_network.h"
#include "weir/io/net/system_random.h"
#include "weir/io/net/worker_pool.h"

namespace weir::io::net {

class NetLoop final : public Loop {
 public:
  NetLoop(int index, WorkerPool& pool);
  ~NetLoop() override;

  int index() const override { return index_; }
  MonoTime now() const override;
  WallTime wall_now() const override;
  TimerWheel& timers() override { return wheel_; }
  Network& network() override { return network_; }
  Disk& disk() override { return disk_; }
  Processes& processes() override { return processes_; }
  Random& random() override { return random_; }
  void post(std::move_only_function<void()> job) override;
  void offload(std::move_only_function<void()> work, std::move_only_function<void()> done) override;
  void stop() override { io_.stop(); }

  /// Blocks until stop().
  void run();
  asio::io_context& io() { return io_; }
  WorkerPool& pool() { return pool_; }

 private:
  void run_jobs();
  void sleep_until(MonoTime at);

  const int index_;
  WorkerPool& pool_;
  // UNSAFE_IO: one thread, no locks around descriptors; post() and stop() from other threads stay safe.
  asio::io_context io_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
  asio::executor_work_guard<Executor> work_{io_.get_executor()};
  std::mutex jobs_mutex_;
  std::vector<std::move_only_function<void()>> jobs_;
  TimerWheel wheel_;
  SteadyTimer alarm_{io_.get_executor()};
  MonoTime alarm_at_{INT64_MAX};  // when alarm_ rings; INT64_MAX: it is off
  SystemRandom random_;
  FileDisk disk_;
  ChildProcesses processes_;
  SocketNetwork network_;
};

}  // namespace weir::io::net
