// Layout. The header page: mark, version, slot size, slots and their CRC in its first sector; the drained
// position alone in its second, so that no torn write can take both, with a check beside it: a torn position
// that reads too high would pass over events that nobody stored. Slots follow, each one sector: sequence
// number, check (over sequence number, length and bytes), length, bytes.
//
// A slot that is used again first loses its number, then gets its bytes, then its new number: at every store
// in between it is seen as empty, so the memory may be copied (a process may die) at any point.
#include "weir/telemetry/event_ring.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "weir/base/assert.h"
#include "weir/base/crc32c.h"
#include "weir/base/mutation.h"

namespace weir::telemetry {
namespace {

constexpr uint64_t kMark = 0x676e697272696577;  // "weirring"
constexpr uint32_t kVersion = 1;
constexpr size_t kDrainedAt = 512, kDrainedCheckAt = kDrainedAt + 8;
// The check is the position times an odd number: one to one, and zeros are right.
constexpr uint64_t kDrainedCheck = 0x9e3779b97f4a7c15;

struct Header {
  uint64_t mark;
  uint32_t version;
  uint32_t slot_bytes;
  uint64_t slots;
  uint32_t crc;  // of what stands before it
};
constexpr size_t kHeaderChecked = offsetof(Header, crc);

// A slot's parts after its sequence number.
constexpr size_t kPrefetchedBytes = 320;  // as long as events usually are
constexpr size_t kCheckAt = 8, kLengthAt = 12, kBytesAt = 24;
static_assert(kBytesAt + kEventBytesMax == EventRing::kSlotBytes);

std::atomic_ref<uint64_t> number_at(std::byte* at) {
  return std::atomic_ref<uint64_t>(*reinterpret_cast<uint64_t*>(at));
}

uint32_t header_crc(const Header& header) {
  return crc32c(std::as_bytes(std::span(&header, 1)).first(kHeaderChecked));
}

uint32_t slot_check(const std::byte* slot, uint64_t sequence, uint16_t length) {
  return check_by_four({slot + kBytesAt, length}, sequence ^ uint64_t{length} << 48);
}

// The check of slots that a weir before 0.2 wrote: one CRC after the other, a third of an append's time.
uint32_t older_check(const std::byte* slot, uint64_t sequence, uint16_t length) {
  std::array<uint64_t, 2> before{sequence, length};
  return crc32c({slot + kBytesAt, length}, crc32c(std::as_bytes(std::span(before))));
}

// The bytes of the event `sequence` in this slot, if they are whole.
std::span<const std::byte> whole(const std::byte* slot, uint64_t sequence) {
  uint32_t check;
  uint16_t length;
  std::memcpy(&check, slot + kCheckAt, sizeof check);
  std::memcpy(&length, slot + kLengthAt, sizeof length);
  if (length == 0 || length > kEventBytesMax) return {};
  if (slot_check(slot, sequence, length) != check && older_check(slot, sequence, length) != check) return {};
  return {slot + kBytesAt, length};
}

bool all_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

Result<EventRing> EventRing::open(std::span<std::byte> memory) {
  WEIR_ASSERT(reinterpret_cast<uintptr_t>(memory.data()) % alignof(uint64_t) == 0);
  if (memory.size() < kHeaderBytes + kSlotBytes)
    return fail_internal(ErrorCode::kIo, "too small for an event ring");
  uint64_t slots = (memory.size() - kHeaderBytes) / kSlotBytes;
  auto mark = number_at(memory.data());
  Header header;
  if (mark.load(std::memory_order_acquire) == 0) {
    // The first event lies in the first slot, so with that empty no slot was ever used. Reading them all
    // would bring the whole ring into memory.
    if (!all_zero(memory.subspan(kDrainedAt, kHeaderBytes - kDrainedAt + kSlotBytes)))
      return fail_internal(ErrorCode::kIo, "an event ring without its header");
    header = {kMark, kVersion, kSlotBytes, slots, 0};
    header.crc = header_crc(header);
    std::memcpy(memory.data() + sizeof mark, &header.version, sizeof header - sizeof mark);
    mark.store(kMark, std::memory_order_release);  // last: until then it is a ring to be formatted
    return EventRing(memory);
  }
  std::memcpy(&header, memory.data(), sizeof header);
  if (header.mark != kMark) return fail_internal(ErrorCode::kIo, "not an event ring");
  if (header.crc != header_crc(header))
    return fail_internal(ErrorCode::kIo, "the header of the event ring is damaged");
  if (header.version != kVersion || header.slot_bytes != kSlotBytes)
    return fail_internal(ErrorCode::kIo, "an event ring of another version");
  if (header.slots != slots) return fail_internal(ErrorCode::kIo, "an event ring of another size");
  EventRing ring(memory);
  ring.recover();
  return ring;
}

EventRing::EventRing(std::span<std::byte> memory)
    : memory_(memory), slots_((memory.size() - kHeaderBytes) / kSlotBytes) {
  set_next(1);
}

EventRing::EventRing(EventRing&& other) noexcept
    : memory_(other.memory_),
      slots_(other.slots_),
      reserved_(other.reserved_),
      coming_(other.coming_),
      last_(other.last_),
      next_(other.next_.load(std::memory_order_relaxed)) {}

std::byte* EventRing::slot(uint64_t sequence) const {
  return memory_.data() + kHeaderBytes + (sequence - 1) % slots_ * kSlotBytes;
}

void EventRing::set_next(uint64_t sequence) {
  coming_ = slot(sequence);
  next_.store(sequence, std::memory_order_release);
}

// The next number stands after every number seen. A slot that a power cut damaged counts too when its number
// is believable: somebody may know it.
void EventRing::recover() {
  auto number_in = [&](size_t i) {  // 0: none that can stand there
    uint64_t n = number_at(memory_.data() + kHeaderBytes + i * kSlotBytes).load(std::memory_order_acquire);
    return n != 0 && (n - 1) % slots_ == i ? n : 0;
  };
  uint64_t position = number_at(memory_.data() + kDrainedAt).load(std::memory_order_acquire);
  uint64_t check = number_at(memory_.data() + kDrainedCheckAt).load(std::memory_order_acquire);
  // A damaged position: as low as the slots allow, below; the store knows what it has.
  if (check != position * kDrainedCheck) set_drained(1);
  uint64_t next = drained();
  for (size_t i = 0; i < slots_; ++i)
    if (uint64_t n = number_in(i); n >= next && !whole(slot(n), n).empty()) next = n + 1;
  uint64_t believable = next + slots_;
  for (size_t i = 0; i < slots_; ++i)
    if (uint64_t n = number_in(i); n >= next && n < believable) next = n + 1;
  set_next(next);
  // The position may be older than the slots: what was written over was drained.
  if (next > slots_ && drained() < next - slots_) set_drained(next - slots_);
}

size_t EventRing::slots() const {
  return slots_;
}

void EventRing::resume_at(uint64_t sequence) {
  WEIR_ASSERT(reserved_ == 0);
  if (sequence > drained()) set_drained(sequence);
  if (sequence > next()) set_next(sequence);
}

void EventRing::restore(const EventRing& saved) {
  WEIR_ASSERT(reserved_ == 0 && saved.slots_ == slots_);
  uint64_t next = std::max(this->next(), saved.next());
  if (next > slots_ && drained() < next - slots_) set_drained(next - slots_);
  for (uint64_t sequence = drained(); sequence < next; ++sequence) {
    auto holds = [sequence](const std::byte* at) {
      return number_at(const_cast<std::byte*>(at)).load(std::memory_order_acquire) == sequence &&
             !whole(at, sequence).empty();
    };
    if (!holds(slot(sequence)) && holds(saved.slot(sequence)))
      std::memcpy(slot(sequence), saved.slot(sequence), kSlotBytes);
  }
  set_next(next);
}

bool EventRing::reserve() {
  if (free_places() == 0) return false;
  ++reserved_;
  return true;
}

void EventRing::release() {
  WEIR_ASSERT(reserved_ > 0);
  --reserved_;
}

uint64_t EventRing::append(const Event& event) {
  WEIR_ASSERT(reserved_ > 0);
  --reserved_;
  uint64_t sequence = next_.load(std::memory_order_relaxed);
  std::byte* at = coming_;
  auto number = number_at(at);
  number.store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  auto length = static_cast<uint16_t>(encode(event, {at + kBytesAt, kEventBytesMax}));
  uint32_t check = slot_check(at, sequence, length);
  std::memcpy(at + kCheckAt, &check, sizeof check);
  std::memcpy(at + kLengthAt, &length, sizeof length);
  number.store(sequence, std::memory_order_release);
  next_.store(sequence + 1, std::memory_order_release);
  last_ = at;
  coming_ = at + kSlotBytes;
  if (coming_ == memory_.data() + kHeaderBytes + slots_ * kSlotBytes) coming_ = memory_.data() + kHeaderBytes;
  // It was last used a whole ring ago.
  for (size_t line = 0; line < kPrefetchedBytes; line += 64)
    __builtin_prefetch(coming_ + line, 1);
  return sequence;
}

std::span<const std::byte> EventRing::last() const {
  uint16_t length;
  std::memcpy(&length, last_ + kLengthAt, sizeof length);
  return {last_ + kBytesAt, length};
}

size_t EventRing::free_places() const {
  uint64_t used = WEIR_MUTATE(kRingReuse) ? 0 : next_.load(std::memory_order_relaxed) - drained();
  return slots_ - std::min<uint64_t>(slots_, used + reserved_);
}

EventRing::Run EventRing::run(uint64_t from, uint64_t to) const {
  WEIR_ASSERT(from < to);
  uint64_t index = (from - 1) % slots_;
  size_t events = std::min<uint64_t>(to - from, slots_ - index);
  size_t at = kHeaderBytes + index * kSlotBytes;
  return {at, events, memory_.subspan(at, events * kSlotBytes)};
}

uint64_t EventRing::next() const {
  return next_.load(std::memory_order_acquire);
}

uint64_t EventRing::drained() const {
  // Stored as the number of events drained: zeros are a ring from which none is.
  return number_at(memory_.data() + kDrainedAt).load(std::memory_order_acquire) + 1;
}

void EventRing::set_drained(uint64_t sequence) {
  number_at(memory_.data() + kDrainedAt).store(sequence - 1, std::memory_order_release);
  number_at(memory_.data() + kDrainedCheckAt)
      .store((sequence - 1) * kDrainedCheck, std::memory_order_release);
}

uint64_t EventRing::read(uint64_t from, size_t events_max, std::vector<std::byte>& out, uint64_t& events,
                         uint64_t& damaged) const {
  WEIR_ASSERT(from >= drained());
  constexpr size_t kHeadBytes = sizeof(uint16_t) + sizeof(uint64_t);
  std::array<std::byte, kHeadBytes + kEventBytesMax> piece;
  uint64_t end = std::min(next(), from + events_max);
  for (; from < end; ++from) {
    std::byte* at = slot(from);
    std::span<const std::byte> bytes;
    if (number_at(at).load(std::memory_order_acquire) == from) bytes = whole(at, from);
    if (bytes.empty()) {
      ++damaged;
      continue;
    }
    auto length = static_cast<uint16_t>(bytes.size());
    std::memcpy(piece.data(), &length, sizeof length);
    std::memcpy(piece.data() + sizeof length, &from, sizeof from);
    std::memcpy(piece.data() + kHeadBytes, bytes.data(), length);
    out.insert(out.end(), piece.data(), piece.data() + kHeadBytes + length);
    ++events;
  }
  return from;
}

}  // namespace weir::telemetry
