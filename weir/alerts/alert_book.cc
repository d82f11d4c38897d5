#include "weir/alerts/alert_book.h"

#include <algorithm>
#include <set>

namespace weir::alerts {
namespace {

int64_t unix_ms(WallTime wall) {
  return wall.unix_ns / 1'000'000;
}

Alert ended(Alert alert, double worst, WallTime wall) {
  alert.value = worst;
  alert.ended_unix_ms = unix_ms(wall);
  return alert;
}

}  // namespace

std::optional<Alert> AlertBook::see(const AlertRuleSettings& rule, State& state, std::optional<double> value,
                                    MonoTime now, WallTime wall) {
  Alert& alert = state.alert;
  // A rule that was changed keeps its alerts; they are judged anew from here on.
  alert.severity = rule.severity;
  alert.measure = rule.measure;
  alert.above = rule.above();
  if (value) alert.value = *value;
  bool above = value && *value > rule.above();
  if (above) {
    state.below_since.reset();
    state.worst = state.above_since ? std::max(state.worst, *value) : *value;
    if (!state.above_since) {
      state.above_since = now;
      if (!state.burning) alert.since_unix_ms = unix_ms(wall);
    }
    if (state.burning || now - *state.above_since < rule.hold) return std::nullopt;
    state.burning = true;
    alert.fired_unix_ms = unix_ms(wall);
    return alert;
  }
  if (!state.burning) {
    state.above_since.reset();
    return std::nullopt;
  }
  if (!state.below_since) state.below_since = now;
  if (now - *state.below_since < rule.hold) return std::nullopt;
  state.burning = false;
  state.above_since.reset();
  return ended(alert, state.worst, wall);
}

std::vector<Alert> AlertBook::take(const AlertRuleSettings& rule, std::span<const Reading> readings,
                                   MonoTime now, WallTime wall) {
  std::vector<Alert> changes;
  std::set<std::string_view> seen;
  for (const Reading& reading : readings) {
    if (seen.size() >= kSubjectsMax) break;
    if (!seen.insert(reading.subject).second) continue;
    State& state = states_[{rule.name, reading.subject}];
    state.alert.rule = rule.name;
    state.alert.subject = reading.subject;
    state.alert.tenant = reading.tenant;
    if (auto change = see(rule, state, reading.value, now, wall)) changes.push_back(*std::move(change));
  }
  for (auto it = states_.lower_bound({rule.name, ""}); it != states_.end() && it->first.first == rule.name;) {
    if (!seen.contains(it->first.second))
      if (auto change = see(rule, it->second, std::nullopt, now, wall)) changes.push_back(*std::move(change));
    bool quiet = !it->second.burning && !it->second.above_since;
    it = quiet ? states_.erase(it) : std::next(it);
  }
  return changes;
}

std::vector<Alert> AlertBook::keep_only(std::span<const AlertRuleSettings> rules, WallTime wall) {
  std::vector<Alert> changes;
  for (auto it = states_.begin(); it != states_.end();) {
    if (std::ranges::find(rules, it->first.first, &AlertRuleSettings::name) != rules.end()) {
      ++it;
      continue;
    }
    if (it->second.burning) changes.push_back(ended(it->second.alert, it->second.worst, wall));
    it = states_.erase(it);
  }
  return changes;
}

void AlertBook::restore(Alert alert) {
  State& state = states_[{alert.rule, alert.subject}];
  state.burning = true;
  state.worst = alert.value;
  state.alert = std::move(alert);
}

std::vector<Alert> AlertBook::burning() const {
  std::vector<Alert> all;
  for (const auto& [key, state] : states_)
    if (state.burning) all.push_back(state.alert);
  return all;
}

}  // namespace weir::alerts
