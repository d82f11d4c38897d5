// The pipeline: runs the stages in their order (pipeline.cc, make_stages), then the model client, then the
// stages' after() in reverse. One a core.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "weir/accounts/authenticator.h"
#include "weir/base/settings.h"
#include "weir/exchange/handler.h"
#include "weir/exchange/model_client.h"
#include "weir/exchange/stage.h"
#include "weir/quota/renewals.h"

namespace weir::pipeline {

class RecordSink;

/// The order of the stages. `settings`, `authenticator` and `renewals` (nullptr: limits are this process's
/// own) outlive them; limits are shared out over `cores`.
std::vector<std::unique_ptr<exchange::Stage>> make_stages(const Settings& settings,
                                                          const accounts::Authenticator& authenticator,
                                                          RecordSink& sink, int cores,
                                                          quota::Renewals* renewals = nullptr);

class Pipeline final : public exchange::Handler {
 public:
  Pipeline(std::vector<std::unique_ptr<exchange::Stage>> stages, exchange::ModelClient& model_client);
  io::Task<Result<void>> handle(exchange::Exchange& exchange, exchange::AnswerStream& stream) override;

 private:
  std::vector<std::unique_ptr<exchange::Stage>> stages_;
  std::vector<exchange::Tap*> taps_;  // of the stages that have one, in order
  exchange::ModelClient& model_client_;
};

}  // namespace weir::pipeline
