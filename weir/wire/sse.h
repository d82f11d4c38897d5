// SseFramer: cuts a byte stream into server-sent events after the WHATWG algorithm (lines end in LF, CR or
// CRLF; a blank line dispatches). It keeps the exact bytes beside the meaning, so that a relay can forward
// what the model server wrote: all `raw` in order are all bytes fed, less the unfinished tail and a leading
// BOM. One stream, one thread. The result never depends on how the stream was cut into feeds (one documented
// exception of `raw` alone: a LF that arrives in a later feed than the CR CR it belongs to).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weir::wire {

struct SseEvent {
  std::string_view raw;    // every byte of the block, its blank line included; comment-only blocks too
  std::string_view event;  // the event's type; "" = message
  std::string_view data;   // the data lines joined by LF
  bool has_data = false;   // false: comments or other fields only, nothing to dispatch
};

class SseFramer {
 public:
  /// `event_bytes_max` bounds one block, and with it the memory held for an unfinished one.
  explicit SseFramer(size_t event_bytes_max = size_t{1} << 20) : event_bytes_max_(event_bytes_max) {}

  /// Requires: next() returned nothing since the last feed. `bytes` is borrowed until next() returns nothing;
  /// only an unfinished tail is copied.
  void feed(std::string_view bytes);

  /// The next whole block; its views are valid until the next call of next() or feed().
  std::optional<SseEvent> next();

  /// A block grew past the limit: the stream is broken, nothing more comes out.
  bool overflow() const { return overflow_; }

  /// Bytes of an unfinished block held back.
  size_t pending_bytes() const;

 private:
  size_t event_bytes_max_;
  bool overflow_ = false;
};

}  // namespace weir::wire
