// Random from the system: next() is xoshiro256** seeded once from getrandom(2), secret() is getrandom(2)
// itself. Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47 (2021).
#pragma once

#include <array>

#include "weir/io/random.h"

namespace weir::io::net {

class SystemRandom final : public Random {
 public:
  SystemRandom();
  uint64_t next() override;
  void secret(std::span<unsigned char> out) override;

 private:
  std::array<uint64_t, 4> state_;
};

}  // namespace weir::io::net
