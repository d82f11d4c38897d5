// Dispatcher: delivers a routed exchange: from one target to the next as the journey decides, until one has
// answered or none is left, all of it within the total time limit. One a core and configuration.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "weir/exchange/model_client.h"
#include "weir/upstream/failure_counters.h"
#include "weir/upstream/health.h"
#include "weir/upstream/journey.h"
#include "weir/upstream/provider/provider.h"

namespace weir::upstream {

class Dispatcher final : public exchange::ModelClient {
 public:
  /// `settings` and `counters` outlive it.
  Dispatcher(io::Loop& loop, std::vector<std::unique_ptr<Provider>> providers, const Settings& settings,
             FailureCounters& counters);
  io::Task<Result<void>> call(exchange::Exchange& exchange, exchange::AnswerStream& stream) override;

  /// Checks the providers from now on until retire(); as Health::start.
  void start_checks(io::TaskGroup& tasks, const std::shared_ptr<void>& keep) {
    health_.start(providers_, tasks, keep);
  }

  /// What keeps the providers from being ready, one sentence each.
  std::vector<std::string> not_ready() const;
  /// What is not as it should be, though all is served.
  std::vector<std::string> warnings() const { return health_.resting(); }
  void retire();

 private:
  Provider* find(std::string_view name) const;
  io::Task<Result<void>> attempt(const Journey::Stop& stop, exchange::Exchange& exchange, Delivery& delivery,
                                 Breaker::Call& call, io::Cancel& scope);
  void judge(Verdict verdict, const Error* error, const exchange::Exchange& exchange, Breaker::Call& call);

  const std::vector<std::unique_ptr<Provider>> providers_;
  const Settings& settings_;
  FailureCounters& counters_;
  Health health_;
  RetryBudget budget_;
};

}  // namespace weir::upstream
