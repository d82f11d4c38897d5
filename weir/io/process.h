// Processes: child processes under supervision. A child is killed when this process ends in any way, kill -9
// included (the kernel's parent-death signal). Never a shell; arguments are passed as they are; only listed
// environment variables are handed on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "weir/base/result.h"

namespace weir::io {

struct ProcessOptions {
  std::string program;                   // path
  std::vector<std::string> arguments;    // without argv[0]
  std::vector<std::string> environment;  // NAME=value
  size_t output_lines_max = 40;          // last lines of stdout+stderr kept for error messages
  int nice = 0;                          // added to our own
};

struct ExitStatus {
  int code = 0;    // exit code, or
  int signal = 0;  // the signal that ended it
  std::string to_string() const;
};

/// One running child. Destroying it kills it (SIGKILL) and reaps it; on_exit is then not called.
class Process {
 public:
  virtual ~Process() = default;
  virtual int pid() const = 0;
  virtual void terminate() = 0;  // asks it to end (SIGTERM)
  virtual std::string last_output() const = 0;
};

class Processes {
 public:
  virtual ~Processes() = default;
  /// `on_exit` is called once, on this loop. Errors: kIo (no such program, no memory).
  virtual Result<std::unique_ptr<Process>> spawn(const ProcessOptions& options,
                                                 std::function<void(ExitStatus)> on_exit) = 0;
  /// Path of our own executable.
  virtual std::string self() const = 0;
  /// Value of an environment variable; empty when unset.
  virtual std::string environment(const std::string& name) const = 0;
  /// Cores this process may run on; at least 1.
  virtual int cpu_count() const = 0;
};

}  // namespace weir::io
