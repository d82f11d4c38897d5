// RecordSink: where one core's finished exchanges are written down; called once for each, after its outcome
// is known. Implemented by record/recorder.h; a port so that the pipeline's tests can look at what was
// recorded.
#pragma once

#include <string>
#include <vector>

#include "weir/exchange/exchange.h"

namespace weir::pipeline {

class RecordSink {
 public:
  virtual ~RecordSink() = default;
  /// It entered the pipeline. Errors: kUnavailable, it could not be written down; record() follows all the
  /// same.
  virtual Result<void> begin(exchange::Exchange& exchange) = 0;
  /// It is over. Sets exchange.record.
  virtual void record(exchange::Exchange& exchange) = 0;
  /// What keeps new exchanges from being written down, one sentence each; empty: nothing.
  virtual std::vector<std::string> not_ready() const { return {}; }
  /// What is lost although exchanges are let in, one sentence each; empty: nothing.
  virtual std::vector<std::string> warnings() const { return {}; }
};

}  // namespace weir::pipeline
