#include "weir/io/net/child_process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "weir/io/net/fd.h"
#include "weir/io/net/test_loop.h"

namespace weir::io::net {
namespace {

struct Ended {
  ExitStatus status;
  std::string output;
};

ProcessOptions script(std::string text) {
  return {.program = "/bin/sh", .arguments = {"-c", std::move(text)}};
}

// Runs a child to its end.
Ended run(const ProcessOptions& options) {
  TestLoop host;
  Ended ended;
  std::unique_ptr<Process> process;
  host.loop().post([&] {
    auto made = host.loop().processes().spawn(options, [&](ExitStatus status) {
      ended = {status, process->last_output()};
      host.runtime().stop_all();
    });
    EXPECT_TRUE(made) << made.error().message;
    if (made)
      process = std::move(*made);
    else
      host.runtime().stop_all();
  });
  host.runtime().run();
  return ended;
}

TEST(ChildProcessTest, TellsHowItEnded) {
  EXPECT_EQ(run(script("exit 0")).status.to_string(), "exit code 0");
  EXPECT_EQ(run(script("exit 7")).status.to_string(), "exit code 7");
  EXPECT_EQ(run(script("kill -9 $$")).status.to_string(), "signal 9");
}

TEST(ChildProcessTest, KeepsTheLastLinesOfItsOutput) {
  EXPECT_EQ(run(script("echo out; echo err >&2; printf last")).output, "out\nerr\nlast");
  ProcessOptions options = script("for i in 1 2 3 4 5 6 7 8 9; do echo line $i; done");
  options.output_lines_max = 2;
  EXPECT_EQ(run(options).output, "line 8\nline 9");
  options = script("head -c 200000 /dev/zero | tr '\\0' x; echo; echo end");
  std::string output = run(options).output;
  EXPECT_LT(output.size(), 5000u) << "a line has a bound";
  EXPECT_TRUE(output.ends_with("x\nend"));
}

TEST(ChildProcessTest, HandsOnOnlyWhatIsListed) {
  ::setenv("WEIR_TEST_SECRET", "secret", 1);
  ProcessOptions options = script("echo \"$WEIR_TEST_SECRET/$GIVEN/$1/$2\"; cat; ls /proc/self/fd | wc -l");
  options.arguments.insert(options.arguments.end(), {"sh", "a b", "$HOME; echo x"});
  options.environment = {"GIVEN=yes", "PATH=/usr/bin:/bin"};
  Fd leak(::dup(1));  // without close-on-exec
  // ls holds 0, 1, 2 and the directory it reads.
  EXPECT_EQ(run(options).output, "/yes/a b/$HOME; echo x\n4");
  ::unsetenv("WEIR_TEST_SECRET");
}

TEST(ChildProcessTest, StartsWithCleanSignals) {
  TestLoop ignores_sigpipe;
  EXPECT_EQ(run(script("kill -PIPE $$; echo alive")).status.signal, SIGPIPE);
  EXPECT_EQ(run(script("kill -TERM $$; echo alive")).status.signal, SIGTERM);
}

TEST(ChildProcessTest, SaysWhenItCannotStart) {
  TestLoop host;
  for (std::string program : {"/nonexistent/program", "/dev/null", "/"}) {
    auto made = host.loop().processes().spawn({.program = program}, [](ExitStatus) { ADD_FAILURE(); });
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, ErrorCode::kIo);
    EXPECT_NE(made.error().message.find(program), std::string::npos);
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "nothing is left to reap";
}

Fd watch(pid_t pid) {
  return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

// Waits until the process of a pidfd is gone.
void expect_ends(const Fd& pidfd) {
  ASSERT_TRUE(pidfd);
  pollfd wait{pidfd.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&wait, 1, 30'000), 1) << "it lives on";
}

TEST(ChildProcessTest, IsKilledAndReapedWhenDestroyed) {
  TestLoop host;
  auto made = host.loop().processes().spawn(script("trap '' TERM; sleep 1000"),
                                            [](ExitStatus) { ADD_FAILURE() << "called after its end"; });
  ASSERT_TRUE(made);
  pid_t pid = (*made)->pid();
  (*made)->terminate();
  made->reset();
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
  host.loop().post([&] { host.runtime().stop_all(); });
  host.runtime().run();
}

TEST(ChildProcessTest, EndsOnRequestAndMayBeDestroyedByItsCallback) {
  TestLoop host;
  std::unique_ptr<Process> process;
  int calls = 0;
  host.loop().post([&] {
    process = std::move(*host.loop().processes().spawn({.program = "/bin/sleep", .arguments = {"1000"}},
                                                       [&](ExitStatus status) {
                                                         ++calls;
                                                         EXPECT_EQ(status.signal, SIGTERM);
                                                         process->terminate();  // nobody is hit any more
                                                         process.reset();
                                                         host.runtime().stop_all();
                                                       }));
    process->terminate();
  });
  host.runtime().run();
  EXPECT_EQ(calls, 1);
}

// The promise that no model server outlives the gateway, not even kill -9.
TEST(ChildProcessTest, DiesWithUs) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  pid_t parent = ::fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    auto runtime = Runtime::create({.cores = 2});
    Loop& loop = (*runtime)->loop(1);  // a loop with a thread of its own
    std::unique_ptr<Process> process;
    loop.post([&] {
      auto made = loop.processes().spawn(script("sleep 1000"), [](ExitStatus) {});
      if (!made) ::_exit(1);
      process = std::move(*made);
      pid_t pid = process->pid();
      if (::write(ends[1], &pid, sizeof(pid)) != sizeof(pid)) ::_exit(1);
    });
    (*runtime)->run();
    ::_exit(1);
  }
  pid_t child = 0;
  ::close(ends[1]);
  ASSERT_EQ(::read(ends[0], &child, sizeof(child)), static_cast<ssize_t>(sizeof(child)));
  ::close(ends[0]);
  Fd watched = watch(child);
  EXPECT_EQ(::kill(child, 0), 0);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  expect_ends(watched);
}

TEST(ChildProcessTest, KnowsItsOwnPathAndEnvironment) {
  TestLoop host;
  Processes& processes = host.loop().processes();
  EXPECT_TRUE(std::filesystem::exists(processes.self()));
  EXPECT_NE(processes.self().find("weir_io_net_test"), std::string::npos);
  ::setenv("WEIR_TEST_VALUE", "x", 1);
  EXPECT_EQ(processes.environment("WEIR_TEST_VALUE"), "x");
  EXPECT_EQ(processes.environment("WEIR_TEST_NO_SUCH_VALUE"), "");
}

}  // namespace
}  // namespace weir::io::net
