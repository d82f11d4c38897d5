#include "weir/alerts/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "weir/base/assert.h"
#include "weir/base/json.h"
#include "weir/base/json_write.h"
#include "weir/io/random_id.h"

namespace weir::alerts {
namespace {

void write(json::Writer& w, const Alert& a) {
  w.begin_object().member("rule", a.rule).member("subject", a.subject).member("tenant", a.tenant);
  w.member("severity", name(a.severity)).member("measure", name(a.measure));
  w.member("value", a.value).member("above", a.above).member("since", a.since_unix_ms);
  w.member("fired", a.fired_unix_ms).key("ended");
  a.ended_unix_ms > 0 ? w.value(a.ended_unix_ms) : w.null();
  w.end_object();
}

template <class Enum, size_t N>
Enum word_of(std::string_view word, Enum otherwise) {
  for (size_t i = 0; i < N; ++i)
    if (name(static_cast<Enum>(i)) == word) return static_cast<Enum>(i);
  return otherwise;
}

bool same(const Alert& a, const Alert& b) {
  return a.rule == b.rule && a.subject == b.subject && a.fired_unix_ms == b.fired_unix_ms;
}

}  // namespace

WatchMetrics register_watch_metrics(telemetry::Registry& registry) {
  return {
      registry.add_gauge("weir_alerts_firing", "Alerts of weir's own that burn now.", {"rule", "severity"}),
      registry.add_counter("weir_alert_deliveries_total",
                           "Messages about alerts, by what became of them: delivered, failed.",
                           {"webhook", "result"})};
}

std::string to_json(const Alert& alert) {
  std::string text;
  json::Writer w(text);
  write(w, alert);
  return text;
}

std::optional<Alert> alert_from(std::string_view text) {
  json::Parser parser;
  json::PaddedBuffer bytes(text);
  auto document = parser.parse(bytes.view());
  if (!document || document->type != json::Type::kObject) return std::nullopt;
  Alert alert;
  auto read = [&](std::string_view key, std::string& out) {
    const json::Value* value = document->find(key);
    if (value) out = value->as_string().value_or("");
  };
  auto number = [&](std::string_view key) {
    const json::Value* value = document->find(key);
    return value ? value->as_double().value_or(0) : 0;
  };
  auto moment = [&](std::string_view key) {
    const json::Value* value = document->find(key);
    return value ? value->as_int().value_or(0) : 0;
  };
  std::string severity, measure;
  read("rule", alert.rule);
  read("subject", alert.subject);
  read("tenant", alert.tenant);
  read("severity", severity);
  read("measure", measure);
  alert.severity = word_of<AlertSeverity, 3>(severity, AlertSeverity::kWarning);
  alert.measure = word_of<AlertMeasure, 7>(measure, AlertMeasure::kErrorPercent);
  alert.value = number("value");
  alert.above = number("above");
  alert.since_unix_ms = moment("since");
  alert.fired_unix_ms = moment("fired");
  alert.ended_unix_ms = moment("ended");
  if (alert.rule.empty() || alert.fired_unix_ms == 0) return std::nullopt;
  return alert;
}

Watch::Watch(io::Loop& loop, Sources sources, std::string source, Notes notes, telemetry::Registry& registry,
             const WatchMetrics& metrics, Webhook::Say say)
    : loop_(loop),
      sources_(std::move(sources)),
      source_(std::move(source)),
      notes_(std::move(notes)),
      shard_(registry.add_shard()),
      metrics_(metrics),
      say_(std::move(say)),
      view_(std::make_shared<const View>()) {}

Watch::~Watch() {
  WEIR_ASSERT(tasks_.running() == 0);
}

void Watch::restore(std::vector<Alert> noted) {
  for (const Alert& alert : noted)
    remember(alert);
  for (const Alert& alert : history_)
    if (alert.ended_unix_ms == 0) book_.restore(alert);
}

void Watch::set_settings(const AlertSettings& settings) {
  // Receivers that are as before go on with what waits at them.
  for (auto it = webhooks_.begin(); it != webhooks_.end();) {
    auto next = std::next(it);
    if (std::ranges::find(settings.webhooks, it->settings()) == settings.webhooks.end()) {
      it->stop();
      leaving_.splice(leaving_.end(), webhooks_, it);
    }
    it = next;
  }
  for (const AlertWebhookSettings& webhook : settings.webhooks) {
    auto known = [&](const Webhook& w) { return w.settings() == webhook; };
    if (std::ranges::any_of(webhooks_, known)) continue;
    webhooks_.emplace_back(loop_, webhook,
                           Webhook::Counters{shard_.series(metrics_.deliveries, {webhook.name, "delivered"}),
                                             shard_.series(metrics_.deliveries, {webhook.name, "failed"})},
                           say_);
  }
  settings_ = std::make_shared<AlertSettings>(settings);
  states_.clear();
  for (const AlertRuleSettings& rule : settings_->rules)
    states_.push_back({.rule = rule});
  for (const Alert& over : book_.keep_only(settings_->rules, loop_.wall_now())) {
    shard_.series(metrics_.firing, {over.rule, name(over.severity)}).set(0);
    happened(over);
  }
  publish(view()->checked_unix_ms);
}

io::Task<void> Watch::keep() {
  while (co_await io::sleep(loop_, settings_->check, ending_)) {
    co_await look_at_budgets();
    co_await round();
  }
}

// On a worker: there may be ten thousand of them.
io::Task<void> Watch::look_at_budgets() {
  if (!sources_.meters) co_return;
  quota::Moment now = quota::Moment::at(loop_.now(), loop_.wall_now());
  auto found = co_await io::offload(loop_, [&] { return marks_.look(*sources_.meters, now); });
  for (const BudgetNews& news : found)
    passed(news);
}

io::Task<void> Watch::round() {
  std::shared_ptr<const AlertSettings> settings = settings_;
  WallTime wall = loop_.wall_now();
  std::vector<Target> targets = sources_.targets ? sources_.targets() : std::vector<Target>();
  std::vector<RuleState> states;
  std::string trouble;
  for (const AlertRuleSettings& rule : settings->rules) {
    Result<std::vector<Reading>> readings = std::vector<Reading>();
    if (rule.measure == AlertMeasure::kBudgetPercent) {
      if (sources_.meters)
        readings = measure_budgets(*sources_.meters, rule, quota::Moment::at(loop_.now(), wall));
    } else if (rule.measure == AlertMeasure::kTargetDown) {
      readings = measure_targets(targets, rule);
    } else if (rule.measure == AlertMeasure::kKeyExpires) {
      int64_t now_ms = wall.unix_ns / 1'000'000;
      if (sources_.keys) readings = measure_keys(sources_.keys(now_ms, now_ms + rule.over.count()), rule);
    } else if (sources_.traffic) {
      int64_t now_s = wall.unix_s();
      auto ask = [this, &rule, now_s] { return measure_requests(*sources_.traffic, rule, now_s); };
      readings = co_await io::offload(loop_, ask);
    } else {
      trouble = "no sums of requests are kept (events.enabled, admin.enabled)";
    }
    if (settings != settings_) co_return;  // a new configuration came meanwhile
    RuleState state{.rule = rule};
    if (!readings) {
      trouble = "the sums of requests can not be read; the log says why";
      if (trouble_ != trouble) say_(true, fmt::format("rule {}: {}", rule.name, readings.error().message));
      states.push_back(std::move(state));
      continue;
    }
    for (const Alert& change : book_.take(rule, *readings, loop_.now(), wall))
      happened(change);
    state.subjects = readings->size();
    for (const Reading& reading : *readings)
      state.worst = std::max(state.worst.value_or(reading.value), reading.value);
    states.push_back(std::move(state));
  }
  trouble_ = trouble;
  states_ = std::move(states);
  publish(wall.unix_ns / 1'000'000);
}

void Watch::remember(const Alert& alert) {
  auto known = std::ranges::find_if(history_, [&](const Alert& a) { return same(a, alert); });
  if (known != history_.end()) {
    *known = alert;
    return;
  }
  history_.insert(history_.begin(), alert);
  if (history_.size() > kHistoryMax) history_.pop_back();
}

void Watch::happened(const Alert& alert) {
  bool fired = alert.ended_unix_ms == 0;
  remember(alert);
  say_(fired && alert.severity != AlertSeverity::kInfo,
       fmt::format("alert {}: {}{}{}: {} is {:.6g}, above {:.6g}", fired ? "fires" : "is over", alert.rule,
                   alert.subject.empty() ? "" : ", ", alert.subject, name(alert.measure), alert.value,
                   alert.above));
  if (notes_.alert) notes_.alert(alert);
  std::string body;
  json::Writer w(body);
  w.begin_object().member("event", fired ? "alert.fired" : "alert.ended").member("source", source_);
  w.member("unix_ms", fired ? alert.fired_unix_ms : alert.ended_unix_ms).key("alert");
  write(w, alert);
  w.end_object();
  for (Webhook& webhook : webhooks_)
    if (alert.severity >= webhook.settings().severity) webhook.send(body);
}

// What a caller may use is its own matter before it is the operator's: a warning to receivers, a line of the
// log like any other.
void Watch::passed(const BudgetNews& news) {
  int64_t unix_ms = loop_.wall_now().unix_ns / 1'000'000;
  std::string budget = to_json(news, unix_ms);
  say_(false, fmt::format("budget {}: {}, {:.0f} % are spent", name(news.mark), subject_of(news),
                          std::floor(100 * news.budget.share())));
  std::string body;
  json::Writer w(body);
  w.begin_object().member("event", fmt::format("budget.{}", name(news.mark))).member("source", source_);
  w.member("unix_ms", unix_ms).key("budget").raw(budget).end_object();
  for (Webhook& webhook : webhooks_)
    if (AlertSeverity::kWarning >= webhook.settings().severity) webhook.send(body);
  if (notes_.budget) notes_.budget(news, std::move(budget));
}

void Watch::publish(int64_t checked_unix_ms) {
  auto view = std::make_shared<View>();
  view->checked_unix_ms = checked_unix_ms;
  view->trouble = trouble_;
  view->rules = states_;
  view->firing = book_.burning();
  std::ranges::sort(view->firing, std::greater{}, &Alert::fired_unix_ms);
  view->history = history_;
  for (const Webhook& webhook : webhooks_)
    view->webhooks.push_back({webhook.settings(), webhook.status()});
  for (RuleState& state : view->rules) {
    state.firing = static_cast<size_t>(std::ranges::count(view->firing, state.rule.name, &Alert::rule));
    shard_.series(metrics_.firing, {state.rule.name, name(state.rule.severity)})
        .set(static_cast<double>(state.firing));
  }
  view_.store(std::move(view));
}

io::Task<void> Watch::finish() {
  ending_.request(io::CancelReason::kShutdown);
  co_await tasks_.idle();
  for (auto* list : {&webhooks_, &leaving_})
    for (Webhook& webhook : *list)
      co_await webhook.finish();
}

}  // namespace weir::alerts
