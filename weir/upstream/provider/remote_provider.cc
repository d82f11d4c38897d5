#include "weir/upstream/provider/remote_provider.h"

#include "weir/upstream/model_call.h"
#include "weir/upstream/pass_through.h"

namespace weir::upstream {

io::Task<Result<void>> RemoteProvider::call(const Attempt& attempt, io::Cancel& cancel) {
  exchange::Exchange& exchange = attempt.exchange;
  if (exchange.pass) return pass_through(endpoint_, wire_, parser_, attempt, cancel);
  // Its answers are kept in the account that callers share: who may not reach that is translated for.
  if (responses_ && exchange.dialect == exchange::Dialect::kResponses &&
      exchange.principal.may_call(PassedApi::kResponses))
    return call_model(endpoint_, wire::wire_of(exchange::Dialect::kResponses), parser_, attempt, cancel);
  return call_model(endpoint_, wire_, parser_, attempt, cancel);
}

// It lists its models, or says that it has no list: somebody is there who knows our key.
io::Task<bool> RemoteProvider::alive(io::Cancel& cancel) {
  http::ClientCall call(endpoint_.pool());
  std::string head = endpoint_.get_head(wire_.check_path());
  std::string_view request = head;
  auto sent = co_await call.send("GET", {&request, 1}, endpoint_.check(), cancel);
  if (!sent) co_return false;
  int status = call.head().status;
  co_return status < 500 && status != 401 && status != 403;
}

}  // namespace weir::upstream
