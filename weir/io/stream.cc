#include "weir/io/stream.h"

namespace weir::io {

std::string_view name(IoStatus status) {
  switch (status) {
    case IoStatus::kOk:
      return "ok";
    case IoStatus::kEof:
      return "closed by peer";
    case IoStatus::kReset:
      return "connection reset";
    case IoStatus::kCancelled:
      return "cancelled";
    case IoStatus::kTimedOut:
      return "timed out";
    case IoStatus::kFailed:
      return "failed";
  }
  return "unknown";
}

}  // namespace weir::io
