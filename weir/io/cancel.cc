#include "weir/io/cancel.h"

namespace weir::io {

std::string_view name(CancelReason reason) {
  switch (reason) {
    case CancelReason::kNone:
      return "none";
    case CancelReason::kClientLeft:
      return "client_left";
    case CancelReason::kClientSlow:
      return "client_slow";
    case CancelReason::kQueueTimeout:
      return "queue_timeout";
    case CancelReason::kConnectTimeout:
      return "connect_timeout";
    case CancelReason::kHeadersTimeout:
      return "headers_timeout";
    case CancelReason::kFirstTokenTimeout:
      return "first_token_timeout";
    case CancelReason::kIdleTimeout:
      return "idle_timeout";
    case CancelReason::kTotalTimeout:
      return "total_timeout";
    case CancelReason::kShutdown:
      return "shutdown";
    case CancelReason::kAbandoned:
      return "abandoned";
  }
  return "unknown";
}

}  // namespace weir::io
