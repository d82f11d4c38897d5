// Random: the only source of chance. Real: the system's generator; simulated: the run's seed.
#pragma once

#include <cstdint>
#include <span>

namespace weir::io {

class Random {
 public:
  virtual ~Random() = default;
  /// Fast, not secret: ids, jitter, sampling.
  virtual uint64_t next() = 0;
  /// Unpredictable: keys, tokens. Aborts when the system has none.
  virtual void secret(std::span<unsigned char> out) = 0;
};

}  // namespace weir::io
