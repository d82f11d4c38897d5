// Runtime: the real loops (epoll) and their threads; the only header of io/net that the app
// sees. Made and destroyed on the main thread. Everything that lives on the loops is destroyed before it,
// after run() returned.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "weir/base/result.h"
#include "weir/io/loop.h"

namespace weir::io::net {

class NetLoop;
class WorkerPool;

struct RuntimeOptions {
  int cores = 0;        // loops; 0: one for each core this process may use
  int workers_max = 8;  // threads for blocking work, started when needed
};

class Runtime {
 public:
  /// Errors: kIo when the system has no descriptors or memory left. Ignores SIGPIPE for the process.
  static Result<std::unique_ptr<Runtime>> create(RuntimeOptions options);
  ~Runtime();

  int size() const { return static_cast<int>(loops_.size()); }
  Loop& loop(int i);

  /// Loop 0 runs on the calling thread, each other on a thread of its own. Blocks until every loop was
  /// stopped.
  void run();
  /// Stops every loop. Thread-safe.
  void stop_all();
  /// `f` is called on loop 0 for SIGTERM, SIGINT and SIGHUP, which then no longer end the process.
  void on_signals(std::function<void(int signo)> f);

 private:
  struct Signals;
  Runtime();

  // The loops go last (their destructors flush through the pool's threads no more: see ~Runtime).
  std::unique_ptr<WorkerPool> pool_;
  std::vector<std::unique_ptr<NetLoop>> loops_;
  std::unique_ptr<Signals> signals_;
};

}  // namespace weir::io::net
