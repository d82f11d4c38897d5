// RecordSink: where one core's finished exchanges are written down; called once for each, after its outcome
// is known. Implemented by record/recorder.h; a port so that the pipeline's tests can look at what was
// recorded.
#pragma once

#include "weir/exchange/exchange.h"

namespace weir::pipeline {

class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void begin(const exchange::Exchange& exchange) = 0;   // it entered the pipeline
  virtual void record(const exchange::Exchange& exchange) = 0;  // it is over
};

}  // namespace weir::pipeline
