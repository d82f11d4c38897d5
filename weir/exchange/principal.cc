#include "weir/exchange/principal.h"

#include <algorithm>

#include "weir/base/settings.h"

namespace weir::exchange {

Principal Principal::with_key(std::string name, std::vector<std::string> models,
                              std::optional<PassedApis> passthrough) {
  auto identity = std::make_shared<Identity>();
  identity->name = std::move(name);
  identity->models = std::move(models);
  identity->passthrough = passthrough;
  return {std::move(identity)};
}

bool Principal::may_use(std::string_view model) const {
  if (!limited()) return true;
  return std::ranges::any_of(identity->models,
                             [&](const std::string& pattern) { return matches_pattern(pattern, model); });
}

bool Principal::may_call(PassedApi api) const {
  if (identity && identity->passthrough) return identity->passthrough->has(api);
  if (api == PassedApi::kOrganization) return false;
  return by_model(api) || (!anonymous() && !limited());
}

std::string client_of(const Principal& principal, std::string_view peer) {
  if (principal.anonymous()) return "address " + std::string(peer);
  const Identity& identity = *principal.identity;
  if (!identity.key.empty()) return "account " + identity.key;
  if (!identity.tenant.empty()) return "account " + identity.tenant + " " + identity.name;
  return "key " + identity.name;
}

}  // namespace weir::exchange
