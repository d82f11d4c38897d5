#include "weir/io/net/child_process.h"

#include <fmt/format.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "weir/io/net/net_loop.h"

namespace weir::io::net {

Result<std::unique_ptr<Process>> ChildProcesses::spawn(const ProcessOptions& options,
                                                       std::function<void(ExitStatus)>) {
  (void)loop_;
  return fail_internal(ErrorCode::kIo, fmt::format("cannot start {}: not there yet", options.program));
}

std::string ChildProcesses::self() const {
  char path[PATH_MAX];
  ssize_t n = ::readlink("/proc/self/exe", path, sizeof(path));
  return n < 0 ? std::string() : std::string(path, static_cast<size_t>(n));
}

std::string ChildProcesses::environment(const std::string& name) const {
  const char* value = std::getenv(name.c_str());
  return value ? value : "";
}

}  // namespace weir::io::net
