// Authentication as a stage: who sends this request (accounts/authenticator.h decides), and whether it may
// use an API that is passed through.
#pragma once

#include "weir/accounts/authenticator.h"
#include "weir/exchange/stage.h"

namespace weir::pipeline {

class AuthStage final : public exchange::Stage {
 public:
  /// `authenticator` outlives the stage.
  explicit AuthStage(const accounts::Authenticator& authenticator) : authenticator_(authenticator) {}
  std::string_view name() const override { return "auth"; }
  io::Task<Result<Flow>> before(exchange::Exchange& exchange) override;

 private:
  const accounts::Authenticator& authenticator_;
};

}  // namespace weir::pipeline
