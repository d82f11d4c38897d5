#include "weir/upstream/discovery.h"

#include <algorithm>

namespace weir::upstream {
namespace {

bool names_a_pattern(const ProviderSettings& provider) {
  return std::ranges::any_of(provider.models, [](const std::string& p) { return p.ends_with('*'); });
}

// As the route stage picks it: the first whose pattern takes the name.
const ProviderSettings* taker(const Settings& settings, std::string_view model) {
  for (const ProviderSettings& provider : settings.providers)
    for (const std::string& pattern : provider.models)
      if (matches_pattern(pattern, model)) return &provider;
  return nullptr;
}

}  // namespace

Discovery::Discovery(io::Loop& loop, const std::vector<std::unique_ptr<Provider>>& providers,
                     const Settings& settings)
    : loop_(loop), settings_(settings) {
  for (const ProviderSettings& p : settings.providers) {
    // Azure's dated API lists what could be deployed, not what is.
    if (!names_a_pattern(p) || !p.api_version.empty()) continue;
    auto provider = std::ranges::find(providers, p.name, [](const auto& each) { return each->name(); });
    if (provider != providers.end()) lists_.push_back(std::make_unique<List>(**provider));
  }
}

io::Task<std::vector<wire::ListedModel>> Discovery::models(io::Cancel& cancel) {
  if (!lists_.empty()) {
    io::Cancel scope(cancel);
    io::Timeout too_long(scope, io::CancelReason::kTotalTimeout);
    loop_.arm(too_long, kListMax);
    io::TaskGroup asked;
    for (auto& list : lists_)
      asked.start(refresh(*list, scope));
    co_await asked.idle();
  }
  std::vector<wire::ListedModel> models;
  for (auto& list : lists_)
    for (const wire::ListedModel& model : list->models)
      if (auto by = taker(settings_, model.name); by && by->name == list->provider.name())
        models.push_back(model);
  co_return models;
}

io::Task<void> Discovery::refresh(List& list, io::Cancel& scope) {
  while (list.asking && !scope.requested())
    co_await list.told.wait(scope);
  if (scope.requested() || loop_.now() < list.good_until) co_return;
  list.asking = true;
  auto models = co_await list.provider.list(scope);
  bool left = scope.requested() && scope.reason() != io::CancelReason::kTotalTimeout;  // it may be there
  if (!left) list.good_until = loop_.now() + (models ? kListFresh : kListRetry);
  if (models) {
    list.models = *std::move(models);
    for (wire::ListedModel& model : list.models)
      model.provider = list.provider.name();
  }
  list.asking = false;
  list.told.notify();
}

}  // namespace weir::upstream
