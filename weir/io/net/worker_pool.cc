#include "weir/io/net/worker_pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

namespace weir::io::net {
namespace {

constexpr int kNice = 5;

// Calling thread: an ordinary one, whatever the loops are, and behind them.
void stand_back() {
  sched_param none{};
  if (::sched_getscheduler(0) != SCHED_OTHER) ::sched_setscheduler(0, SCHED_OTHER, &none);
  ::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + kNice);
}

}  // namespace

void WorkerPool::submit(std::move_only_function<void()> job) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    jobs_.push_back(std::move(job));
    if (static_cast<int>(jobs_.size()) > idle_ && static_cast<int>(threads_.size()) < threads_max_) {
      // Signals belong to loop 0's thread and its children; a worker never takes one.
      sigset_t all, before;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, &before);
      threads_.emplace_back([this] { work(); });
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
  }
  ready_.release();
}

void WorkerPool::work() {
  stand_back();
  for (;;) {
    std::unique_lock lock(mutex_);
    ++idle_;
    lock.unlock();
    ready_.acquire();
    lock.lock();
    --idle_;
    if (stopping_) return;
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;  // what it captured dies outside the lock
  }
}

void WorkerPool::stop() {
  std::deque<std::move_only_function<void()>> dropped;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(jobs_);
  }
  ready_.release(static_cast<std::ptrdiff_t>(threads_.size()));
  for (auto& thread : threads_)
    thread.join();
  threads_.clear();
}

}  // namespace weir::io::net
