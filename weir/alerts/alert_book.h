// AlertBook: which alerts burn. Pure: it is handed readings and times and answers what changed. An alert
// fires once it has been above its rule's limit for the rule's `hold`, and is over once it has not been for
// as long; in between it says nothing, however often the value crosses the limit. What can no longer be
// measured (no requests, a budget that was taken away) is not above. A value; single-threaded.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/settings.h"

namespace weir::alerts {

/// One thing that a rule looked at.
struct Reading {
  std::string subject;  // "model gpt-4o"; empty: everything at once
  std::string tenant;   // whose matter it is; empty: the installation's
  double value = 0;
};

struct Alert {
  std::string rule, subject, tenant;
  AlertSeverity severity = AlertSeverity::kWarning;
  AlertMeasure measure = AlertMeasure::kErrorPercent;
  double value = 0;  // the last one, and when it was over the worst one
  double above = 0;
  int64_t since_unix_ms = 0;  // when it went above
  int64_t fired_unix_ms = 0;
  int64_t ended_unix_ms = 0;  // 0: it burns
  friend bool operator==(const Alert&, const Alert&) = default;
};

class AlertBook {
 public:
  static constexpr size_t kSubjectsMax = 1000;  // of a rule; more are not looked at

  /// What these readings of a rule change: alerts that fire now (ended_unix_ms 0) or are over now.
  std::vector<Alert> take(const AlertRuleSettings& rule, std::span<const Reading> readings, MonoTime now,
                          WallTime wall);
  /// Rules that are gone: their alerts are over.
  std::vector<Alert> keep_only(std::span<const AlertRuleSettings> rules, WallTime wall);
  /// An alert that burned when a former run ended.
  void restore(Alert alert);
  /// Those that burn, by rule and subject.
  std::vector<Alert> burning() const;

 private:
  struct State {
    Alert alert;
    double worst = 0;
    bool burning = false;
    std::optional<MonoTime> above_since, below_since;
  };
  using Key = std::pair<std::string, std::string>;  // rule, subject
  std::optional<Alert> see(const AlertRuleSettings& rule, State& state, std::optional<double> value,
                           MonoTime now, WallTime wall);

  std::map<Key, State> states_;
};

}  // namespace weir::alerts
