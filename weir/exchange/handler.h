// Handler: the pipeline as the server sees it.
#pragma once

#include "weir/exchange/answer_stream.h"
#include "weir/exchange/exchange.h"

namespace weir::exchange {

class Handler {
 public:
  virtual ~Handler() = default;
  /// Ends with Exchange::answer set, or a stream finished, or an error. An error before the stream began
  /// becomes an error answer, one after it an error event: both are the server's to write, in the caller's
  /// dialect.
  virtual io::Task<Result<void>> handle(Exchange& exchange, AnswerStream& stream) = 0;
};

}  // namespace weir::exchange
