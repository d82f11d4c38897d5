// BudgetMarks: which budgets have passed a mark: 80 % are spent (as callers are told in a header), and used
// up: all of it is spent, or beyond 80 % it did not cover a request. Each mark of a budget is news once in
// its period; a limit that was changed begins anew, a budget that was not used that far is forgotten. It
// looks at meters from outside: no request knows of it. Single-threaded, on any thread.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "weir/quota/meter_table.h"

namespace weir::alerts {

enum class BudgetMark : uint8_t { kWarning, kExhausted };
std::string_view name(BudgetMark mark);  // "warning", "exhausted"

struct BudgetNews {
  BudgetMark mark = BudgetMark::kWarning;
  std::string scope, id, tenant;  // of the meter; no tenant: the configuration's key
  quota::Meter::BudgetView budget;
};
/// {"scope": ..., "id": ..., "period": ..., "percent": 83, ...}: as it is sent and kept.
std::string to_json(const BudgetNews& news, int64_t unix_ms);
/// "key team-a, month"
std::string subject_of(const BudgetNews& news);

class BudgetMarks {
 public:
  static constexpr int kWarnPercent = 80;
  static constexpr size_t kMetersMax = 10'000;  // looked at; more are not told of

  /// What is new since the last look.
  std::vector<BudgetNews> look(const quota::MeterTable& meters, const quota::Moment& now);

 private:
  struct Told {
    Budget budget;
    int64_t number = 0;
    bool warning = false, exhausted = false;
  };
  using Key = std::tuple<std::string, std::string, BudgetPeriod>;  // scope, id
  std::map<Key, Told> told_;
};

}  // namespace weir::alerts
