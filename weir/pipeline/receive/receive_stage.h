// Receives the request: has the server read and parse the body, now that it is known who asks.
#pragma once

#include "weir/exchange/stage.h"

namespace weir::pipeline {

class ReceiveStage final : public exchange::Stage {
 public:
  std::string_view name() const override { return "receive"; }
  io::Task<Result<Flow>> before(exchange::Exchange& exchange) override;
};

}  // namespace weir::pipeline
