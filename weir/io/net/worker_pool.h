// WorkerPool: the threads for work that blocks (names, files, hashing of passwords, models). Shared by every
// loop; threads start with the first jobs that find none idle, up to a bound. Its queue has no limit of its
// own: what is queued is owned by requests and writers, which are limited. Thread-safe.
//
// The threads are ordinary ones of a lower priority than the loops', so that on a core that both share a loop
// that wakes up goes first: moving a batch of records into the store takes 1 to 4 ms. They are woken through
// a semaphore: a condition variable's signal may wait for a thread that was woken before and has not had its
// turn yet (3.5 ms of a loop were seen).
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <semaphore>
#include <thread>
#include <vector>

namespace weir::io::net {

class WorkerPool {
 public:
  explicit WorkerPool(int threads_max) : threads_max_(threads_max) {}
  /// Finishes the job each thread is at; drops what is still queued.
  ~WorkerPool() { stop(); }

  void submit(std::move_only_function<void()> job);
  /// As the destructor; later jobs are dropped.
  void stop();

 private:
  void work();

  const int threads_max_;
  std::mutex mutex_;
  std::counting_semaphore<> ready_{0};  // one for each job, and one for each thread once it is to stop
  std::deque<std::move_only_function<void()>> jobs_;
  std::vector<std::thread> threads_;
  int idle_ = 0;
  bool stopping_ = false;
};

}  // namespace weir::io::net
