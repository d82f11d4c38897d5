#include "weir/pipeline/admit/admit_stage.h"

#include "weir/pipeline/limited.h"

namespace weir::pipeline {

io::Task<Result<exchange::Stage::Flow>> AdmitStage::before(exchange::Exchange& exchange) {
  add_agent(exchange);
  quota::Meters meters = meters_of(exchange);
  if (limited(meters)) {
    LeaseWait wait(renewals_, exchange);
    while (auto no = quota::take_request(meters, moment_of(exchange.loop)))
      if (!no->waits || !co_await wait.over(*no)) co_return Unexpected(refused(exchange, *no));
  }
  if (requests_per_client_ == 0) co_return Flow::kOn;
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
