// BodyReader: the payload of one HTTP message, freed of its framing, piece by piece out of an Inbox.
// take() is synchronous and hands out what has arrived; when it says kNothing the caller awaits inbox.more()
// and asks again. That keeps backpressure (nothing is read that nobody asked for) and costs no coroutine
// frame a piece.
#pragma once

#include <cstdint>
#include <string_view>

#include "weir/http/h1_codec.h"
#include "weir/http/inbox.h"

namespace weir::http {

class BodyReader {
 public:
  enum class State : uint8_t {
    kData,       // `bytes` is not empty
    kEnd,        // the body is complete (bytes may still hold its last part)
    kNothing,    // nothing arrived yet
    kMalformed,  // the chunk framing is wrong; `what` says how
    kTruncated,  // the stream ended before the body did
  };
  struct Piece {
    State state = State::kNothing;
    std::string_view bytes;  // valid until the next take() and while no inbox.more() is awaited
    std::string_view what;
  };

  explicit BodyReader(Inbox& inbox) : inbox_(inbox) {}

  void begin_none() { begin(Framing::kLength, 0); }
  void begin_length(uint64_t bytes) { begin(Framing::kLength, bytes); }
  void begin_chunked() { begin(Framing::kChunked, 0); }
  void begin_until_close() { begin(Framing::kUntilClose, 0); }

  Piece take();
  /// Drops what the last take() handed out from the inbox; take() does it too.
  void release();
  bool complete() const { return complete_; }
  /// Payload bytes still to come, when the framing says so.
  uint64_t length_left() const { return framing_ == Framing::kLength ? left_ : 0; }
  bool has_length() const { return framing_ == Framing::kLength; }
  /// For a reader that took the rest of a body of known length out of inbox() by itself.
  void finish_length() {
    release();
    left_ = 0;
    complete_ = true;
  }
  Inbox& inbox() { return inbox_; }

 private:
  enum class Framing : uint8_t { kLength, kChunked, kUntilClose };
  void begin(Framing framing, uint64_t length) {
    framing_ = framing;
    left_ = length;
    complete_ = framing == Framing::kLength && length == 0;
    held_ = 0;
    decoder_.reset();
  }

  Inbox& inbox_;
  ChunkedDecoder decoder_;
  uint64_t left_ = 0;
  size_t held_ = 0;  // inbox bytes behind the piece handed out last
  Framing framing_ = Framing::kLength;
  bool complete_ = true;
};

}  // namespace weir::http
