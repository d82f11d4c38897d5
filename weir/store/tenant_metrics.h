// TenantMetrics: who used what, for /metrics: requests, tokens, money and durations by tenant, provider and
// model, counted from the records when they were stored. So a request's own core does nothing for them, and
// they lag it by what storing takes (about 50 ms). Records that a former run left in its rings count in this
// one. One thread at a time: whoever stores.
//
// The number of tenants is bounded: the first `tenants_max` have series of their own, later ones share
// "__overflow__". Models and providers are the configuration's.
#pragma once

#include <array>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "weir/store/traffic.h"
#include "weir/telemetry/event.h"
#include "weir/telemetry/metrics.h"

namespace weir::store {

struct TenantFamilies {
  telemetry::Family<telemetry::Counter> requests;       // tenant, provider, model, ending
  telemetry::Family<telemetry::Counter> tokens;         // tenant, provider, model, class
  telemetry::Family<telemetry::Counter> cost;           // tenant, provider, model: dollars
  telemetry::Family<telemetry::Histogram> duration;     // tenant, provider, model: seconds
  telemetry::Family<telemetry::Histogram> first_token;  // the same
};

/// Registers the families. Once, before the first shard.
TenantFamilies register_tenant_families(telemetry::Registry& registry);

class TenantMetrics {
 public:
  static constexpr size_t kTenantsMax = 500;

  TenantMetrics(telemetry::Registry& registry, const TenantFamilies& families,
                size_t tenants_max = kTenantsMax)
      : shard_(registry.add_shard()), families_(families), tenants_max_(tenants_max) {}
  void add(const telemetry::Event& event);

 private:
  static constexpr size_t kClasses = 5;  // of tokens
  // The series of one tenant, provider and model, as far as they were wanted. Kept, because looking each of
  // them up costs more than all the counting; an entry gives way to the next that falls on it.
  struct Row {
    std::string tenant, provider, model;
    std::string_view label;  // the tenant's, or kOverflow
    bool used = false;
    std::array<std::optional<telemetry::Counter>, kEndings> requests;
    std::array<std::optional<telemetry::Counter>, kClasses> tokens;
    std::optional<telemetry::Counter> cost;
    std::optional<telemetry::Histogram> duration, first_token;
  };
  Row& row_of(std::string_view tenant, std::string_view provider, std::string_view model);
  std::string_view bounded(std::string_view tenant);

  telemetry::Shard& shard_;
  const TenantFamilies families_;
  const size_t tenants_max_;
  std::set<std::string, std::less<>> tenants_;
  std::vector<Row> rows_ = std::vector<Row>(1021);
};

}  // namespace weir::store
