#include "weir/io/descriptor_wait.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace weir::io {

bool wait_for_descriptor(int descriptor, Readiness readiness, Duration bound) {
  using Clock = std::chrono::steady_clock;
  pollfd one{descriptor, static_cast<short>(readiness == Readiness::kRead ? POLLIN : POLLOUT), 0};
  Clock::time_point until = Clock::now() + bound;
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    int ready = ::poll(&one, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) return true;  // the library's own call says what is wrong
  }
}

}  // namespace weir::io
