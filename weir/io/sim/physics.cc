#include "weir/io/sim/physics.h"

#include <algorithm>

namespace weir::io::sim {

void Physics::schedule(MonoTime at, Occurrence& target, uint32_t what) {
  target.ref();
  heap_.push_back({std::max(at.ns, now_.ns), ++scheduled_, &target, what});
  std::ranges::push_heap(heap_, Event::later);
}

bool Physics::step(MonoTime limit) {
  if (heap_.empty() || heap_.front().at_ns > limit.ns) return false;
  std::ranges::pop_heap(heap_, Event::later);
  Event event = heap_.back();
  heap_.pop_back();
  now_.ns = event.at_ns;
  ++events_;
  event.target->happen(event.what);
  event.target->unref();
  return true;
}

void Physics::forget() {
  // What a dropped object owned may schedule again while it goes.
  while (!heap_.empty()) {
    std::vector<Event> dropped = std::exchange(heap_, {});
    std::ranges::sort_heap(dropped, Event::later);
    for (const Event& event : dropped)
      event.target->unref();
  }
}

void Physics::tell(std::string_view line) {
  int64_t us = (now_ - kStart).count() / 1000;
  sink_(fmt::format("{}.{:06} {}", us / 1'000'000, us % 1'000'000, line));
}

}  // namespace weir::io::sim
