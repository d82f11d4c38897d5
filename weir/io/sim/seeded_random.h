// SeededRandom: a loop's chance, from the run's seed; nothing of it is secret.
#pragma once

#include "weir/io/random.h"
#include "weir/io/sim/universe.h"

namespace weir::io::sim {

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : chance_(seed) {}
  uint64_t next() override { return chance_.next(); }
  void secret(std::span<unsigned char> out) override {
    for (unsigned char& byte : out)
      byte = static_cast<unsigned char>(chance_.next() >> 56);
  }

 private:
  Chance chance_;
};

}  // namespace weir::io::sim
