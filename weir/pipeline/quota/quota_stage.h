// What the caller's key, user, team and tenant may use (quota/meter.h): reserves the worst case before a
// model is asked, settles what was used whatever the outcome was, and counts a stream as it comes: one that
// goes beyond what was reserved reserves more, and ends there, with an error to the caller, when no more is
// left. Stands behind route, which knows the prices, and in front of price, which knows the cost. The rate of
// requests is kept before the body is read (admit/).
#pragma once

#include "weir/exchange/stage.h"
#include "weir/pipeline/quota/worst_case.h"
#include "weir/quota/renewals.h"
#include "weir/registry/registry.h"

namespace weir::pipeline {

class QuotaStage final : public exchange::Stage, exchange::Tap {
 public:
  explicit QuotaStage(const Settings& settings, quota::Renewals* renewals = nullptr)
      : registry_(settings), renewals_(renewals) {}
  std::string_view name() const override { return "quota"; }
  io::Task<Result<Flow>> before(exchange::Exchange& exchange) override;
  void after(exchange::Exchange& exchange) override;
  exchange::Tap* tap() override { return this; }

 private:
  std::optional<quota::Refusal> reserve(exchange::Exchange& exchange, const WorstCase& worst) const;
  void on_event(exchange::Exchange& exchange, exchange::StreamEvent& event) override;

  const registry::Registry registry_;
  quota::Renewals* const renewals_;  // nullptr: limits are this process's own
};

}  // namespace weir::pipeline
