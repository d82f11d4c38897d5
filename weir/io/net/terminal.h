// Whether a person looks at what this process prints: then colour and progress help; a file wants neither.
#pragma once

#include <cstdio>

namespace weir::io::net {

bool is_terminal(std::FILE* file);

}  // namespace weir::io::net
