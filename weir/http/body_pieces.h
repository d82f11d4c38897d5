// BodyPieces: a request's body as it arrives, for a handler that passes it on instead of keeping it. What is
// not asked for is not read from the connection, so a slow receiver slows the client down and the memory is
// one read's. Instead of Request::read_body(), not beside it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "weir/http/server.h"

namespace weir::http {

class BodyPieces {
 public:
  /// At most `bytes_max` are taken. Borrows the request.
  BodyPieces(Request& request, uint64_t bytes_max) : request_(request), bytes_max_(bytes_max) {}

  /// What the head says of its size; nullopt: chunked.
  std::optional<uint64_t> length() const;
  /// The next piece, valid until the next call; empty: the end. Sends "100 Continue" when the client waits
  /// for it. Errors: as Request::read_body.
  io::Task<Result<std::string_view>> next();
  uint64_t taken() const { return taken_; }

 private:
  Request& request_;
  const uint64_t bytes_max_;
  uint64_t taken_ = 0;
  MonoTime last_{};  // when the piece before was handed out
  MonoTime span_begin_{};
  uint64_t span_bytes_ = 0;
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace weir::http
