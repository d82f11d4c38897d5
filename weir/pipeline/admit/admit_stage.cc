#include "weir/pipeline/admit/admit_stage.h"

namespace weir::pipeline {

io::Task<Result<exchange::Stage::Flow>> AdmitStage::before(exchange::Exchange& exchange) {
  std::string who = exchange.client();
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
  if (exchange.admitted) under_way_.remove(exchange.client());
}

}  // namespace weir::pipeline
