// Dispatcher: delivers a routed exchange: from one target to the next as the journey decides, until one has
// answered or none is left, all of it within the total time limit. One a core and configuration.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "weir/exchange/model_client.h"
#include "weir/upstream/discovery.h"
#include "weir/upstream/failure_counters.h"
#include "weir/upstream/health.h"
#include "weir/upstream/hedge.h"
#include "weir/upstream/journey.h"
#include "weir/upstream/provider/provider.h"
#include "weir/upstream/thought_pins.h"

namespace weir::upstream {

class Dispatcher final : public exchange::ModelClient {
 public:
  /// `settings`, `counters` and `pins` outlive it.
  Dispatcher(io::Loop& loop, std::vector<std::unique_ptr<Provider>> providers, const Settings& settings,
             FailureCounters& counters, ThoughtPins& pins);
  io::Task<Result<void>> call(exchange::Exchange& exchange, exchange::AnswerStream& stream) override;

  /// Checks the providers from now on until retire(); as Health::start.
  void start_checks(io::TaskGroup& tasks, const std::shared_ptr<void>& keep) {
    health_.start(providers_, tasks, keep);
  }

  /// What keeps the providers from being ready, one sentence each.
  std::vector<std::string> not_ready() const;
  /// What is not as it should be, though all is served.
  std::vector<std::string> warnings() const { return health_.resting(); }
  std::vector<Health::TargetState> target_states() const { return health_.targets(); }
  /// As Discovery::models().
  io::Task<std::vector<wire::ListedModel>> found_models(io::Cancel& cancel) {
    return discovery_.models(cancel);
  }
  void retire();

 private:
  Provider* find(std::string_view name) const;
  io::Task<Result<void>> attempt(const Journey::Stop& stop, exchange::Exchange& exchange, Delivery& delivery,
                                 Breaker::Call& call, io::Cancel& scope);
  /// One target being asked, while another may be.
  struct Asked {
    Journey::Stop stop;
    exchange::Exchange& exchange;
    Delivery& delivery;
    Breaker::Call call;
    Result<void> outcome;
    bool over = false;
  };
  io::Task<void> ask_side(Asked& asked, Hedge& hedge, Hedge::Side side);
  io::Task<void> ask_both(Asked& first, std::unique_ptr<Asked>& second, Hedge& hedge, Journey& journey);
  Verdict note(Asked& asked, const io::Cancel& scope, Journey& journey);
  const exchange::Target* signer(const exchange::Exchange& exchange) const;
  void note_signatures(const exchange::Exchange& exchange, const Delivery& delivery);
  void judge(Verdict verdict, const Error* error, const exchange::Exchange& exchange, Breaker::Call& call);

  const std::vector<std::unique_ptr<Provider>> providers_;
  const Settings& settings_;
  FailureCounters& counters_;
  ThoughtPins& pins_;
  Health health_;
  Discovery discovery_;
  RetryBudget budget_;
};

}  // namespace weir::upstream
