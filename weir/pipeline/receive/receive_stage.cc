#include "weir/pipeline/receive/receive_stage.h"

namespace weir::pipeline {

io::Task<Result<exchange::Stage::Flow>> ReceiveStage::before(exchange::Exchange& exchange) {
  CO_TRY_VOID(co_await exchange.source.receive(exchange));
  exchange.timeline.parsed = exchange.loop.now();
  co_return Flow::kOn;
}

}  // namespace weir::pipeline
