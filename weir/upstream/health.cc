#include "weir/upstream/health.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir::upstream {

Health::Health(io::Loop& loop, const Settings& settings) : loop_(loop), settings_(settings.health) {
  bool checked = settings_.check > milliseconds(0);
  auto add = [&](const ModelSettings& model) {
    for (const TargetSettings& target : model.targets)
      breakers_.try_emplace(Key(target.provider, target.model), settings_, checked);
  };
  for (const ModelSettings& model : settings.models) {
    if (model.targets.size() + model.fallbacks.size() < 2) continue;
    add(model);
    for (const std::string& fallback : model.fallbacks)
      if (auto found = std::ranges::find(settings.models, fallback, &ModelSettings::name);
          found != settings.models.end())
        add(*found);
  }
}

Breaker* Health::find(std::string_view provider, std::string_view model) {
  if (breakers_.empty()) return nullptr;
  auto found = breakers_.find(Key(provider, model));
  return found == breakers_.end() ? nullptr : &found->second;
}

void Health::start(const std::vector<std::unique_ptr<Provider>>& providers, io::TaskGroup& tasks,
                   const std::shared_ptr<void>& keep) {
  if (settings_.check == milliseconds(0)) return;
  for (const auto& provider : providers) {
    std::vector<Breaker*> breakers;
    for (auto& [key, breaker] : breakers_)
      if (key.first == provider->name()) breakers.push_back(&breaker);
    if (!breakers.empty()) tasks.start(check(*provider, std::move(breakers), keep));
  }
}

Duration Health::until_check(const std::vector<Breaker*>& breakers, Duration since_last) const {
  Duration wait = std::max<Duration>(settings_.check - since_last, Duration{});
  for (const Breaker* breaker : breakers)
    if (breaker->state() == Breaker::State::kResting)
      wait = std::min(wait, std::max<Duration>(breaker->rests_until() - loop_.now(), milliseconds(1)));
  return wait;
}

io::Task<void> Health::check(Provider& provider, std::vector<Breaker*> breakers, std::shared_ptr<void>) {
  MonoTime last = loop_.now();
  while (!ending_.requested()) {
    {
      io::Cancel scope(ending_);
      io::Timeout due(scope, io::CancelReason::kIdleTimeout);
      loop_.arm(due, until_check(breakers, loop_.now() - last));
      co_await changed_.wait(scope);  // also woken to look at its breakers again
      if (ending_.requested()) break;
      bool wanted = std::ranges::any_of(breakers, [&](Breaker* b) { return b->wants_check(loop_.now()); });
      if (!wanted && loop_.now() - last < settings_.check) continue;
    }
    bool alive = co_await provider.alive(ending_);
    if (ending_.requested()) break;
    last = loop_.now();
    for (Breaker* breaker : breakers)
      breaker->check(last, alive);
  }
}

std::vector<Health::TargetState> Health::targets() const {
  std::vector<TargetState> states;
  for (const auto& [key, breaker] : breakers_)
    states.push_back({key.first, key.second, breaker.state()});
  return states;
}

std::vector<std::string> Health::resting() const {
  std::vector<std::string> sentences;
  for (const auto& [key, breaker] : breakers_)
    if (breaker.state() == Breaker::State::kResting)
      sentences.push_back(
          fmt::format("the model {} of provider {} rests because it failed", key.second, key.first));
  return sentences;
}

}  // namespace weir::upstream
