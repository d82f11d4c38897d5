// AgentMeters: the meters of the agents that callers of one scope name (x-weir-agent), where its limits are
// to hold for each agent by itself (Limits::each_agent). Names are the callers' to choose, so they have a
// bound: a meter that nobody uses and that has nothing left to remember makes room for another name, and when
// none does, all further names share one meter. Of this process: replicas do not share them, and they begin
// anew at a start. Thread-safe: a lock that only requests take that name an agent where there are such
// limits.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "weir/base/limits.h"
#include "weir/quota/meter.h"

namespace weir::quota {

class AgentMeters {
 public:
  static constexpr size_t kNamesMax = 1000;

  explicit AgentMeters(std::string tenant) : tenant_(std::move(tenant)) {}

  /// Of each agent from now on; none: agents have no limits of their own any more.
  void set_limits(const Limits& limits);
  bool limited() const { return limited_.load(std::memory_order_relaxed); }
  /// nullptr: it has no limits of its own.
  std::shared_ptr<Meter> of(std::string_view agent, const Moment& now);
  size_t names() const;

 private:
  std::shared_ptr<Meter> make(std::string_view name, const Moment& now) const;

  const std::string tenant_;
  std::atomic<bool> limited_{false};
  mutable std::mutex mutex_;
  Limits limits_;
  std::map<std::string, std::shared_ptr<Meter>, std::less<>> meters_;
  std::shared_ptr<Meter> rest_;  // of all names that have no place
  MonoTime looked_;              // for room, when it was full
};

}  // namespace weir::quota
