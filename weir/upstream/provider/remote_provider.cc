#include "weir/upstream/provider/remote_provider.h"

#include "weir/upstream/model_call.h"

namespace weir::upstream {

io::Task<Result<void>> RemoteProvider::call(exchange::Exchange& exchange, const exchange::Target& target,
                                            exchange::AnswerStream& stream, io::Cancel& cancel) {
  return call_model(endpoint_, wire_, parser_, exchange, target, stream, cancel);
}

}  // namespace weir::upstream
