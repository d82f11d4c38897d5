#include "weir/upstream/provider/remote_provider.h"

#include "weir/upstream/model_call.h"
#include "weir/upstream/pass_through.h"

namespace weir::upstream {

io::Task<Result<void>> RemoteProvider::call(exchange::Exchange& exchange, const exchange::Target& target,
                                            exchange::AnswerStream& stream, io::Cancel& cancel) {
  if (exchange.pass) return pass_through(endpoint_, wire_, parser_, exchange, target, stream, cancel);
  // Its answers are kept in the account that callers share: who may not reach that is translated for.
  if (responses_ && exchange.dialect == exchange::Dialect::kResponses &&
      exchange.principal.may_call(PassedApi::kResponses))
    return call_model(endpoint_, wire::wire_of(exchange::Dialect::kResponses), parser_, exchange, target,
                      stream, cancel);
  return call_model(endpoint_, wire_, parser_, exchange, target, stream, cancel);
}

}  // namespace weir::upstream
