// WEIR_ASSERT states an invariant of ours; it stays on in release. Input, peers, disks and clocks are never
// asserted.
#pragma once

#include <cstdio>
#include <cstdlib>

#define WEIR_ASSERT(condition)                                                               \
  do {                                                                                       \
    if (!(condition)) [[unlikely]] {                                                         \
      std::fprintf(stderr, "%s:%d: broken invariant: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)
