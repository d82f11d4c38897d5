#include "weir/io/net/net_loop.h"

#include <time.h>

namespace weir::io::net {
namespace {

int64_t read_clock(clockid_t id) {
  timespec t;
  clock_gettime(id, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

NetLoop::NetLoop(int index, WorkerPool& pool)
    : index_(index),
      pool_(pool),
      wheel_(MonoTime{read_clock(CLOCK_MONOTONIC)}),
      disk_(*this),
      processes_(*this),
      network_(*this) {
  wheel_.on_earlier = [this](MonoTime at) {
    if (at < alarm_at_) sleep_until(at);
  };
}

NetLoop::~NetLoop() = default;

MonoTime NetLoop::now() const {
  return {read_clock(CLOCK_MONOTONIC)};
}

WallTime NetLoop::wall_now() const {
  return {read_clock(CLOCK_REALTIME)};
}

void NetLoop::post(std::move_only_function<void()> job) {
  bool first;
  {
    std::lock_guard lock(jobs_mutex_);
    first = jobs_.empty();
    jobs_.push_back(std::move(job));
  }
  if (first) asio::post(io_, [this] { run_jobs(); });
}

void NetLoop::run_jobs() {
  std::vector<std::move_only_function<void()>> jobs;
  {
    std::lock_guard lock(jobs_mutex_);
    jobs.swap(jobs_);
  }
  for (auto& job : jobs)
    job();
}

void NetLoop::offload(std::move_only_function<void()> work, std::move_only_function<void()> done) {
  pool_.submit([this, work = std::move(work), done = std::move(done)]() mutable {
    work();
    post(std::move(done));
  });
}

// std::chrono::steady_clock is CLOCK_MONOTONIC, so its time points are MonoTime's nanoseconds.
void NetLoop::sleep_until(MonoTime at) {
  alarm_at_ = at;
  alarm_.expires_at(std::chrono::steady_clock::time_point(Duration(at.ns)));
  alarm_.async_wait([this](AsioError error) {
    if (error) return;  // set again, to an earlier time
    alarm_at_ = {INT64_MAX};
    wheel_.advance(now());
    if (auto next = wheel_.next(); next && *next < alarm_at_) sleep_until(*next);
  });
}

void NetLoop::run() {
  io_.run();
}

}  // namespace weir::io::net
