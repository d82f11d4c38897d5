#include "weir/pipeline/price/price_stage.h"

#include "weir/base/money.h"

namespace weir::pipeline {

// An answer that ended badly or was left cost what it had used until then, where that is known.
void PriceStage::after(exchange::Exchange& exchange) {
  const exchange::Outcome& outcome = exchange.outcome;
  if (!exchange.usage.known() || outcome.provider.empty() || registry_.unbilled(outcome.provider)) return;
  if (const registry::ModelFacts* facts = registry_.find(outcome.provider, outcome.provider_model))
    exchange.cost.nanodollars = cost_nanodollars(*facts, exchange.usage);
  if (receipts_ && exchange.cost.nanodollars) exchange.cost.text = dollars_text(*exchange.cost.nanodollars);
  exchange.cost.unpriced = !exchange.cost.nanodollars;
}

}  // namespace weir::pipeline
