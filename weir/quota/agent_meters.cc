#include "weir/quota/agent_meters.h"

#include <chrono>

namespace weir::quota {
namespace {

constexpr Duration kLookEvery =
    std::chrono::seconds(1);  // for room: as many looks as names come would be dear

}  // namespace

void AgentMeters::set_limits(const Limits& limits) {
  std::lock_guard lock(mutex_);
  limited_.store(limits.any(), std::memory_order_relaxed);
  if (limits == limits_) return;
  limits_ = limits;
  for (const auto& [name, meter] : meters_)
    meter->set_limits(limits);
  if (rest_) rest_->set_limits(limits);
}

std::shared_ptr<Meter> AgentMeters::make(std::string_view name, const Moment& now) const {
  auto meter = std::make_shared<Meter>("agent", std::string(name), tenant_, store::SpentInPeriods{}, now);
  meter->set_limits(limits_);
  return meter;
}

std::shared_ptr<Meter> AgentMeters::of(std::string_view agent, const Moment& now) {
  if (!limited()) return nullptr;
  std::lock_guard lock(mutex_);
  if (auto known = meters_.find(agent); known != meters_.end()) return known->second;
  if (meters_.size() >= kNamesMax && now.mono - looked_ >= kLookEvery) {
    looked_ = now.mono;
    // Who uses a meter has a share of it.
    std::erase_if(meters_, [&](const auto& one) {
      return one.second.use_count() == 1 && one.second->rested(now.mono);
    });
  }
  if (meters_.size() >= kNamesMax) {
    if (!rest_) rest_ = make("other agents", now);
    return rest_;
  }
  return meters_.emplace(std::string(agent), make(agent, now)).first->second;
}

size_t AgentMeters::names() const {
  std::lock_guard lock(mutex_);
  return meters_.size();
}

}  // namespace weir::quota
