#include "weir/io/net/system_random.h"

#include <sys/random.h>

#include <bit>
#include <cerrno>

#include "weir/base/assert.h"

namespace weir::io::net {

SystemRandom::SystemRandom() {
  do {
    secret({reinterpret_cast<unsigned char*>(state_.data()), sizeof(state_)});
  } while (state_ == std::array<uint64_t, 4>{});  // the one state it would never leave
}

uint64_t SystemRandom::next() {
  uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

void SystemRandom::secret(std::span<unsigned char> out) {
  while (!out.empty()) {
    ssize_t n = getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    WEIR_ASSERT(n > 0);
    out = out.subspan(static_cast<size_t>(n));
  }
}

}  // namespace weir::io::net
