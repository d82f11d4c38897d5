// Receipt: who knows when a record survives a power cut. An answer that has one waits for it before it ends.
#pragma once

#include <cstdint>

#include "weir/base/result.h"
#include "weir/io/cancel.h"
#include "weir/io/task.h"

namespace weir::exchange {

class Receipt {
 public:
  /// Waits until the record `number` is on the disk. Errors: kUnavailable, it may not be; kCancelled.
  virtual io::Task<Result<void>> settled(uint64_t number, io::Cancel& cancel) = 0;

 protected:
  ~Receipt() = default;
};

}  // namespace weir::exchange
