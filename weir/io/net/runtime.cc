#include "weir/io/net/runtime.h"

#include <fmt/format.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <exception>
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

struct Runtime::Signals {
  Signals(asio::io_context& io, std::function<void(int)> f) : set(io.get_executor()), call(std::move(f)) {}
  void wait() {
    set.async_wait([this](AsioError error, int signo) {
      if (error) return;
      wait();
      call(signo);
    });
  }
  SignalSet set;
  std::function<void(int)> call;
};

Runtime::Runtime() = default;

Result<std::unique_ptr<Runtime>> Runtime::create(RuntimeOptions options) {
  signal(SIGPIPE, SIG_IGN);
  std::unique_ptr<Runtime> runtime(new Runtime);
  runtime->pool_ = std::make_unique<WorkerPool>(options.workers_max);
  int cores = options.cores > 0 ? options.cores : cores_allowed();
  try {  // io_context throws when it gets no descriptors
    for (int i = 0; i < cores; ++i)
      runtime->loops_.push_back(std::make_unique<NetLoop>(i, *runtime->pool_));
  } catch (const std::exception& error) {
    return fail_internal(ErrorCode::kIo, fmt::format("cannot start an event loop: {}", error.what()));
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
  signals_ = std::make_unique<Signals>(loops_[0]->io(), std::move(f));
  AsioError ignored;
  for (int signo : {SIGTERM, SIGINT, SIGHUP})
    signals_->set.add(signo, ignored);
  signals_->wait();
}

}  // namespace weir::io::net
