// Health: which targets of this core are worth asking: a breaker for each target of a model that has more
// than one, and the checks of their providers, one each `health.check_ms`, or as soon as a rest is over. A
// model with one target has no breaker: refusing it would help nobody. A reload begins anew.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/base/settings.h"
#include "weir/io/cancel.h"
#include "weir/io/loop.h"
#include "weir/io/task.h"
#include "weir/upstream/breaker.h"
#include "weir/upstream/provider/provider.h"

namespace weir::upstream {

class Health {
 public:
  /// `settings` outlives it.
  Health(io::Loop& loop, const Settings& settings);
  Health(const Health&) = delete;
  Health& operator=(const Health&) = delete;

  /// nullptr: this target has none.
  Breaker* find(std::string_view provider, std::string_view model);

  /// Begins to check `providers`, in `tasks`, until stop(). `keep` holds this and them until the checks have
  /// ended.
  void start(const std::vector<std::unique_ptr<Provider>>& providers, io::TaskGroup& tasks,
             const std::shared_ptr<void>& keep);
  /// A breaker may have opened: its provider's check comes when its rest is over.
  void look_again() { changed_.notify(); }
  /// No more checks.
  void stop() { ending_.request(io::CancelReason::kShutdown); }

  /// How each target that has a breaker is now, on this core.
  struct TargetState {
    std::string_view provider, model;
    Breaker::State state;
  };
  std::vector<TargetState> targets() const;
  /// Targets that rest, one sentence each.
  std::vector<std::string> resting() const;

 private:
  using Key = std::pair<std::string_view, std::string_view>;  // provider, model; they live in the settings
  io::Task<void> check(Provider& provider, std::vector<Breaker*> breakers, std::shared_ptr<void> keep);
  Duration until_check(const std::vector<Breaker*>& breakers, Duration since_last) const;

  io::Loop& loop_;
  const HealthSettings settings_;
  std::map<Key, Breaker> breakers_;
  io::Event changed_;
  io::Cancel ending_;
};

}  // namespace weir::upstream
