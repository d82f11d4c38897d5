#include "weir/pipeline/auth/auth_stage.h"

namespace weir::pipeline {

io::Task<Result<exchange::Stage::Flow>> AuthStage::before(exchange::Exchange& exchange) {
  if (auto known = authenticator_.authenticate_at_once(exchange.headers, exchange.peer_local)) {
    CO_TRY(exchange.principal, *std::move(known));
  } else {
    CO_TRY(exchange.principal, co_await authenticator_.authenticate_waiting(
                                   exchange.headers, exchange.peer_local, exchange.cancel));
  }
  exchange.timeline.authenticated = exchange.loop.now();
  // Before a byte of the body is read: an upload may be long.
  if (exchange.pass && !exchange.principal.may_call(exchange.pass->api))
    co_return fail(ErrorCode::kPermissionDenied,
                   "This key may not use this API: " + std::string(weir::name(exchange.pass->api)) + ".", {},
                   "api_not_allowed");
  co_return Flow::kOn;
}

}  // namespace weir::pipeline
