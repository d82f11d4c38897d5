// GET /admin/v1/alerts: what burns, what did, the rules and what they read last, the receivers.
#include <algorithm>

#include "weir/admin/call.h"

namespace weir::admin {
namespace {

void write_alert(json::Writer& w, const alerts::Alert& alert) {
  w.raw(alerts::to_json(alert));
}

void write_rule(json::Writer& w, const alerts::Watch::RuleState& state) {
  const AlertRuleSettings& rule = state.rule;
  w.begin_object().member("rule", rule.name).member("severity", name(rule.severity));
  w.member("measure", name(rule.measure)).member("above", rule.above()).key("value");
  state.worst ? w.value(*state.worst) : w.null();
  w.member("subjects", state.subjects).member("firing", state.firing);
  w.member("over_ms", rule.over.count()).member("for_ms", rule.hold.count());
  w.member("model", rule.model).member("provider", rule.provider).member("tenant", rule.tenant);
  w.end_object();
}

// Of its address only the host: the rest may hold a token.
void write_webhook(json::Writer& w, const alerts::Watch::WebhookState& state) {
  auto url = FetchUrl::parse(state.settings.url);
  w.begin_object().member("name", state.settings.name);
  w.member("host", url ? url->origin.to_string() : std::string());
  w.member("severity", name(state.settings.severity)).member("signed", !state.settings.secret.empty());
  w.member("delivered", state.status.delivered).member("failed", state.status.failed);
  w.member("waiting", state.status.waiting).member("trouble", state.status.trouble).end_object();
}

}  // namespace

template <>
io::Task<Result<Answer>> serve<Route::kAlerts>(Call& call) {
  if (!call.world.alerts)
    co_return fail(ErrorCode::kNotFound, "There are no alerts here.", {}, "unknown_path");
  std::shared_ptr<const alerts::Watch::View> view = call.world.alerts->view();
  bool everything = call.permits(accounts::Permission::kAllTenants);
  std::optional<std::string> tenant = call.tenant();
  auto shown = [&](const alerts::Alert& alert) {
    if (tenant) return !alert.tenant.empty() && alert.tenant == *tenant;
    return everything;
  };
  Answer answer;
  json::Writer w(answer.body);
  w.begin_object().key("checked");
  view->checked_unix_ms > 0 ? w.value(view->checked_unix_ms) : w.null();
  auto list = [&](std::string_view key, const std::vector<alerts::Alert>& all) {
    w.key(key).begin_array();
    for (const alerts::Alert& alert : all)
      if (shown(alert)) write_alert(w, alert);
    w.end_array();
  };
  list("firing", view->firing);
  list("history", view->history);
  // Rules and receivers are the installation's.
  w.key("rules").begin_array();
  if (everything)
    for (const alerts::Watch::RuleState& state : view->rules)
      write_rule(w, state);
  w.end_array().key("webhooks").begin_array();
  if (everything)
    for (const alerts::Watch::WebhookState& state : view->webhooks)
      write_webhook(w, state);
  w.end_array().member("trouble", everything ? view->trouble : std::string()).end_object();
  co_return answer;
}

}  // namespace weir::admin
