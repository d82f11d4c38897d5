// What the stages that keep limits share: whose meters count a request, and how a refusal reads. Loop only.
#pragma once

#include "weir/exchange/exchange.h"
#include "weir/quota/meter.h"
#include "weir/quota/renewals.h"

namespace weir::pipeline {

/// A request that finds no lease (quota::Refusal::waits), until it is let in or refused: a second at most.
///   LeaseWait wait(renewals, x);
///   while (auto no = quota::reserve(...))
///     if (!co_await wait.over(*no)) co_return Unexpected(refused(x, *no));
class LeaseWait {
 public:
  /// `renewals`: nullptr where nothing is shared.
  LeaseWait(quota::Renewals* renewals, exchange::Exchange& exchange)
      : renewals_(renewals), exchange_(exchange) {}
  /// True: try again. False: that was the answer.
  io::Task<bool> over(const quota::Refusal& no);

 private:
  quota::Renewals* renewals_;
  exchange::Exchange& exchange_;
  std::optional<MonoTime> until_;
};

/// The meters of who calls; none: nothing limits it and nothing is counted for it.
quota::Meters meters_of(const exchange::Exchange& exchange);
/// From now on the meters of the agent that the caller names are among them, where agents have limits.
void add_agent(exchange::Exchange& exchange);
/// One of them has a limit.
bool limited(quota::Meters meters);
quota::Moment moment_of(io::Loop& loop);
/// Notes the refusal, and says it as the caller reads it: 429, with the time after which it may try again.
Error refused(exchange::Exchange& exchange, const quota::Refusal& refusal);

}  // namespace weir::pipeline
