// NoPrograms: the Processes of a simulated machine: it has nothing to run and an empty environment.
#pragma once

#include "weir/io/process.h"

namespace weir::io::sim {

class NoPrograms final : public Processes {
 public:
  explicit NoPrograms(int cpu_count) : cpu_count_(cpu_count) {}
  Result<std::unique_ptr<Process>> spawn(const ProcessOptions& options,
                                         std::function<void(ExitStatus)>) override {
    return fail_internal(ErrorCode::kIo,
                         "cannot start " + options.program + ": there are no programs in the simulation");
  }
  std::string self() const override { return "/weir"; }
  std::string environment(const std::string&) const override { return {}; }
  int cpu_count() const override { return cpu_count_; }

 private:
  const int cpu_count_;
};

}  // namespace weir::io::sim
