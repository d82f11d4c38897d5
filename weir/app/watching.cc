#include "weir/app/watching.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/app/core.h"
#include "weir/base/assert.h"
#include "weir/base/certificate.h"
#include "weir/base/json_write.h"

namespace weir::app {
namespace {

constexpr Duration kEvery = seconds(5);
constexpr size_t kBudgetsMax = 1000;     // shown as metrics
constexpr size_t kAlertsReadMax = 1000;  // of a former run

double unix_seconds(WallTime time) {
  return static_cast<double>(time.unix_ns / 1'000'000) / 1e3;
}

// Which sections of the configuration differ.
std::string changed_sections(const Settings& before, const Settings& now) {
  std::string text;
  json::Writer w(text);
  w.begin_object().key("changed").begin_array();
  auto note = [&](std::string_view section, bool differs) {
    if (differs) w.value(section);
  };
  note("server", before.server != now.server);
  note("auth", before.auth != now.auth);
  note("accounts", before.accounts != now.accounts);
  note("admin", before.admin != now.admin);
  note("shared", before.shared != now.shared);
  note("providers", before.providers != now.providers);
  note("models", before.models != now.models);
  note("registry", before.registry != now.registry);
  note("retries", before.retries != now.retries);
  note("health", before.health != now.health);
  note("log", before.log != now.log);
  note("metrics", before.metrics != now.metrics);
  note("data", before.data != now.data);
  note("events", before.events != now.events);
  note("responses", before.responses != now.responses);
  note("alerts", before.alerts != now.alerts);
  w.end_array().end_object();
  return text;
}

}  // namespace

Watching::Metrics Watching::register_metrics(telemetry::Registry& r) {
  return {
      .resting =
          r.add_gauge("weir_target_resting", "Cores on which this target is left alone because it fails.",
                      {"provider", "model"}),
      .budget = r.add_gauge("weir_budget_share", "Spent of a budget, 1: all of it; 0 once it is gone.",
                            {"scope", "id", "tenant", "period"}),
      .started = r.add_gauge("weir_start_time_seconds", "When this process began, Unix time."),
      .configured =
          r.add_gauge("weir_config_time_seconds", "When the configuration in force was taken, Unix time."),
      .certificate = r.add_gauge("weir_tls_certificate_expires_seconds",
                                 "When the server's certificate ends, Unix time; 0: it has none."),
      .alerts = alerts::register_watch_metrics(r),
  };
}

Watching::Watching(io::Loop& loop, Parts parts, telemetry::Registry& registry, const Metrics& metrics,
                   Say say)
    : loop_(loop),
      parts_(std::move(parts)),
      shard_(registry.add_shard()),
      metrics_(metrics),
      say_(std::move(say)),
      resting_(parts_.cores.size()),
      alerts_(loop,
              {.traffic = parts_.traffic,
               .meters = &parts_.meters,
               .targets = [this] { return targets(); },
               .keys = parts_.keys},
              parts_.source,
              {.alert = [this](const alerts::Alert& alert) { noted_alert(alert); },
               .budget = [this](const alerts::BudgetNews& news,
                                std::string json) { noted_budget(news, std::move(json)); }},
              registry, metrics.alerts,
              [this](bool bad, std::string_view sentence) { say_(bad, sentence); }) {}

Watching::~Watching() {
  WEIR_ASSERT(tasks_.running() == 0);
}

// ------------------------------------------------------------------------------- chronicle

void Watching::begin(std::string_view certificate_pem) {
  WallTime now = loop_.wall_now();
  shard_.series(metrics_.started, {}).set(unix_seconds(now));
  shard_.series(metrics_.configured, {}).set(unix_seconds(now));
  auto ends = certificate_ends(certificate_pem);
  shard_.series(metrics_.certificate, {}).set(ends ? unix_seconds(*ends) : 0);
  if (!parts_.accounts) return;
  auto rows = parts_.accounts->audit({.action = "alerts.", .limit = kAlertsReadMax});
  std::vector<alerts::Alert> before;
  if (rows)
    for (const store::AuditRow& row : *rows)
      if (auto alert = alerts::alert_from(row.detail); alert && row.peer == parts_.source)
        before.push_back(*std::move(alert));
  std::ranges::reverse(before);
  alerts_.restore(std::move(before));
  store::AuditRow row{
      .unix_ms = now.unix_ns / 1'000'000, .actor = "weir", .action = "weir.start", .peer = parts_.source};
  json::Writer(row.detail).begin_object().member("version", WEIR_VERSION).end_object();
  auto done = parts_.accounts->change([&](store::AccountTransaction& t) { return t.add_audit(row); });
  if (!rows || !done) say_(true, "the audit log can not be used; what happens is not noted in it");
}

void Watching::note(store::AuditRow row) {
  if (!parts_.accounts || ending_.requested()) return;
  row.unix_ms = loop_.wall_now().unix_ns / 1'000'000;
  row.actor = "weir";
  row.peer = parts_.source;
  tasks_.start(write(std::move(row)));
}

io::Task<void> Watching::write(store::AuditRow row) {
  auto done = co_await io::offload(loop_, [&] {
    return parts_.accounts->change([&](store::AccountTransaction& t) { return t.add_audit(row); });
  });
  if (!done) say_(true, fmt::format("not noted in the audit log: {}", row.action));
}

void Watching::noted_alert(const alerts::Alert& alert) {
  note({.tenant = alert.tenant,
        .action = alert.ended_unix_ms == 0 ? "alerts.fired" : "alerts.ended",
        .object = alert.rule,
        .detail = alerts::to_json(alert)});
}

void Watching::noted_budget(const alerts::BudgetNews& news, std::string detail) {
  note({.tenant = news.tenant,
        .action = fmt::format("budgets.{}", name(news.mark)),
        .object = news.id,
        .detail = std::move(detail)});
}

void Watching::configured(const Settings& before, const Settings& now) {
  shard_.series(metrics_.configured, {}).set(unix_seconds(loop_.wall_now()));
  note({.action = "config.take", .detail = changed_sections(before, now)});
  if (started_)
    alerts_.set_settings(now.alerts);
  else if (!now.alerts.rules.empty() || !now.alerts.webhooks.empty())
    start(now);
}

void Watching::refused_configuration() {
  note({.action = "config.take", .refused = true, .detail = "{}"});
}

// ---------------------------------------------------------------------------------- gauges

void Watching::start(const Settings& settings) {
  started_ = true;
  alerts_.set_settings(settings.alerts);
  alerts_.start();
  tasks_.start(keep());
}

io::Task<void> Watching::keep() {
  do {
    look_at_targets();
    look_at_budgets();
  } while (co_await io::sleep(loop_, kEvery, ending_));
}

// Breakers are each core's own: it is asked, and answers when it comes to it.
void Watching::look_at_targets() {
  for (size_t k = 0; k < parts_.cores.size(); ++k)
    parts_.cores[k]->loop().post([this, k, core = parts_.cores[k]] {
      std::map<TargetName, bool> states;
      for (const admin::World::TargetState& target : core->target_states())
        states.emplace(TargetName{target.provider, target.model}, target.resting);
      loop_.post([this, k, taken = std::move(states)]() mutable {
        if (ending_.requested()) return;
        resting_[k] = std::move(taken);
        for (const alerts::Target& target : targets())
          shard_.series(metrics_.resting, {target.provider, target.model}).set(target.resting);
      });
    });
}

std::vector<alerts::Target> Watching::targets() const {
  std::map<TargetName, int> sums;
  for (const auto& core : resting_)
    for (const auto& [name, resting] : core)
      sums[name] += resting ? 1 : 0;
  std::vector<alerts::Target> all;
  for (const auto& [name, cores] : sums)
    all.push_back({name.first, name.second, cores});
  return all;
}

void Watching::look_at_budgets() {
  std::map<std::string, telemetry::Gauge> gone = std::move(budgets_);
  budgets_.clear();
  quota::Moment now = quota::Moment::at(loop_.now(), loop_.wall_now());
  for (const auto& meter : parts_.meters.with_budgets(now, kBudgetsMax))
    for (const quota::Meter::BudgetView& view : meter->budgets(now)) {
      std::string_view period = name(view.budget.period);
      telemetry::Gauge gauge =
          shard_.series(metrics_.budget, {meter->scope(), meter->id(), meter->tenant(), period});
      gauge.set(view.share());
      std::string key = fmt::format("{}/{}/{}", meter->scope(), meter->id(), period);
      gone.erase(key);
      budgets_.emplace(std::move(key), gauge);
    }
  for (auto& [key, gauge] : gone)
    gauge.set(0);
}

io::Task<void> Watching::finish() {
  ending_.request(io::CancelReason::kShutdown);
  co_await alerts_.finish();
  co_await tasks_.idle();
}

}  // namespace weir::app
