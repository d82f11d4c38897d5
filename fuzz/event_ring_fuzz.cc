// The event ring through crashes: the input is a list of what happens to it (events, syncs, draining, kill
// -9, power cuts whose every sector is kept, lost, torn or garbled as the input says). Whatever happens: an
// event that was synced and is not in the store is read back as it was; nothing is read that was never
// written; no number is used twice; after a kill, which loses nothing, all of it is there.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "fuzz/pieces.h"
#include "weir/telemetry/event_ring.h"

namespace {

using weir::fuzz::check;
using weir::telemetry::Event;
using weir::telemetry::EventRing;

constexpr size_t kSlots = 6, kSector = 512;
constexpr size_t kBytes = EventRing::kHeaderBytes + kSlots * EventRing::kSlotBytes;

struct Written {
  int64_t id = 0;
  bool synced = false;
};

class World {
 public:
  explicit World(std::string_view input) : input_(input) {
    alignas(8) static std::byte memory[kBytes], platter[kBytes];
    std::ranges::fill(memory, std::byte{0});
    memory_ = memory;
    platter_ = platter;
    open();
    sync();  // the header, before the first event
  }

  void run() {
    while (!over()) {
      switch (next() % 8) {
        case 0:
        case 1:
        case 2:
          append();
          break;
        case 3:
          sync();
          break;
        case 4:
          drain();
          break;
        case 5:
          ring_->set_drained(position_);
          break;
        case 6:
          open();
          break;
        case 7:
          power_cut();
          break;
      }
    }
  }

 private:
  bool over() const { return at_ >= input_.size(); }
  uint8_t next() { return over() ? 0 : static_cast<uint8_t>(input_[at_++]); }

  // As the drainer does at a start: what the store knows goes before what the ring says.
  void open() {
    auto opened = EventRing::open(std::span(memory_, kBytes));
    check(opened.has_value());
    ring_.emplace(std::move(*opened));
    check(ring_->drained() <= position_);  // else what is in between would be lost
    ring_->resume_at(position_);
    check(ring_->next() >= position_);
    if (!written_.empty()) check(ring_->next() > written_.rbegin()->first);
    std::map<uint64_t, int64_t> found = read(position_, kSlots + 1);
    for (const auto& [sequence, event] : written_)
      check(found.contains(sequence) && found[sequence] == event.id);
    check(found.size() == written_.size());
  }

  std::map<uint64_t, int64_t> read(uint64_t from, size_t events_max) {
    static std::vector<std::byte> out;
    out.clear();
    uint64_t events = 0, damaged = 0;
    uint64_t end = ring_->read(from, events_max, out, events, damaged);
    check(end <= ring_->next() && end - from == events + damaged);
    std::map<uint64_t, int64_t> found;
    for (std::span<const std::byte> left = out; !left.empty();) {
      uint16_t length;
      uint64_t sequence;
      std::memcpy(&length, left.data(), sizeof length);
      std::memcpy(&sequence, left.data() + sizeof length, sizeof sequence);
      left = left.subspan(sizeof length + sizeof sequence);
      std::optional<Event> event = weir::telemetry::decode(left.first(length));
      check(event.has_value());
      check(found.emplace(sequence, event->received_unix_ns).second);
      left = left.subspan(length);
    }
    check(found.size() == events);
    read_to_ = end;
    return found;
  }

  void append() {
    if (!ring_->reserve()) {
      check(ring_->next() - ring_->drained() == kSlots);
      return;
    }
    static constexpr char kText[256] = {};
    Event event;
    event.received_unix_ns = ++ids_;
    event.texts[0] = std::string_view(kText, next());
    event.texts[1] = std::string_view(kText, event.texts[0].size() / 2);
    uint64_t expected = ring_->next();
    check(ring_->append(event) == expected && ring_->next() == expected + 1);
    check(expected >= position_ && written_.try_emplace(expected, Written{ids_, false}).second);
  }

  void sync() {
    std::memcpy(platter_, memory_, kBytes);
    for (auto& [sequence, event] : written_)
      event.synced = true;
  }

  void drain() {
    for (const auto& [sequence, id] : read(position_, 1 + next() % kSlots)) {
      auto written = written_.find(sequence);
      check(written != written_.end() && written->second.id == id);
      written_.erase(written);
    }
    position_ = read_to_;
    check(written_.empty() || written_.begin()->first >= position_);  // none was passed over
  }

  void power_cut() {
    for (size_t at = 0; at < kBytes; at += kSector) {
      if (std::memcmp(memory_ + at, platter_ + at, kSector) == 0) continue;
      uint8_t fate = next();
      size_t cut = fate >= 128 ? size_t{next()} * 2 : 0;
      if (fate < 64) continue;  // kept
      if (fate < 128)           // lost
        std::memcpy(memory_ + at, platter_ + at, kSector);
      else if (fate < 180)  // its front is new
        std::memcpy(memory_ + at + cut, platter_ + at + cut, kSector - cut);
      else if (fate < 232)  // its back is new
        std::memcpy(memory_ + at, platter_ + at, cut);
      else
        for (uint64_t i = 0, h = fate * 0x9e3779b97f4a7c15 + cut; i < kSector; ++i) {
          h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9;
          memory_[at + i] = static_cast<std::byte>(h >> 56);
        }
    }
    std::memcpy(platter_, memory_, kBytes);
    // Of what was not synced, what is left is what a ring on these bytes says; open() checks the rest.
    alignas(8) static std::byte copy[kBytes];
    std::memcpy(copy, memory_, kBytes);
    auto opened = EventRing::open(copy);
    check(opened.has_value());
    ring_.emplace(std::move(*opened));
    check(ring_->drained() <= position_);
    ring_->resume_at(position_);
    std::map<uint64_t, int64_t> found = read(position_, kSlots + 1);
    for (auto at = written_.begin(); at != written_.end();) {
      auto& [sequence, event] = *at;
      auto left = found.find(sequence);
      if (left == found.end() || left->second != event.id) {
        check(!event.synced);
        lost_.emplace(sequence, event.id);
      }
      if (left == found.end()) {
        at = written_.erase(at);
        continue;
      }
      // A number that a power cut took from an event goes to the next one; torn in its turn, that one may
      // leave the first one's bytes under the number of both. It was written, once, and is read once.
      check(left->second == event.id || lost_.contains({sequence, left->second}));
      event.id = left->second;
      ++at;
    }
    for (auto& [sequence, event] : written_)
      event.synced = true;
    open();
  }

  std::string_view input_;
  size_t at_ = 0;
  std::byte* memory_;
  std::byte* platter_;
  std::optional<EventRing> ring_;
  std::map<uint64_t, Written> written_;          // by number; what is not in the store
  std::set<std::pair<uint64_t, int64_t>> lost_;  // number and event: not synced when the power went
  uint64_t position_ = 1;                        // the store's
  uint64_t read_to_ = 1;
  int64_t ids_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  World({reinterpret_cast<const char*>(data), size}).run();
  return 0;
}
