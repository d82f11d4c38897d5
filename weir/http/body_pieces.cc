#include "weir/http/body_pieces.h"

#include "weir/http/server_connection.h"

namespace weir::http {

std::optional<uint64_t> BodyPieces::length() const {
  const RequestHead& head = request_.head;
  if (head.chunked) return std::nullopt;
  return head.content_length.value_or(0);
}

io::Task<Result<std::string_view>> BodyPieces::next() {
  ServerConnection& c = request_.connection;
  io::Loop& loop = c.server_.loop();
  if (ended_) co_return std::string_view();
  if (!begun_) {
    begun_ = true;
    if (c.body_.length_left() > bytes_max_) {
      c.keep_alive_ = false;
      co_return fail(ErrorCode::kPayloadTooLarge,
                     "the request body is larger than " + std::to_string(bytes_max_) + " bytes");
    }
    if (c.continue_due_ && c.inbox_.empty()) {
      std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      auto status =
          co_await TimedWrite(*c.stream_, {&go_on, 1}, request_.cancel, loop, c.options_.write_timeout);
      if (status != io::IoStatus::kOk) co_return fail(ErrorCode::kCancelled, "the client left");
    }
    c.continue_due_ = false;
    span_begin_ = loop.now();
  } else if (last_.ns != 0) {
    span_begin_ = span_begin_ + (loop.now() - last_);  // the receiver's time is not the client's
  }
  const ServerOptions& options = c.options_;
  auto floor = static_cast<uint64_t>(static_cast<double>(options.body_bytes_per_s) *
                                     to_seconds(options.body_rate_span));
  for (;;) {
    BodyReader::Piece piece = c.body_.take();
    taken_ += piece.bytes.size();
    span_bytes_ += piece.bytes.size();
    if (taken_ > bytes_max_) {
      c.keep_alive_ = false;
      co_return fail(ErrorCode::kPayloadTooLarge,
                     "the request body is larger than " + std::to_string(bytes_max_) + " bytes");
    }
    if (piece.state == BodyReader::State::kMalformed) {
      c.keep_alive_ = false;
      co_return fail(ErrorCode::kInvalidRequest, std::string(piece.what), {}, "bad_framing");
    }
    if (piece.state == BodyReader::State::kTruncated)
      co_return fail(ErrorCode::kCancelled, "the client left");
    if (!piece.bytes.empty()) {
      last_ = loop.now();
      co_return piece.bytes;
    }
    if (piece.state == BodyReader::State::kEnd) {
      ended_ = true;
      c.body_.release();
      c.watch();  // from here on the client's leaving is noticed at once
      co_return std::string_view();
    }
    Duration patience = options.body_idle_timeout;
    MonoTime now = loop.now();
    if (floor > 0) {
      if (now - span_begin_ >= options.body_rate_span) {
        bool slow = span_bytes_ < floor;
        span_begin_ = now;
        span_bytes_ = 0;
        if (slow) patience = Duration(0);
      } else {
        patience = std::min(patience, options.body_rate_span - (now - span_begin_));
      }
    }
    io::IoStatus status = patience.count() > 0 ? co_await c.inbox_.more(request_.cancel, loop, patience)
                                               : io::IoStatus::kTimedOut;
    if (status == io::IoStatus::kOk) continue;
    if (status != io::IoStatus::kTimedOut) co_return fail(ErrorCode::kCancelled, "the client left");
    if (patience.count() > 0 && patience < options.body_idle_timeout) continue;  // only a span ended
    c.keep_alive_ = false;
    co_return fail(ErrorCode::kRequestTimeout, "the request body took too long to arrive");
  }
}

}  // namespace weir::http
