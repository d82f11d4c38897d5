// For tests of the durable record: a mapped file in memory whose writes can be held and made to fail.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <span>
#include <vector>

#include "weir/io/disk.h"
#include "weir/telemetry/event_ring.h"

namespace weir::pipeline::testing {

class TestFile final : public io::MappedFile {
 public:
  explicit TestFile(size_t slots)
      : words_((telemetry::EventRing::kHeaderBytes + slots * telemetry::EventRing::kSlotBytes) / 8) {}
  std::span<std::byte> bytes() override { return std::as_writable_bytes(std::span(words_)); }
  Result<void> sync() override { return {}; }
  Result<void> write(size_t at, std::span<const std::byte> from) override {
    std::ranges::copy(from, bytes().begin() + static_cast<ptrdiff_t>(at));
    ++syncs;
    syncs.notify_all();
    held.wait(true);
    if (fails) return fail_internal(ErrorCode::kIo, "input/output error");
    return {};
  }
  void prepare(std::span<const std::byte> part) override { prepared = part; }
  void hold() { held = true; }
  void let_go() {
    held = false;
    held.notify_all();
  }

  std::span<const std::byte> prepared;  // last
  std::atomic<int> syncs{0};            // begun
  std::atomic<bool> held{false};
  std::atomic<bool> fails{false};

 private:
  std::vector<uint64_t> words_;
};

}  // namespace weir::pipeline::testing
