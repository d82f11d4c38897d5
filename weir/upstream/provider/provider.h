// Provider: one way to reach models; the port that every folder or file in upstream/provider/ implements. One
// instance a core and configuration; the dispatcher picks it by the name its configuration gives it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weir/exchange/exchange.h"
#include "weir/upstream/breaker.h"
#include "weir/upstream/continuation.h"
#include "weir/upstream/delivery.h"
#include "weir/wire/model_list.h"

namespace weir::upstream {

/// One target, asked once.
struct Attempt {
  exchange::Exchange& exchange;
  const exchange::Target& target;
  Ask ask;             // plainly, or to go on with what was delivered
  Delivery& delivery;  // where a streamed answer goes
  Breaker::Call& call;
};

class Provider {
 public:
  virtual ~Provider() = default;
  virtual std::string_view name() const = 0;

  /// Sets exchange.answer or delivers a stream; notes usage and times. Errors: kUpstream, kUpstreamTimeout,
  /// kUnavailable, kRateLimited, kCancelled, kInvalidRequest (this target's dialect has no such thing);
  /// `retryable` says whether another target may be asked. The same holds for exchange.outcome.error beside
  /// an answer that is the model server's own refusal.
  virtual io::Task<Result<void>> call(const Attempt& attempt, io::Cancel& cancel) = 0;

  /// Does it answer a question that costs nothing?
  virtual io::Task<bool> alive(io::Cancel& cancel) = 0;

  /// The models that it lists itself. Errors: kUpstream and its kin; kCancelled.
  virtual io::Task<Result<std::vector<wire::ListedModel>>> list(io::Cancel&) {
    co_return std::vector<wire::ListedModel>();
  }

  /// What keeps this provider from being ready ("model smollm2-135m is loading"); empty: ready.
  virtual std::string not_ready() const { return {}; }

  /// Takes no more calls: closes idle connections. Calls under way end in peace.
  virtual void retire() = 0;
};

}  // namespace weir::upstream
