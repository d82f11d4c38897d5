#include "weir/quota/meter_table.h"

#include <algorithm>

namespace weir::quota {

void MeterTable::begin_with(store::SpentByScope spent, const Moment& at) {
  std::lock_guard lock(mutex_);
  spent_ = std::move(spent);
  began_ = at;
}

// As SqliteLedger counts it: in the hour in which it ended, by the key or the name of the configuration's.
void MeterTable::add_waiting(const telemetry::Event& e) {
  using telemetry::EventText;
  if (e.event_class != telemetry::EventClass::kUsage) return;
  std::lock_guard lock(mutex_);
  int64_t ended_s = (e.received_unix_ns + std::max<int64_t>(e.ended_us, 0) * 1000) / 1'000'000'000;
  store::Spent more{std::max<int64_t>(e.cost_nanodollars, 0),
                    std::max<int64_t>(e.input_tokens, 0) + std::max<int64_t>(e.output_tokens, 0)};
  auto add = [&](std::string_view scope, std::string_view id) {
    if (id.empty()) return;
    store::SpentInPeriods& of = spent_[std::string(scope)][std::string(id)];
    for (store::Spent* sum : {ended_s >= began_.day_begins_s() ? &of.day : nullptr,
                              ended_s >= began_.month_begins_s() ? &of.month : nullptr, &of.total}) {
      if (!sum) continue;
      sum->nanodollars += more.nanodollars;
      sum->tokens += more.tokens;
    }
  };
  std::string_view key = e.text(EventText::kKey);
  add("key", key.empty() ? e.text(EventText::kPrincipal) : key);
  add("user", e.text(EventText::kUser));
  add("team", e.text(EventText::kTeam));
  add("tenant", e.text(EventText::kTenant));
}

std::shared_ptr<Meter> MeterTable::meter_of(std::string_view scope, std::string_view id, const Limits& limits,
                                            std::string_view tenant) {
  std::string name = std::string(scope) + "/" + std::string(id);
  std::lock_guard lock(mutex_);
  std::shared_ptr<Meter>& meter = meters_[name];
  if (!meter) {
    store::SpentInPeriods spent;
    if (auto of = spent_.find(scope); of != spent_.end())
      if (auto found = of->second.find(std::string(id)); found != of->second.end()) spent = found->second;
    meter = std::make_shared<Meter>(std::string(scope), std::string(id),
                                    std::string(scope == "tenant" ? id : tenant), spent, began_);
    if (shared_) meter->share();
  }
  meter->set_limits(limits);
  return meter;
}

void MeterTable::share() {
  std::lock_guard lock(mutex_);
  shared_ = true;
}

std::vector<std::shared_ptr<Meter>> MeterTable::limited() const {
  std::vector<std::shared_ptr<Meter>> found;
  std::lock_guard lock(mutex_);
  for (const auto& [name, meter] : meters_)
    if (meter->limited()) found.push_back(meter);
  std::ranges::sort(found, [](const auto& a, const auto& b) {
    return std::tie(a->scope(), a->id()) < std::tie(b->scope(), b->id());
  });
  return found;
}

std::vector<std::shared_ptr<const Meter>> MeterTable::with_budgets(const Moment& now, size_t most) const {
  std::vector<std::shared_ptr<const Meter>> found;
  std::lock_guard lock(mutex_);
  for (const auto& [name, meter] : meters_) {
    if (found.size() >= most) break;
    if (!meter->budgets(now).empty()) found.push_back(meter);
  }
  std::ranges::sort(found, [](const auto& a, const auto& b) {
    return std::tie(a->scope(), a->id()) < std::tie(b->scope(), b->id());
  });
  return found;
}

std::vector<std::shared_ptr<const Meter>> MeterTable::with_spent(const Moment& now, int percent,
                                                                 size_t most) const {
  std::vector<std::shared_ptr<const Meter>> found;
  std::lock_guard lock(mutex_);
  for (const auto& [name, meter] : meters_) {
    if (found.size() >= most) break;
    if (meter->limited() && meter->share(now, percent)) found.push_back(meter);
  }
  return found;
}

}  // namespace weir::quota
