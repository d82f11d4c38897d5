#include "weir/io/net/net_loop.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

namespace weir::io::net {
namespace {

constexpr Duration kProbeGap = milliseconds(2);
constexpr Duration kProbeKnown = milliseconds(200);  // what came back longer ago says nothing about now

int64_t read_clock(clockid_t id) {
  timespec t;
  clock_gettime(id, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

// Whole milliseconds, as epoll_wait takes them, never too few.
int wait_ms(MonoTime until, MonoTime now) {
  if (until.ns == INT64_MAX) return -1;
  int64_t ms = (std::max<int64_t>(until.ns - now.ns, 0) + 999'999) / 1'000'000;
  return static_cast<int>(std::min<int64_t>(ms, INT_MAX));
}

}  // namespace

Result<std::unique_ptr<NetLoop>> NetLoop::create(int index, WorkerPool& pool) {
  TRY(Poller poller, Poller::create());
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return fail_internal(ErrorCode::kIo, fmt::format("cannot make an eventfd: {}", strerror(errno)));
  Fd probe(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!probe)
    return fail_internal(ErrorCode::kIo, fmt::format("cannot make an eventfd: {}", strerror(errno)));
  std::unique_ptr<NetLoop> loop(
      new NetLoop(index, pool, std::move(poller), std::move(wake), std::move(probe)));
  int error = loop->poller_.watch(loop->wake_.fd.get(), EPOLLIN | EPOLLET, loop->wake_);
  if (error == 0) error = loop->poller_.watch(loop->probe_.fd.get(), EPOLLET, loop->probe_);
  if (error != 0)
    return fail_internal(ErrorCode::kIo, fmt::format("cannot watch an eventfd: {}", strerror(error)));
  return loop;
}

NetLoop::NetLoop(int index, WorkerPool& pool, Poller poller, Fd wake, Fd probe)
    : index_(index),
      pool_(pool),
      poller_(std::move(poller)),
      wheel_(MonoTime{read_clock(CLOCK_MONOTONIC)}),
      disk_(*this),
      processes_(*this),
      network_(*this) {
  wake_.fd = std::move(wake);
  probe_.fd = std::move(probe);
  wheel_.on_earlier = [this](MonoTime at) { alarm_at_ = std::min(alarm_at_, at); };
}

NetLoop::~NetLoop() = default;

MonoTime NetLoop::now() const {
  return recent_ = {read_clock(CLOCK_MONOTONIC)};
}

WallTime NetLoop::wall_now() const {
  return {read_clock(CLOCK_REALTIME)};
}

void NetLoop::post(std::move_only_function<void()> job) {
  bool sleeping;
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    sleeping = std::exchange(sleeping_, false);
  }
  wake_if(sleeping);
}

void NetLoop::stop() {
  bool sleeping;
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    sleeping = std::exchange(sleeping_, false);
  }
  wake_if(sleeping);
}

void NetLoop::wake_if(bool sleeping) {
  uint64_t one = 1;
  if (sleeping) [[maybe_unused]]
    ssize_t told = ::write(wake_.fd.get(), &one, sizeof(one));
}

void NetLoop::offload(std::move_only_function<void()> work, std::move_only_function<void()> done) {
  pool_.submit([this, work = std::move(work), done = std::move(done)]() mutable {
    work();
    post(std::move(done));
  });
}

Duration NetLoop::delay(MonoTime now) {
  if (probe_.under_way) return std::max(probe_.delay, now - probe_.sent);
  Duration age = now - probe_.back;
  if (age > kProbeKnown) probe_.delay = {};
  if (now - probe_.sent >= kProbeGap && poller_.change(probe_.fd.get(), EPOLLIN | EPOLLET, probe_) == 0) {
    probe_.under_way = true;
    probe_.sent = now;
  }
  return probe_.delay;
}

void NetLoop::run() {
  std::vector<Job> jobs;
  for (;;) {
    MonoTime at = now();
    if (at >= alarm_at_) {
      alarm_at_ = {INT64_MAX};
      wheel_.advance(at);
      if (auto next = wheel_.next()) alarm_at_ = std::min(alarm_at_, *next);
    }
    bool busy = poller_.has_turns();
    {
      std::lock_guard lock(mutex_);
      sleeping_ = false;
      if (stopped_) break;
      jobs.swap(jobs_);
      busy = busy || !jobs.empty();
      sleeping_ = !busy;
    }
    for (Job& job : jobs)
      job();
    jobs.clear();
    poller_.run_turns();
    recent_ = {};
    poller_.wait(busy ? 0 : wait_ms(alarm_at_, at));  // what became due meanwhile is for the next time round
  }
  recent_ = {};
}

}  // namespace weir::io::net
