// SseFramer: cuts a byte stream into server-sent events after the WHATWG algorithm (lines end in LF, CR or
// CRLF; a blank line ends an event). It keeps the exact bytes beside the meaning, so that a relay can forward
// what the model server wrote: all `raw` in order are all bytes fed, less the unfinished tail and a leading
// BOM. Neither the events nor where one `raw` ends and the next begins depend on how the stream was cut into
// feeds. One stream, one thread.
//
// Where a blank line that is a CR ends: if the line before it ended in CRLF, the CR waits for its LF (they
// come together unless a packet ends between them); otherwise the event ends at the CR, at once, and a LF
// right after it is the first byte of the next `raw`, where it means nothing. So no stream with one kind of
// line ending ever waits.
#pragma once

#include <cstddef>
#include <cstdint>
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
  enum class LineEnd : uint8_t { kLf, kCr, kCrLf };

  /// A piece of the block under way, as an offset: the block may move into the carry buffer.
  struct Piece {
    size_t at = 0;
    size_t size = 0;
  };

  bool skip_bom();
  void line(std::string_view block, size_t begin, size_t end);
  std::string_view block();
  std::optional<SseEvent> emit();
  void begin_block();
  void hold_tail();
  bool too_long() const { return carry_.size() + (at_ - begin_) > event_bytes_max_; }

  size_t event_bytes_max_;
  std::string_view input_;  // of feed(); [0, begin_) is done, [begin_, at_) belongs to the block under way
  size_t begin_ = 0;
  size_t at_ = 0;
  std::string carry_;  // the block's bytes from earlier feeds
  std::string joined_;
  size_t line_begin_ = 0;  // of the line under way, in the block
  Piece event_;
  Piece data_;
  size_t data_lines_ = 0;
  LineEnd last_end_ = LineEnd::kLf;
  bool after_cr_ = false;    // the last byte was a CR that ended a line: a LF now belongs to it
  bool closing_cr_ = false;  // the blank line's CR is here and its LF is expected
  bool emitted_ = false;     // the state is that of the event handed out last
  bool overflow_ = false;
  uint8_t bom_ = 0;  // bytes of the BOM seen; 3: past the stream's start
};

}  // namespace weir::wire
