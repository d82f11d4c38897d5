#include "weir/telemetry/event_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "weir/base/crc32c.h"

namespace weir::telemetry {
namespace {

// A ring's memory, aligned as a mapped file is.
class Memory {
 public:
  explicit Memory(size_t slots) : words_((EventRing::kHeaderBytes + slots * EventRing::kSlotBytes) / 8) {}
  std::span<std::byte> bytes() { return std::as_writable_bytes(std::span(words_)); }
  std::byte* slot(size_t i) { return bytes().data() + EventRing::kHeaderBytes + i * EventRing::kSlotBytes; }

 private:
  std::vector<uint64_t> words_;
};

EventRing opened(Memory& memory) {
  auto ring = EventRing::open(memory.bytes());
  EXPECT_TRUE(ring) << ring.error().message;
  return std::move(*ring);
}

// An event that tells which one it is.
struct Numbered {
  explicit Numbered(uint64_t n) : id("req_" + std::to_string(n)) {
    event.event_class = EventClass::kUsage;
    event.input_tokens = static_cast<int64_t>(n);
    event.text(EventText::kRequestId) = id;
  }
  std::string id;
  Event event;
};

uint64_t add(EventRing& ring, uint64_t n) {
  EXPECT_TRUE(ring.reserve());
  uint64_t sequence = ring.append(Numbered(n).event);
  std::optional<Event> last = decode(ring.last());
  EXPECT_TRUE(last && last->input_tokens == static_cast<int64_t>(n));
  return sequence;
}

struct Read {
  std::vector<uint64_t> sequences;
  std::vector<int64_t> values;
  uint64_t next = 0, damaged = 0;
};

Read read(const EventRing& ring, uint64_t from, size_t events_max = SIZE_MAX / 2) {
  Read r;
  std::vector<std::byte> out;
  uint64_t events = 0;
  r.next = ring.read(from, events_max, out, events, r.damaged);
  for (size_t at = 0; at < out.size();) {
    uint16_t length;
    uint64_t sequence;
    std::memcpy(&length, &out[at], 2);
    std::memcpy(&sequence, &out[at + 2], 8);
    auto e = decode(std::span(out).subspan(at + 10, length));
    EXPECT_TRUE(e);
    if (!e) break;
    EXPECT_EQ(e->text(EventText::kRequestId), "req_" + std::to_string(e->input_tokens));
    r.sequences.push_back(sequence);
    r.values.push_back(e->input_tokens);
    at += 10u + length;
  }
  EXPECT_EQ(events, r.sequences.size());
  return r;
}

TEST(EventRing, NumbersBeginAtOneAndEventsComeBack) {
  Memory memory(8);
  EventRing ring = opened(memory);
  EXPECT_EQ(ring.slots(), 8u);
  EXPECT_EQ(ring.next(), 1u);
  EXPECT_EQ(ring.drained(), 1u);
  EXPECT_EQ(add(ring, 10), 1u);
  EXPECT_EQ(add(ring, 20), 2u);
  Read r = read(ring, 1);
  EXPECT_EQ(r.sequences, (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(r.values, (std::vector<int64_t>{10, 20}));
  EXPECT_EQ(r.next, 3u);
  EXPECT_EQ(read(ring, 1, 1).next, 2u);
  EXPECT_EQ(read(ring, 2).values, (std::vector<int64_t>{20}));
}

TEST(EventRing, RoomIsTakenBeforeAndNeverGivenTwice) {
  Memory memory(4);
  EventRing ring = opened(memory);
  for (int i = 0; i < 4; ++i)
    EXPECT_TRUE(ring.reserve());
  EXPECT_FALSE(ring.reserve());
  EXPECT_EQ(ring.free_places(), 0u);
  ring.release();
  EXPECT_EQ(ring.free_places(), 1u);
  EXPECT_TRUE(ring.reserve());
  for (uint64_t i = 0; i < 4; ++i)
    ring.append(Numbered(i).event);
  EXPECT_FALSE(ring.reserve());  // written, not drained
  ring.set_drained(3);
  EXPECT_EQ(ring.free_places(), 2u);
  EXPECT_EQ(read(ring, 3).values, (std::vector<int64_t>{2, 3}));
}

// Any order of reserve, release, append, read, drain and re-open, against a queue: many times around.
TEST(EventRing, BehavesAsAQueueOverManyTurnsAndReopenings) {
  uint32_t x = 7;
  auto random = [&](uint32_t n) { return ((x = x * 1664525 + 1013904223) >> 10) % n; };
  for (size_t slots : {1u, 2u, 7u, 16u}) {
    Memory memory(slots);
    std::optional<EventRing> ring = opened(memory);
    std::deque<uint64_t> held;  // values in the ring, by number from `first`
    uint64_t first = 1, value = 0;
    size_t reserved = 0;
    for (int step = 0; step < 4000; ++step) {
      switch (random(6)) {
        case 0:
        case 1: {
          bool room = held.size() + reserved < slots;
          ASSERT_EQ(ring->reserve(), room);
          reserved += room;
          break;
        }
        case 2:
          if (reserved == 0) break;
          --reserved;
          ring->release();
          break;
        case 3:
          if (reserved == 0) break;
          --reserved;
          held.push_back(++value);
          ASSERT_EQ(ring->append(Numbered(value).event), first + held.size() - 1);
          break;
        case 4: {
          Read r = read(*ring, first);
          ASSERT_EQ(r.damaged, 0u);
          ASSERT_TRUE(
              std::ranges::equal(r.values, held, {}, [](int64_t v) { return static_cast<uint64_t>(v); }));
          uint64_t n = random(static_cast<uint32_t>(held.size()) + 1);
          held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(n));
          first += n;
          ring->set_drained(first);
          break;
        }
        default:  // the process ended: reservations are gone, events are not
          ring.reset();
          ring.emplace(opened(memory));
          reserved = 0;
      }
      ASSERT_EQ(ring->free_places(), slots - held.size() - reserved);
      ASSERT_EQ(ring->next(), first + held.size());
      ASSERT_EQ(ring->drained(), first);
    }
    EXPECT_GT(first, 10 * slots);
  }
}

// An append is: number to zero, bytes, number. A copy of the memory taken anywhere in between holds the
// events before it and no other.
TEST(EventRing, ACopyAtAnyPointHoldsWhatWasAppended) {
  constexpr size_t kSlots = 3;
  Memory memory(kSlots);
  EventRing ring = opened(memory);
  for (uint64_t n = 1; n <= 8; ++n) {
    if (n > kSlots) ring.set_drained(n - kSlots + 1);
    size_t at = (n - 1) % kSlots;
    std::vector<std::byte> before(memory.slot(at), memory.slot(at) + EventRing::kSlotBytes);
    add(ring, n);
    std::vector<std::byte> after(memory.slot(at), memory.slot(at) + EventRing::kSlotBytes);
    for (size_t stored = 8; stored <= EventRing::kSlotBytes; ++stored) {
      Memory copy(kSlots);
      std::ranges::copy(memory.bytes(), copy.bytes().begin());
      std::memset(copy.slot(at), 0, 8);
      std::memcpy(copy.slot(at) + 8, after.data() + 8, stored - 8);
      std::memcpy(copy.slot(at) + stored, before.data() + stored, EventRing::kSlotBytes - stored);
      EventRing again = opened(copy);
      ASSERT_EQ(again.next(), n);
      Read r = read(again, again.drained());
      ASSERT_EQ(r.damaged, 0u);
      ASSERT_EQ(r.sequences.size(), n - again.drained());
      ASSERT_EQ(add(again, n), n);  // and it goes on where it stopped
    }
  }
}

// The same for the header: whatever part of it was stored, the ring opens.
TEST(EventRing, ACopyInTheMiddleOfFormattingIsFormattedAgain) {
  Memory whole(2);
  opened(whole);
  for (size_t stored = 8; stored <= 40; ++stored) {
    Memory copy(2);
    std::memcpy(copy.bytes().data() + 8, whole.bytes().data() + 8, stored - 8);
    EventRing ring = opened(copy);
    EXPECT_EQ(ring.next(), 1u);
    add(ring, 1);
    EXPECT_EQ(opened(copy).next(), 2u);
  }
}

// What an earlier weir left is still read.
TEST(EventRing, SlotsWithTheOlderCheckAreWhole) {
  Memory memory(4);
  EventRing ring = opened(memory);
  add(ring, 1);
  add(ring, 2);
  for (size_t i = 0; i < 2; ++i) {
    std::byte* slot = memory.slot(i);
    uint16_t length;
    std::memcpy(&length, slot + 12, sizeof length);
    std::array<uint64_t, 2> before{i + 1, length};
    uint32_t older = crc32c({slot + 24, length}, crc32c(std::as_bytes(std::span(before))));
    uint32_t now;
    std::memcpy(&now, slot + 8, sizeof now);
    ASSERT_NE(older, now);
    std::memcpy(slot + 8, &older, sizeof older);
  }
  EventRing again = opened(memory);
  EXPECT_EQ(again.next(), 3u);
  EXPECT_EQ(read(again, 1).damaged, 0u);
  memory.slot(1)[60] ^= std::byte{1};
  EXPECT_EQ(read(again, 1).damaged, 1u);
}

// What a power cut may leave: each sector as it was at some moment, or nothing, or torn.
TEST(EventRing, DamagedSlotsArePassedOverAndCounted) {
  constexpr size_t kSlots = 6;
  Memory memory(kSlots);
  EventRing ring = opened(memory);
  for (uint64_t n = 1; n <= kSlots; ++n)
    add(ring, n);

  Memory torn(kSlots);
  std::ranges::copy(memory.bytes(), torn.bytes().begin());
  std::memset(torn.slot(1), 0, EventRing::kSlotBytes);         // lost
  torn.slot(3)[60] ^= std::byte{1};                            // torn in the bytes
  torn.slot(5)[EventRing::kSlotBytes - 1] ^= std::byte{0xff};  // behind the event: whole
  EventRing again = opened(torn);
  EXPECT_EQ(again.next(), kSlots + 1);
  Read r = read(again, 1);
  EXPECT_EQ(r.values, (std::vector<int64_t>{1, 3, 5, 6}));
  EXPECT_EQ(r.damaged, 2u);
  EXPECT_EQ(r.next, kSlots + 1);
  EXPECT_FALSE(again.reserve());
  again.set_drained(r.next);
  EXPECT_EQ(add(again, 7), 7u);

  // The last one torn: somebody may know its number, so it is not given again.
  Memory last(kSlots);
  std::ranges::copy(memory.bytes(), last.bytes().begin());
  last.slot(5)[30] ^= std::byte{1};
  EXPECT_EQ(opened(last).next(), kSlots + 1);

  // A number that can not be: of another slot, or out of reach.
  for (uint64_t wild : {uint64_t{2}, uint64_t{1} << 60, (uint64_t{1} << 40) * 6 + 6}) {
    Memory odd(kSlots);
    std::ranges::copy(memory.bytes(), odd.bytes().begin());
    std::memcpy(odd.slot(5), &wild, 8);
    EXPECT_EQ(opened(odd).next(), kSlots) << wild;
  }
}

TEST(EventRing, AnyOneDamagedByteCostsAtMostItsOwnEvent) {
  constexpr size_t kSlots = 4;
  Memory memory(kSlots);
  EventRing ring = opened(memory);
  for (uint64_t n = 1; n <= 6; ++n) {
    if (n > kSlots) ring.set_drained(n - kSlots + 1);
    add(ring, n);
  }
  for (size_t at = EventRing::kHeaderBytes; at < memory.bytes().size(); ++at) {
    Memory copy(kSlots);
    std::ranges::copy(memory.bytes(), copy.bytes().begin());
    copy.bytes()[at] ^= std::byte{0x10};
    EventRing again = opened(copy);
    Read r = read(again, again.drained());
    size_t slot = (at - EventRing::kHeaderBytes) / EventRing::kSlotBytes;
    for (size_t i = 0; i < r.values.size(); ++i)
      EXPECT_EQ(r.sequences[i], static_cast<uint64_t>(r.values[i]));
    EXPECT_GE(r.values.size(), 3u) << at;
    for (uint64_t n = 3; n <= 6; ++n)
      if ((n - 1) % kSlots != slot)
        EXPECT_TRUE(std::ranges::find(r.sequences, n) != r.sequences.end()) << at << " " << n;
  }
}

// The drained position is written by the drainer and may be older on the device than the slots.
TEST(EventRing, AnOldDrainedPositionIsCorrected) {
  Memory memory(4);
  EventRing ring = opened(memory);
  std::vector<std::byte> header(memory.bytes().begin(), memory.bytes().begin() + EventRing::kHeaderBytes);
  for (uint64_t n = 1; n <= 10; ++n) {
    if (n > 4) ring.set_drained(n - 3);
    add(ring, n);
  }
  std::ranges::copy(header, memory.bytes().begin());
  EventRing again = opened(memory);
  EXPECT_EQ(again.next(), 11u);
  EXPECT_EQ(again.drained(), 7u);
  EXPECT_EQ(read(again, 7).values, (std::vector<int64_t>{7, 8, 9, 10}));
}

// Torn anywhere between two positions, or garbage: never more than was drained, so that nothing is lost.
TEST(EventRing, ADamagedDrainedPositionIsNotBelieved) {
  constexpr size_t kAt = 512, kBytes = 16;
  for (uint64_t first : {0x02, 0xff, 0x100, 0x1fe}) {
    Memory before(8);
    EventRing ring = opened(before);
    ring.resume_at(first);
    Memory after = before;
    for (uint64_t n = 0; n < 8; ++n)
      add(ring, n);
    std::ranges::copy(before.bytes().subspan(EventRing::kHeaderBytes),
                      after.bytes().begin() + EventRing::kHeaderBytes);
    opened(after).set_drained(first + 3);
    for (size_t cut = 0; cut <= kBytes; ++cut)
      for (bool front_new : {false, true}) {
        Memory torn = front_new ? before : after;
        std::ranges::copy((front_new ? after : before).bytes().subspan(kAt, cut), torn.bytes().begin() + kAt);
        EventRing left = opened(torn);
        ASSERT_LE(left.drained(), first + 3) << "cut at " << cut;
        ASSERT_EQ(left.next(), first + 8);
        ASSERT_EQ(read(left, std::max(left.drained(), first + 3)).values,
                  (std::vector<int64_t>{3, 4, 5, 6, 7}));
      }
    for (size_t at = 0; at < kBytes; ++at) {
      Memory garbled = after;
      garbled.bytes()[kAt + at] ^= std::byte{0x5A};
      ASSERT_LE(opened(garbled).drained(), first + 3);
    }
  }
}

TEST(EventRing, GoesOnWhereTheStoreIs) {
  Memory memory(4);
  EventRing ring = opened(memory);
  add(ring, 1);
  ring.resume_at(1);
  EXPECT_EQ(ring.next(), 2u);
  EXPECT_EQ(ring.drained(), 1u);
  ring.resume_at(20);
  EXPECT_EQ(ring.next(), 20u);
  EXPECT_EQ(ring.drained(), 20u);
  EXPECT_EQ(ring.free_places(), 4u);
  EXPECT_EQ(add(ring, 5), 20u);
  EXPECT_EQ(opened(memory).next(), 21u);
  EXPECT_EQ(read(opened(memory), 20).values, (std::vector<int64_t>{5}));
}

TEST(EventRing, RefusesWhatIsNoRing) {
  Memory small(0);
  EXPECT_FALSE(EventRing::open(small.bytes()));
  Memory memory(4);
  {
    EventRing ring = opened(memory);
    add(ring, 1);
  }
  std::vector<std::byte> good(memory.bytes().begin(), memory.bytes().end());
  for (size_t at : {0u, 8u, 12u, 16u, 24u}) {  // mark, version, slot size, slots, checksum
    std::ranges::copy(good, memory.bytes().begin());
    memory.bytes()[at] ^= std::byte{1};
    std::vector<std::byte> before(memory.bytes().begin(), memory.bytes().end());
    EXPECT_FALSE(EventRing::open(memory.bytes())) << at;
    EXPECT_TRUE(std::ranges::equal(before, memory.bytes()));  // and is left as it was
  }
  std::ranges::copy(good, memory.bytes().begin());
  std::memset(memory.bytes().data(), 0, EventRing::kHeaderBytes);
  EXPECT_FALSE(EventRing::open(memory.bytes()));  // events, and no header
  Memory larger(5);
  std::ranges::copy(good, larger.bytes().begin());
  EXPECT_FALSE(EventRing::open(larger.bytes()));
}

// What GroupSync does, and what the next start finds after a power cut.
void save(const EventRing& ring, Memory& copy, uint64_t from, uint64_t to) {
  while (from < to) {
    EventRing::Run run = ring.run(from, to);
    std::ranges::copy(run.bytes, copy.bytes().begin() + static_cast<ptrdiff_t>(run.at));
    from += run.events;
  }
}

TEST(EventRing, PutsBackWhatItsMemoryLost) {
  Memory memory(4), copy(4);
  {
    EventRing ring = opened(memory);
    opened(copy);
    for (int64_t n = 1; n <= 6; ++n) {
      if (n == 4) ring.set_drained(4);
      add(ring, n);
    }
    save(ring, copy, 4, 7);  // over the end and on from the begin
    add(ring, 7);            // was not saved
  }
  std::memset(memory.slot(3), 0, EventRing::kSlotBytes);  // 4 is lost
  std::memset(memory.slot(0) + 40, 9, 100);               // 5 is torn
  EventRing ring = opened(memory);
  ring.restore(opened(copy));
  EXPECT_EQ(ring.next(), 8u);
  EXPECT_EQ(ring.drained(), 4u);
  Read r = read(ring, 4, 10);
  EXPECT_EQ(r.damaged, 0u);
  EXPECT_EQ(r.sequences, (std::vector<uint64_t>{4, 5, 6, 7}));
  EXPECT_EQ(r.values, (std::vector<int64_t>{4, 5, 6, 7}));
}

TEST(EventRing, PutsBackAllOfIt) {
  Memory memory(4), copy(4);
  EventRing whole = opened(copy);
  for (int64_t n = 1; n <= 6; ++n) {
    if (n == 4) whole.set_drained(4);
    add(whole, n);
  }
  EventRing ring = opened(memory);
  ring.restore(opened(copy));
  EXPECT_EQ(ring.next(), 7u);
  EXPECT_EQ(ring.drained(), 3u) << "as low as its slots allow";
  ring.resume_at(5);
  EXPECT_EQ(read(ring, 5, 10).values, (std::vector<int64_t>{5, 6}));
}

// One thread appends, one drains: nothing is lost, doubled or torn. The thread sanitizer watches.
TEST(EventRing, AnAppendWhileAReaderReads) {
  constexpr uint64_t kEvents = 20'000;
  Memory memory(16);
  EventRing ring = opened(memory);
  std::thread drainer([&] {
    uint64_t expected = 1;
    while (expected <= kEvents) {
      Read r = read(ring, expected, 5);
      ASSERT_EQ(r.damaged, 0u);
      for (size_t i = 0; i < r.sequences.size(); ++i, ++expected) {
        ASSERT_EQ(r.sequences[i], expected);
        ASSERT_EQ(r.values[i], static_cast<int64_t>(expected));
      }
      ring.set_drained(expected);
      if (r.sequences.empty()) std::this_thread::yield();
    }
  });
  for (uint64_t n = 1; n <= kEvents;) {
    if (!ring.reserve()) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(ring.append(Numbered(n).event), n);
    ++n;
  }
  drainer.join();
  EXPECT_EQ(ring.free_places(), 16u);
}

}  // namespace
}  // namespace weir::telemetry
