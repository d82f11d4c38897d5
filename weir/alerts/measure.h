// What a rule looks at, as numbers: sums of the records (a worker's business), budgets and targets (loop
// 0's).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "weir/alerts/alert_book.h"
#include "weir/base/result.h"
#include "weir/quota/meter_table.h"
#include "weir/store/traffic_store.h"

namespace weir::alerts {

/// Of a rule about requests: what the records of its span say, as of `now_s`. Too few requests say nothing.
/// Blocks. Errors: the store's.
Result<std::vector<Reading>> measure_requests(store::TrafficStore& traffic, const AlertRuleSettings& rule,
                                              int64_t now_s);

/// Of kBudgetPercent: each budget.
std::vector<Reading> measure_budgets(const quota::MeterTable& meters, const AlertRuleSettings& rule,
                                     const quota::Moment& now);

/// A model server's model, and on how many cores it is left alone because it fails.
struct Target {
  std::string provider, model;
  int resting = 0;
};
/// Of kTargetDown: the number of cores on which each rests.
std::vector<Reading> measure_targets(std::span<const Target> targets, const AlertRuleSettings& rule);

/// A key of the accounts that ends.
struct EndingKey {
  std::string id, name, tenant;
};
/// Of kKeyExpires: 1 for each of these, which end within the rule's span.
std::vector<Reading> measure_keys(std::span<const EndingKey> keys, const AlertRuleSettings& rule);

bool is_about_requests(AlertMeasure measure);

}  // namespace weir::alerts
