#include "weir/io/process.h"

namespace weir::io {

std::string ExitStatus::to_string() const {
  return signal != 0 ? "signal " + std::to_string(signal) : "exit code " + std::to_string(code);
}

}  // namespace weir::io
