// ChildProcesses: the Processes of one real loop. A child is started with vfork, so that starting one costs
// the same however much memory we hold; it dies with the thread that started it (PR_SET_PDEATHSIG counts
// threads, not processes), which is the loop's own and ends last. Its end is noticed through a pidfd. Used on
// its loop.
#pragma once

#include "weir/io/process.h"

namespace weir::io::net {

class NetLoop;

class ChildProcesses final : public Processes {
 public:
  explicit ChildProcesses(NetLoop& loop) : loop_(loop) {}
  /// Blocks until the program was loaded (well under a millisecond).
  Result<std::unique_ptr<Process>> spawn(const ProcessOptions& options,
                                         std::function<void(ExitStatus)> on_exit) override;
  std::string self() const override;
  std::string environment(const std::string& name) const override;
  int cpu_count() const override;

 private:
  NetLoop& loop_;
};

}  // namespace weir::io::net
