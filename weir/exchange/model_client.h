// ModelClient: who delivers a routed Exchange to a model and brings its answer back. The pipeline's last
// step; implemented by upstream/dispatcher.
#pragma once

#include "weir/exchange/answer_stream.h"
#include "weir/exchange/exchange.h"

namespace weir::exchange {

class ModelClient {
 public:
  virtual ~ModelClient() = default;
  /// Calls the targets of exchange.route. Sets exchange.answer, or pushes a stream; notes usage, times and
  /// outcome.
  virtual io::Task<Result<void>> call(Exchange& exchange, AnswerStream& stream) = 0;
};

}  // namespace weir::exchange
