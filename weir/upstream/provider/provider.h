// Provider: one way to reach models; the port that every folder or file in upstream/provider/ implements. One
// instance a core and configuration; the dispatcher picks it by the name its configuration gives it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weir/exchange/answer_stream.h"
#include "weir/exchange/exchange.h"

namespace weir::upstream {

class Provider {
 public:
  virtual ~Provider() = default;
  virtual std::string_view name() const = 0;

  /// One attempt. Sets exchange.answer or pushes a stream; notes usage and times. Errors: kUpstream,
  /// kUpstreamTimeout, kUnavailable, kRateLimited, kCancelled; `retryable` says whether another target may be
  /// asked (never after the stream began). The same holds for exchange.outcome.error beside an answer that is
  /// the model server's own refusal.
  virtual io::Task<Result<void>> call(exchange::Exchange& exchange, const exchange::Target& target,
                                      exchange::AnswerStream& stream, io::Cancel& cancel) = 0;

  /// What keeps this provider from being ready ("model smollm2-135m is loading"); empty: ready.
  virtual std::string not_ready() const { return {}; }

  /// Takes no more calls: closes idle connections. Calls under way end in peace.
  virtual void retire() = 0;
};

}  // namespace weir::upstream
