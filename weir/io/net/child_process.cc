#include "weir/io/net/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <deque>

#include "weir/io/net/fd.h"
#include "weir/io/net/net_loop.h"

namespace weir::io::net {
namespace {

constexpr size_t kLineBytesMax = 4096;
constexpr int kFirstFd = 10;   // ours stay clear of what the child puts on 0 to 3
constexpr int kReportFd = 3;   // where the child reports that exec failed
constexpr int kReadsMax = 16;  // of the output pipe before the loop goes on

// All the child needs, laid out before it exists: between vfork and exec it shares our memory and may only
// make system calls.
struct Plan {
  const char* program;
  char* const* arguments;
  char* const* environment;
  int null_fd;
  int output_fd;
  int report_fd;
  int nice;
  pid_t parent;
};

[[noreturn]] void become(const Plan& plan) {
  // Handlers go first: a signal must not run one of ours in the memory we share.
  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  for (int signo = 1; signo < NSIG; ++signo)
    ::sigaction(signo, &standard, nullptr);
  int failed = 0;
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) failed = errno;
  if (::getppid() != plan.parent) ::_exit(127);  // the parent died before it was watched
  if (::dup2(plan.null_fd, 0) < 0 || ::dup2(plan.output_fd, 1) < 0 || ::dup2(plan.output_fd, 2) < 0)
    failed = errno;
  if (::dup3(plan.report_fd, kReportFd, O_CLOEXEC) < 0) ::_exit(127);
  ::close_range(kReportFd + 1, ~0u, 0);  // ours close on exec anyway; this is for what libraries opened
  if (plan.nice != 0) {
    errno = 0;
    [[maybe_unused]] int now = ::nice(plan.nice);  // best effort: a container may forbid it
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (failed == 0) {
    ::execve(plan.program, plan.arguments, plan.environment);
    failed = errno;
  }
  [[maybe_unused]] ssize_t told = ::write(kReportFd, &failed, sizeof(failed));
  ::_exit(127);
}

// Alone in its frame, which the child borrows until it execs.
[[gnu::noinline]] pid_t start(const Plan& plan) {
  pid_t pid = ::vfork();
  if (pid == 0) become(plan);
  return pid;
}

bool make_pipe(Fd& read_end, Fd& write_end) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  Fd low_read(ends[0]), low_write(ends[1]);
  read_end = Fd(::fcntl(low_read.get(), F_DUPFD_CLOEXEC, kFirstFd));
  write_end = Fd(::fcntl(low_write.get(), F_DUPFD_CLOEXEC, kFirstFd));
  return read_end && write_end;
}

std::vector<char*> pointers(const std::vector<std::string>& texts, const std::string* first) {
  std::vector<char*> result;
  if (first) result.push_back(const_cast<char*>(first->c_str()));
  for (const std::string& text : texts)
    result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

ExitStatus to_status(int raw) {
  if (WIFSIGNALED(raw)) return {.code = 0, .signal = WTERMSIG(raw)};
  return {.code = WEXITSTATUS(raw), .signal = 0};
}

int reap(pid_t pid, int flags, int& raw) {
  int got;
  do {
    got = ::waitpid(pid, &raw, flags);
  } while (got < 0 && errno == EINTR);
  return got;
}

class ChildProcess final : public Process {
 public:
  ChildProcess(NetLoop& loop, pid_t pid, size_t lines_max, std::function<void(ExitStatus)> on_exit)
      : state_(std::make_shared<State>(loop, pid, lines_max, std::move(on_exit))) {}
  ~ChildProcess() override { state_->end(); }

  int watch(Fd output, Fd end) { return state_->watch(std::move(output), std::move(end)); }
  int pid() const override { return state_->pid; }
  void terminate() override {
    if (!state_->reaped) ::kill(state_->pid, SIGTERM);
  }
  std::string last_output() const override { return fmt::format("{}", fmt::join(state_->lines, "\n")); }

 private:
  // Shared with the call of on_exit, which may end the process object.
  struct State : std::enable_shared_from_this<State> {
    // Both are watched by their level: told again until the output is read and the child is reaped.
    struct Output final : Poller::Watch {
      explicit Output(State& s) : state(s) {}
      void on_ready(uint32_t) override {
        if (!state.read_output()) state.stop_watching(state.output_fd, *this);
      }
      State& state;
    };
    struct Exit final : Poller::Watch {
      explicit Exit(State& s) : state(s) {}
      void on_ready(uint32_t) override { state.exited(); }
      State& state;
    };

    State(NetLoop& l, pid_t p, size_t n, std::function<void(ExitStatus)> f)
        : loop(l), pid(p), lines_max(n), on_exit(std::move(f)) {}

    int watch(Fd output_pipe, Fd exit_pidfd) {
      int error = loop.poller().watch(output_pipe.get(), EPOLLIN, output);
      if (error != 0) return error;
      output_fd = std::move(output_pipe);
      error = loop.poller().watch(exit_pidfd.get(), EPOLLIN, exit);
      if (error == 0) exit_fd = std::move(exit_pidfd);
      return error;
    }

    void stop_watching(Fd& fd, Poller::Watch& watch) {
      if (fd) loop.poller().forget(fd.get(), watch);
      fd.reset();
    }

    // False: nobody holds the other end any more.
    bool read_output() {
      char buffer[8192];
      for (int i = 0; i < kReadsMax && output_fd; ++i) {
        ssize_t n = ::read(output_fd.get(), buffer, sizeof(buffer));
        if (n < 0) return errno == EAGAIN || errno == EINTR;
        if (n == 0) return false;
        keep({buffer, static_cast<size_t>(n)});
      }
      return true;
    }

    void keep(std::string_view text) {
      while (!text.empty()) {
        size_t end = std::min(text.find('\n'), text.size());
        if (!in_line) {
          lines.emplace_back();
          if (lines.size() > lines_max) lines.pop_front();
        }
        if (!lines.empty()) {
          std::string& line = lines.back();
          line += text.substr(0, std::min(end, kLineBytesMax - line.size()));
        }
        in_line = end == text.size();
        text.remove_prefix(std::min(end + 1, text.size()));
      }
    }

    void exited() {
      auto self = shared_from_this();
      int raw = 0;
      if (reaped || reap(pid, WNOHANG, raw) != pid) return;
      reaped = true;
      read_output();  // its last words
      close();
      auto call = std::exchange(on_exit, nullptr);
      if (call) call(to_status(raw));
    }

    void end() {
      on_exit = nullptr;
      close();
      if (reaped) return;
      reaped = true;
      ::kill(pid, SIGKILL);
      int raw = 0;
      reap(pid, 0, raw);
    }

    void close() {
      stop_watching(output_fd, output);
      stop_watching(exit_fd, exit);
    }

    NetLoop& loop;
    const pid_t pid;
    const size_t lines_max;
    std::function<void(ExitStatus)> on_exit;
    Output output{*this};
    Exit exit{*this};
    Fd output_fd;
    Fd exit_fd;
    bool reaped = false;
    bool in_line = false;  // the last line has not ended yet
    std::deque<std::string> lines;
  };
  std::shared_ptr<State> state_;
};

}  // namespace

Result<std::unique_ptr<Process>> ChildProcesses::spawn(const ProcessOptions& options,
                                                       std::function<void(ExitStatus)> on_exit) {
  auto refuse = [&](int error) {
    return fail_internal(ErrorCode::kIo,
                         fmt::format("cannot start {}: {}", options.program, strerror(error)));
  };
  Fd output, output_child, report, report_child;
  if (!make_pipe(output, output_child) || !make_pipe(report, report_child)) return refuse(errno);
  Fd low_null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  Fd null(low_null ? ::fcntl(low_null.get(), F_DUPFD_CLOEXEC, kFirstFd) : -1);
  if (!null || ::fcntl(output.get(), F_SETFL, O_NONBLOCK) != 0) return refuse(errno);
  std::vector<char*> arguments = pointers(options.arguments, &options.program);
  std::vector<char*> environment = pointers(options.environment, nullptr);
  Plan plan{.program = options.program.c_str(),
            .arguments = arguments.data(),
            .environment = environment.data(),
            .null_fd = null.get(),
            .output_fd = output_child.get(),
            .report_fd = report_child.get(),
            .nice = options.nice,
            .parent = ::getpid()};

  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t pid = start(plan);
  int start_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return refuse(start_error);

  output_child.reset();
  report_child.reset();
  int failed = 0;
  ssize_t told;
  do {
    told = ::read(report.get(), &failed, sizeof(failed));
  } while (told < 0 && errno == EINTR);
  if (told == sizeof(failed)) {
    int raw = 0;
    reap(pid, 0, raw);
    return refuse(failed);
  }

  auto process = std::make_unique<ChildProcess>(loop_, pid, options.output_lines_max, std::move(on_exit));
  // By number: glibc 2.36's sys/pidfd.h cannot be called from C++ (no extern "C").
  Fd end(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!end) return refuse(errno);
  if (int error = process->watch(std::move(output), std::move(end))) return refuse(error);
  return process;
}

std::string ChildProcesses::self() const {
  char path[PATH_MAX];
  ssize_t n = ::readlink("/proc/self/exe", path, sizeof(path));
  return n < 0 ? std::string() : std::string(path, static_cast<size_t>(n));
}

int ChildProcesses::cpu_count() const {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(CPU_COUNT(&set), 1);
}

std::string ChildProcesses::environment(const std::string& name) const {
  const char* value = std::getenv(name.c_str());
  return value ? value : "";
}

}  // namespace weir::io::net
