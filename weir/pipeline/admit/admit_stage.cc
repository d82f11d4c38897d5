#include "weir/pipeline/admit/admit_stage.h"

namespace weir::pipeline {

// Keys and addresses are names of their own kind: a key may be called 10.0.0.1.
std::string AdmitStage::client(const exchange::Exchange& exchange) {
  if (!exchange.principal.anonymous) return "key " + std::string(exchange.principal.name);
  return "address " + std::string(exchange.peer);
}

io::Task<Result<exchange::Stage::Flow>> AdmitStage::before(exchange::Exchange& exchange) {
  std::string who = client(exchange);
  if (under_way_.add(who) > requests_per_client_) {
    under_way_.remove(who);
    Error error =
        make_error(ErrorCode::kRateLimited, "Too many requests of this client are under way; try again.", {},
                   "too_many_requests");
    error.retry_after_s = 1;
    co_return Unexpected(std::move(error));
  }
  exchange.admitted = true;
  co_return Flow::kOn;
}

void AdmitStage::after(exchange::Exchange& exchange) {
  if (exchange.admitted) under_way_.remove(client(exchange));
}

}  // namespace weir::pipeline
