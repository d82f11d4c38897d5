#include "weir/io/timer.h"

#include <algorithm>

namespace weir::io {

TimerWheel::TimerWheel(MonoTime now) : origin_ns_(now.ns) {}

void TimerWheel::arm(Timer& timer, MonoTime now, Duration after) {
  timer.unlink();
  constexpr int64_t kAfterMax = int64_t{1} << 60;  // 36 years: "never" must not overflow
  int64_t due_ns = now.ns - origin_ns_ + std::clamp<int64_t>(after.count(), 0, kAfterMax);
  auto due = static_cast<uint64_t>((due_ns + kTickNs - 1) / kTickNs);
  timer.due_tick_ = std::max(due, tick_ + 1);
  place(timer);
  if (timer.due_tick_ < wake_tick_) {
    wake_tick_ = timer.due_tick_;
    if (on_earlier) on_earlier({origin_ns_ + static_cast<int64_t>(wake_tick_) * kTickNs});
  }
}

// The level is chosen by how far away the timer is; the slot by the digit of its due tick at that level.
void TimerWheel::place(Timer& timer) {
  uint64_t distance = timer.due_tick_ - tick_;
  int level = 0;
  while (level < kLevels - 1 && distance >= (uint64_t{1} << (kSlotBits * (level + 1))))
    ++level;
  uint64_t due = timer.due_tick_;
  uint64_t reach = (uint64_t{1} << (kSlotBits * kLevels)) - 1;
  if (distance > reach)
    due = tick_ + reach;  // beyond 37 h: parked in the last slot and placed again from there
  slots_[level][(due >> (kSlotBits * level)) & (kSlots - 1)].push_back(timer);
}

void TimerWheel::cascade(int level) {
  IntrusiveList<Timer> moved;
  moved.splice(slots_[level][(tick_ >> (kSlotBits * level)) & (kSlots - 1)]);
  while (!moved.empty())
    place(moved.pop_front());
}

void TimerWheel::advance(MonoTime now) {
  auto target = static_cast<uint64_t>(std::max<int64_t>(now.ns - origin_ns_, 0) / kTickNs);
  while (tick_ < target) {
    ++tick_;
    for (int level = kLevels - 1; level > 0; --level)
      if ((tick_ & ((uint64_t{1} << (kSlotBits * level)) - 1)) == 0) cascade(level);
    auto& slot = slots_[0][tick_ & (kSlots - 1)];
    while (!slot.empty())
      slot.pop_front().on_timer();
  }
  wake_tick_ = UINT64_MAX;
  if (auto at = next()) wake_tick_ = static_cast<uint64_t>((at->ns - origin_ns_) / kTickNs);
}

// A slot of a higher level is opened at its first tick, which may come before the first timer of level 0.
std::optional<MonoTime> TimerWheel::next() const {
  uint64_t best = UINT64_MAX;
  for (int level = 0; level < kLevels; ++level) {
    uint64_t digit = tick_ >> (kSlotBits * level);
    for (uint64_t step = 1; step <= kSlots; ++step) {
      if (slots_[level][(digit + step) & (kSlots - 1)].empty()) continue;
      best = std::min(best, (digit + step) << (kSlotBits * level));
      break;
    }
  }
  if (best == UINT64_MAX) return std::nullopt;
  return MonoTime{origin_ns_ + static_cast<int64_t>(best) * kTickNs};
}

size_t TimerWheel::armed() {
  size_t count = 0;
  for (auto& level : slots_)
    for (auto& slot : level) {
      IntrusiveList<Timer> all;
      for (all.splice(slot); !all.empty(); ++count)
        slot.push_back(all.pop_front());
    }
  return count;
}

}  // namespace weir::io
