// Frames of a stream: server-sent events, or lines of JSON (Ollama). One shape for both, so that a relay
// reads any dialect with one loop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weir/wire/sse.h"

namespace weir::wire {

enum class Framing : uint8_t { kSse, kNdjson };

using StreamFrame = SseEvent;

/// Cuts a byte stream into lines (LF or CRLF); the same contract as SseFramer. Each line that is not blank is
/// a frame whose data is the line; the last one may lack its line end: finish() hands it out.
class LineFramer {
 public:
  explicit LineFramer(size_t line_bytes_max = size_t{1} << 20) : line_bytes_max_(line_bytes_max) {}

  /// Requires: next() returned nothing since the last feed. `bytes` is borrowed until next() returns nothing.
  void feed(std::string_view bytes);
  /// The next whole line; valid until the next call of next(), feed() or finish().
  std::optional<StreamFrame> next();
  /// What is left when the stream is over, if it is not blank.
  std::optional<StreamFrame> finish();
  bool overflow() const { return overflow_; }
  size_t pending_bytes() const { return carry_.size(); }

 private:
  size_t line_bytes_max_;
  std::string_view input_;
  std::string carry_;
  bool emitted_ = false;  // carry_ is the line handed out last
  bool overflow_ = false;
};

}  // namespace weir::wire
