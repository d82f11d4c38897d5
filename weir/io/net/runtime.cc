#include "weir/io/net/runtime.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <thread>

#include "weir/io/net/net_loop.h"

namespace weir::io::net {
namespace {

int cores_allowed() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

}  // namespace

// A handler may do little more than write to a pipe: the loop reads the signal's number there.
struct Runtime::Signals final : Poller::Watch {
  static constexpr std::array kSignals{SIGTERM, SIGINT, SIGHUP};
  static inline std::atomic<int> told_fd = -1;  // a handler sees nothing else; one Runtime at a time has it

  Signals(Poller& p, std::function<void(int)> f) : poller(p), call(std::move(f)) {}
  ~Signals() {
    for (size_t i = 0; i < kSignals.size(); ++i)
      if (installed) ::sigaction(kSignals[i], &before[i], nullptr);
    told_fd = -1;
    if (watched) poller.forget(read_end.get(), *this);
  }

  void install() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return;
    read_end = Fd(ends[0]);
    write_end = Fd(ends[1]);
    watched = poller.watch(read_end.get(), EPOLLIN, *this) == 0;
    if (!watched) return;
    told_fd = write_end.get();
    struct sigaction action{};
    action.sa_handler = [](int signo) {
      int error = errno;
      auto byte = static_cast<char>(signo);
      [[maybe_unused]] ssize_t told = ::write(told_fd, &byte, 1);
      errno = error;
    };
    action.sa_flags = SA_RESTART;
    for (size_t i = 0; i < kSignals.size(); ++i)
      ::sigaction(kSignals[i], &action, &before[i]);
    installed = true;
  }

  void on_ready(uint32_t) override {
    char signo = 0;
    if (::read(read_end.get(), &signo, 1) == 1) call(signo);
  }

  Poller& poller;
  std::function<void(int)> call;
  Fd read_end, write_end;
  std::array<struct sigaction, kSignals.size()> before{};
  bool watched = false;
  bool installed = false;
};

Runtime::Runtime() = default;

Result<std::unique_ptr<Runtime>> Runtime::create(RuntimeOptions options) {
  signal(SIGPIPE, SIG_IGN);
  std::unique_ptr<Runtime> runtime(new Runtime);
  runtime->pool_ = std::make_unique<WorkerPool>(options.workers_max);
  int cores = options.cores > 0 ? options.cores : cores_allowed();
  for (int i = 0; i < cores; ++i) {
    TRY(auto loop, NetLoop::create(i, *runtime->pool_));
    runtime->loops_.push_back(std::move(loop));
  }
  return runtime;
}

// Workers first: what they finish is posted to the loops.
Runtime::~Runtime() {
  pool_->stop();
}

Loop& Runtime::loop(int i) {
  return *loops_[static_cast<size_t>(i)];
}

void Runtime::run() {
  std::vector<std::thread> threads;
  // The other loops' threads take no signals: they arrive on loop 0.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (size_t i = 1; i < loops_.size(); ++i)
    threads.emplace_back([loop = loops_[i].get()] { loop->run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  loops_[0]->run();
  for (auto& thread : threads)
    thread.join();
}

void Runtime::stop_all() {
  for (auto& loop : loops_)
    loop->stop();
}

void Runtime::on_signals(std::function<void(int signo)> f) {
  signals_ = std::make_unique<Signals>(loops_[0]->poller(), std::move(f));
  signals_->install();
}

}  // namespace weir::io::net
