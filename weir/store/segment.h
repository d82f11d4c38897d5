// A segment: encoded events (telemetry/event.h) one after the other, as EventRing::read() gives them and as
// they are stored: uint16 length of the event's bytes, uint64 sequence number, the bytes; little endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace weir::store {

struct SegmentEvent {
  uint64_t sequence = 0;
  std::span<const std::byte> bytes;  // telemetry::decode() reads them; they lie in the segment
};

/// Walks a segment's events in order.
class SegmentReader {
 public:
  static constexpr size_t kHeadBytes = sizeof(uint16_t) + sizeof(uint64_t);

  explicit SegmentReader(std::span<const std::byte> segment) : rest_(segment) {}

  /// nullopt: the end, or bytes that are no segment (then broken()).
  std::optional<SegmentEvent> next() {
    if (rest_.empty()) return std::nullopt;
    uint16_t length = 0;
    SegmentEvent event;
    if (rest_.size() >= kHeadBytes) {
      std::memcpy(&length, rest_.data(), sizeof length);
      std::memcpy(&event.sequence, rest_.data() + sizeof length, sizeof event.sequence);
    }
    if (rest_.size() < kHeadBytes + length) {
      broken_ = true;
      return std::nullopt;
    }
    event.bytes = rest_.subspan(kHeadBytes, length);
    rest_ = rest_.subspan(kHeadBytes + length);
    return event;
  }
  bool broken() const { return broken_; }
  /// What was not walked yet.
  std::span<const std::byte> rest() const { return rest_; }

 private:
  std::span<const std::byte> rest_;
  bool broken_ = false;
};

}  // namespace weir::store
