#include "weir/io/net/terminal.h"

#include <unistd.h>

namespace weir::io::net {

bool is_terminal(std::FILE* file) {
  int descriptor = fileno(file);
  return descriptor >= 0 && ::isatty(descriptor) == 1;
}

}  // namespace weir::io::net
