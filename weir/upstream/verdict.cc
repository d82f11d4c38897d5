#include "weir/upstream/verdict.h"

namespace weir::upstream {

const Error* error_of(const Result<void>& outcome, const exchange::Exchange& exchange) {
  if (!outcome) return &outcome.error();
  return exchange.outcome.error ? &*exchange.outcome.error : nullptr;
}

Verdict verdict_of(const Result<void>& outcome, const exchange::Exchange& exchange, const io::Cancel& scope) {
  const Error* error = error_of(outcome, exchange);
  if (!error) return Verdict::kGood;
  if (scope.requested()) return Verdict::kOver;
  if (error->code == ErrorCode::kCancelled) return Verdict::kOver;
  // What passes through may have done something: only pass_through() knows whether it may be asked again.
  if (exchange.pass && !error->retryable) return Verdict::kRefused;
  std::string_view reason = error->reason;
  if (reason == "context_length_exceeded") return Verdict::kTooLong;
  if (reason == "unsupported_operation" || reason == "upstream_redirect" || reason == kForeignThoughts)
    return Verdict::kUnfit;
  if (reason == "queue_full" || reason == "queue_timeout" || reason == "model_loading") return Verdict::kFull;
  if (reason == "total_timeout") return Verdict::kOver;
  if (error->code == ErrorCode::kUpstreamTimeout) return Verdict::kSilent;
  int status = outcome && exchange.answer ? exchange.answer->status : http_status(error->code);
  if (status == 429 || (status == 503 && error->retry_after_s > 0)) return Verdict::kBusy;
  if (status == 404 && reason == "upstream_status") return Verdict::kUnfit;
  return error->retryable ? Verdict::kFault : Verdict::kRefused;
}

}  // namespace weir::upstream
