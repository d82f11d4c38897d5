// Verdict: what an attempt's end says about its target, and what may be done next.
#pragma once

#include <cstdint>

#include "weir/exchange/exchange.h"
#include "weir/io/cancel.h"

namespace weir::upstream {

enum class Verdict : uint8_t {
  kGood,     // answered
  kRefused,  // the request is wrong, or was filtered: the caller's to hear, from whoever is asked
  kTooLong,  // for this model
  kUnfit,    // this target has no such model or operation, is elsewhere (a redirect), or has not signed these
             // thoughts: another may
  kFull,     // our own queue for it, or a local model that is still loading
  kBusy,     // 429, or 503 with Retry-After
  kFault,    // broken: no connection, 5xx, cut, malformed, our credentials refused
  kSilent,   // a phase timer ran out: not asked again for this request
  kOver,     // the caller left, its total time is over, the process ends
};

/// `scope`: the request's, with its total time.
Verdict verdict_of(const Result<void>& outcome, const exchange::Exchange& exchange, const io::Cancel& scope);

/// The error behind a verdict that is not kGood: of the outcome, or of an answer that is a refusal.
const Error* error_of(const Result<void>& outcome, const exchange::Exchange& exchange);

/// Error::reason of a refusal of thoughts that another model signed.
inline constexpr std::string_view kForeignThoughts = "foreign_thoughts";

/// Does it count against the target?
inline bool is_fault(Verdict v) {
  return v == Verdict::kFault || v == Verdict::kSilent;
}

}  // namespace weir::upstream
