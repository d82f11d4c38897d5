// WorstCase: what a request may use at most, said before anybody is asked. Input: each token of a byte-level
// vocabulary is at least a byte, so the body's bytes are never too few; what stands outside the body (an
// image by its address, a file by its id, an earlier answer) may fill the model's whole context. Output: what
// the caller allows, for each choice; where it allows anything, what the model can say at most. Money: the
// dearest target's prices, cache writes included where the caller asks for them.
#pragma once

#include "weir/exchange/exchange.h"
#include "weir/quota/meter.h"
#include "weir/registry/registry.h"

namespace weir::pipeline {

struct WorstCase {
  quota::Amounts amounts;
  int64_t nanodollars_per_million_output = 0;  // of the dearest target; 0: no price is known
};

/// Requires: the exchange is routed.
WorstCase worst_case(const exchange::Exchange& exchange, const registry::Registry& registry);

/// The most output tokens of one choice that the caller allows; nullopt: it does not say.
std::optional<int64_t> allowed_output(const exchange::Exchange& exchange);

}  // namespace weir::pipeline
