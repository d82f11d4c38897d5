// Watch: weir's own alerts. One task on loop 0 measures every rule each `check`, keeps the book, tells the
// receivers and those who want to write it down; budgets that pass a mark are told without a rule. What it
// found is published as an immutable whole that any core may read. Each replica watches its own traffic. A
// store that can not be read is no reading: the rules about requests stand still and trouble says so.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weir/alerts/alert_book.h"
#include "weir/alerts/budget_marks.h"
#include "weir/alerts/measure.h"
#include "weir/alerts/webhook.h"
#include "weir/io/loop.h"
#include "weir/io/task.h"

namespace weir::alerts {

struct WatchMetrics {
  telemetry::Family<telemetry::Gauge> firing;        // rule, severity
  telemetry::Family<telemetry::Counter> deliveries;  // webhook, result
};
WatchMetrics register_watch_metrics(telemetry::Registry& registry);

/// {"rule": ..., "severity": ..., ...}: an alert as it is sent and kept; never message content.
std::string to_json(const Alert& alert);
/// nullopt: these are not its bytes.
std::optional<Alert> alert_from(std::string_view json);

class Watch {
 public:
  static constexpr size_t kHistoryMax = 1000;

  struct Sources {
    std::shared_ptr<store::TrafficStore> traffic;  // nullptr: no records, so nothing about requests
    const quota::MeterTable* meters = nullptr;
    std::function<std::vector<Target>()> targets;  // asked on the loop
    /// Keys that end from now on until then, Unix milliseconds; asked on the loop. nullptr: no accounts.
    std::function<std::vector<EndingKey>(int64_t now_unix_ms, int64_t until_unix_ms)> keys = nullptr;
  };
  struct RuleState {
    AlertRuleSettings rule;
    std::optional<double> worst;  // what it read last; nullopt: nothing
    size_t subjects = 0;
    size_t firing = 0;
  };
  struct WebhookState {
    AlertWebhookSettings settings;
    Webhook::Status status;
  };
  struct View {
    int64_t checked_unix_ms = 0;  // 0: not yet
    std::string trouble;          // why rules about requests stand still; empty: they do not
    std::vector<RuleState> rules;
    std::vector<WebhookState> webhooks;
    std::vector<Alert> firing;   // the newest first
    std::vector<Alert> history;  // the same, and what was before; at most kHistoryMax
  };
  struct Notes {
    std::function<void(const Alert& alert)> alert = nullptr;  // it fired, or is over
    /// `json` as it is sent.
    std::function<void(const BudgetNews& news, std::string json)> budget = nullptr;
  };

  /// `source` says in messages who they are from.
  Watch(io::Loop& loop, Sources sources, std::string source, Notes notes, telemetry::Registry& registry,
        const WatchMetrics& metrics, Webhook::Say say);
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch();  // Requires: finish() has ended, or nothing was ever set

  /// What a former run noted, the oldest first. Before start().
  void restore(std::vector<Alert> noted);
  void set_settings(const AlertSettings& settings);
  void start() { tasks_.start(keep()); }
  /// Requires: set_settings() was called.
  io::Task<void> finish();

  /// Thread-safe; never nullptr.
  std::shared_ptr<const View> view() const { return view_.load(); }

 private:
  io::Task<void> keep();
  io::Task<void> round();
  io::Task<void> look_at_budgets();
  void happened(const Alert& alert);
  void passed(const BudgetNews& news);
  void remember(const Alert& alert);
  void publish(int64_t checked_unix_ms);

  io::Loop& loop_;
  const Sources sources_;
  const std::string source_;
  const Notes notes_;
  telemetry::Shard& shard_;
  const WatchMetrics metrics_;
  const Webhook::Say say_;
  std::shared_ptr<const AlertSettings> settings_ = std::make_shared<AlertSettings>();
  AlertBook book_;
  BudgetMarks marks_;
  std::list<Webhook> webhooks_;
  std::list<Webhook> leaving_;  // of a former configuration, until their tasks have ended
  std::vector<RuleState> states_;
  std::vector<Alert> history_;  // the newest first
  std::string trouble_;
  std::atomic<std::shared_ptr<const View>> view_;
  io::Cancel ending_;
  io::TaskGroup tasks_;
};

}  // namespace weir::alerts
