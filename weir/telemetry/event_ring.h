// EventRing: the events of one core in a block of memory that outlives the process (a mapped file): a header
// page and slots of 512 bytes. One loop appends, one drainer reads; neither waits for the other and there is
// no lock. A slot holds sequence number, length, a check and the event's bytes; the sequence number is stored
// last (release), so a slot is whole or it is not there, also after kill -9. After a power cut each slot is
// judged by its own check.
//
// Room is taken before work begins: a request reserves a place when it enters and fills it when it ends, so a
// request that was let in can always be written down; what happens when there is none is the caller's
// decision. Sequence numbers start at 1, grow by one each event of this ring, and are never used again, also
// over restarts.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "weir/base/result.h"
#include "weir/telemetry/event.h"

namespace weir::telemetry {

class EventRing {
 public:
  static constexpr size_t kSlotBytes = 512;
  static constexpr size_t kHeaderBytes = 4096;

  /// Takes up the ring that is in `memory`, or formats it when it is all zeros; then what was written must be
  /// on the device before the first append (a power cut that kept slots without their header would lose
  /// them). `memory` outlives the ring and is 8-byte aligned. Errors: kIo, when it is neither (another
  /// version, damage): nothing is written then.
  static Result<EventRing> open(std::span<std::byte> memory);
  EventRing(EventRing&&) noexcept;

  size_t slots() const;

  /// Goes on at `sequence` where the store knows more of this ring than its memory does: everything before it
  /// is stored, and no number may be used twice. After a power cut the file may be older than the store's
  /// position, and a file that was removed begins at 1 again; without this their events would pass for stored
  /// ones. Requires: before the first reserve() and read(). Ensures: drained() >= sequence, next() >=
  /// sequence.
  void resume_at(uint64_t sequence);

  /// Puts back what this memory has lost or holds torn and `saved` has: another ring's memory, into which
  /// run()s of this one were copied. Requires: the same number of slots; as resume_at(). Ensures: next() >=
  /// saved.next().
  void restore(const EventRing& saved);

  // The loop's side.

  /// Takes a place for one event; false when none is free.
  bool reserve();
  /// Gives back a place that was not used.
  void release();
  /// Requires: a reserved place, which is used up. The event's sequence number. About 50 ns.
  uint64_t append(const Event& event);
  /// The bytes of the event that append() wrote last, until its next call. Requires: there was one.
  std::span<const std::byte> last() const;
  /// Places that reserve() would still give.
  size_t free_places() const;

  // Any thread.

  /// Every event before this number is in the ring (or has left it).
  uint64_t next() const;
  /// Every event before this number is in the store; its slot may be used again.
  uint64_t drained() const;

  /// The memory of the slots [from, to) as far as they lie together: a whole number of slots, at least one.
  /// They stand in the same place of a copy of this ring. An event that is drained meanwhile may be seen torn
  /// there. Requires: from < to <= next().
  struct Run {
    size_t at;  // in the memory
    size_t events;
    std::span<const std::byte> bytes;
  };
  Run run(uint64_t from, uint64_t to) const;

  // The drainer's side.

  /// Appends to `out` the encoded events [from, next()), at most `events_max`, each as: uint16 length (of
  /// the bytes alone), uint64 sequence, bytes; little endian, unaligned. Answers the number after the last
  /// one read. Slots that a power cut destroyed are passed over and counted. Requires: drained() <= from <=
  /// next().
  uint64_t read(uint64_t from, size_t events_max, std::vector<std::byte>& out, uint64_t& events,
                uint64_t& damaged) const;
  /// Frees the slots before `sequence`. Only after the store has them, committed.
  void set_drained(uint64_t sequence);

 private:
  explicit EventRing(std::span<std::byte> memory);
  std::byte* slot(uint64_t sequence) const;
  void set_next(uint64_t sequence);
  void recover();
  std::span<std::byte> memory_;
  size_t slots_ = 0;
  size_t reserved_ = 0;
  std::byte* coming_ = nullptr;  // the slot of next(): a division takes as long as all of its check
  const std::byte* last_ = nullptr;
  std::atomic<uint64_t> next_{1};  // stored by the loop, after the slot
};

}  // namespace weir::telemetry
