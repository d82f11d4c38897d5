#include "weir/http/read_whole.h"

#include <fmt/format.h>

namespace weir::http {

io::Task<Result<std::string>> read_whole(BodyReader& body, size_t bytes_max, io::Cancel& cancel) {
  std::string bytes;
  for (;;) {
    BodyReader::Piece piece = body.take();
    bytes.append(piece.bytes);
    if (bytes.size() > bytes_max)
      co_return fail_internal(ErrorCode::kUpstream,
                              fmt::format("the answer is larger than {} KiB", bytes_max >> 10));
    if (piece.state == BodyReader::State::kEnd) co_return bytes;
    if (piece.state == BodyReader::State::kMalformed || piece.state == BodyReader::State::kTruncated)
      co_return fail_internal(ErrorCode::kUpstream, "the answer broke off");
    if (piece.state == BodyReader::State::kData) continue;
    co_await body.inbox().more(cancel);
    if (cancel.requested()) co_return fail_internal(ErrorCode::kCancelled, "the answer did not come in time");
  }
}

}  // namespace weir::http
