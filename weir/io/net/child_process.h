// ChildProcesses: the Processes of one real loop.
#pragma once

#include "weir/io/process.h"

namespace weir::io::net {

class NetLoop;

class ChildProcesses final : public Processes {
 public:
  explicit ChildProcesses(NetLoop& loop) : loop_(loop) {}
  Result<std::unique_ptr<Process>> spawn(const ProcessOptions& options,
                                         std::function<void(ExitStatus)> on_exit) override;
  std::string self() const override;
  std::string environment(const std::string& name) const override;

 private:
  NetLoop& loop_;
};

}  // namespace weir::io::net
