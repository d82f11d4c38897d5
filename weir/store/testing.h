// For tests of stores: batches with bytes that tell whose they are.
#pragma once

#include <fmt/format.h>

#include <cstring>
#include <string>
#include <vector>

#include "weir/store/event_store.h"
#include "weir/store/segment.h"

namespace weir::store {

inline void append_event(std::vector<std::byte>& segment, uint64_t sequence,
                         std::span<const std::byte> bytes) {
  auto length = static_cast<uint16_t>(bytes.size());
  size_t at = segment.size();
  segment.resize(at + SegmentReader::kHeadBytes + bytes.size());
  std::memcpy(segment.data() + at, &length, sizeof length);
  std::memcpy(segment.data() + at + sizeof length, &sequence, sizeof sequence);
  std::memcpy(segment.data() + at + SegmentReader::kHeadBytes, bytes.data(), bytes.size());
}

/// Events [first, next) of a ring, one second apart, each "<ring>/<sequence>" filled up to `event_bytes`.
struct TestBatch {
  TestBatch(std::string ring, uint64_t first, uint64_t next, size_t event_bytes = 40) {
    batch.ring = std::move(ring);
    batch.first = first;
    batch.next = next;
    batch.events = next - first;
    batch.time_min_unix_ns = static_cast<int64_t>(first) * 1'000'000'000;
    batch.time_max_unix_ns = static_cast<int64_t>(next - 1) * 1'000'000'000;
    for (uint64_t s = first; s < next; ++s) {
      std::string text = fmt::format("{}/{}", batch.ring, s);
      text.resize(std::max(event_bytes, text.size()), '.');
      append_event(bytes, s, std::as_bytes(std::span(text)));
    }
    batch.bytes = bytes;
  }
  TestBatch(const TestBatch&) = delete;  // batch.bytes points into bytes
  std::vector<std::byte> bytes;
  EventBatch batch;
};

}  // namespace weir::store
