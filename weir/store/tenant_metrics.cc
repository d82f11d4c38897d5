#include "weir/store/tenant_metrics.h"

#include <functional>

namespace weir::store {

TenantFamilies register_tenant_families(telemetry::Registry& r) {
  const std::vector<std::string> whose = {"tenant", "provider", "model"};
  auto with = [&](const char* more) {
    std::vector<std::string> labels = whose;
    labels.emplace_back(more);
    return labels;
  };
  return {
      .requests = r.add_counter("weir_tenant_requests_total",
                                "Requests that were recorded, by how they ended.", with("ending")),
      .tokens = r.add_counter("weir_tenant_tokens_total",
                              "Tokens; cached_input and cache_write are parts of input, reasoning of output.",
                              with("class")),
      .cost = r.add_counter("weir_tenant_cost_usd_total", "Dollars, by the registry's prices.", whose),
      .duration = r.add_histogram("weir_tenant_request_duration_seconds",
                                  "From the request head to the end of the answer.", whose,
                                  telemetry::latency_bounds()),
      .first_token = r.add_histogram("weir_tenant_time_to_first_token_seconds",
                                     "From the request head to the first token.", whose,
                                     telemetry::token_latency_bounds()),
  };
}

// The text lives as long as this.
std::string_view TenantMetrics::bounded(std::string_view tenant) {
  auto known = tenants_.find(tenant);
  if (known != tenants_.end()) return *known;
  if (tenants_.size() >= tenants_max_) return telemetry::kOverflow;
  return *tenants_.emplace(tenant).first;
}

TenantMetrics::Row& TenantMetrics::row_of(std::string_view tenant, std::string_view provider,
                                          std::string_view model) {
  size_t at = 0;
  for (std::string_view part : {tenant, provider, model})
    at = 31 * at + std::hash<std::string_view>()(part);
  Row& row = rows_[at % rows_.size()];
  if (!row.used || row.tenant != tenant || row.provider != provider || row.model != model) {
    row = Row{.tenant{tenant}, .provider{provider}, .model{model}, .label = bounded(tenant), .used = true};
  }
  return row;
}

void TenantMetrics::add(const telemetry::Event& event) {
  using enum telemetry::EventText;
  Row& row = row_of(tenant_of(event), event.text(kProvider), event.text(kModel));
  auto ending = ending_of(event);
  auto& requests = row.requests[static_cast<size_t>(ending)];
  if (!requests)
    requests = shard_.series(families_.requests, {row.label, row.provider, row.model, name(ending)});
  requests->add();
  if (event.event_class != telemetry::EventClass::kUsage) return;

  auto tokens = [&](size_t n, std::string_view word, int64_t count) {
    if (count <= 0) return;
    auto& series = row.tokens[n];
    if (!series) series = shard_.series(families_.tokens, {row.label, row.provider, row.model, word});
    series->add(static_cast<double>(count));
  };
  tokens(0, "input", event.input_tokens);
  tokens(1, "cached_input", event.cached_input_tokens);
  tokens(2, "cache_write", event.cache_write_tokens);
  tokens(3, "output", event.output_tokens);
  tokens(4, "reasoning", event.reasoning_tokens);
  auto of_row = [&](auto& series, auto family) -> auto& {
    if (!series) series = shard_.series(family, {row.label, row.provider, row.model});
    return *series;
  };
  if (event.cost_nanodollars > 0)
    of_row(row.cost, families_.cost).add(static_cast<double>(event.cost_nanodollars) / 1e9);
  if (event.ended_us >= 0)
    of_row(row.duration, families_.duration).record(static_cast<double>(event.ended_us) / 1e6);
  if (event.first_token_us >= 0)
    of_row(row.first_token, families_.first_token).record(static_cast<double>(event.first_token_us) / 1e6);
}

}  // namespace weir::store
