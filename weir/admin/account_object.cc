#include "weir/admin/account_object.h"

#include <algorithm>

#include "weir/accounts/permission.h"
#include "weir/base/money.h"
#include "weir/base/time_text.h"

namespace weir::admin {

using store::Account;
using store::AccountKind;

namespace {

constexpr int64_t kNumberMax = int64_t{1} << 53;  // what every reader of JSON holds exactly
constexpr size_t kNameBytesMax = 200;

bool is_chosen_id(std::string_view id) {
  return !id.empty() && id.size() <= 40 && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

void read_expiry(Fields& fields, int64_t& expires_unix_ms, int64_t now_unix_ms) {
  const json::Value* value = fields.take("expires");
  if (!value) return;
  if (value->type == json::Type::kNull) {
    expires_unix_ms = 0;
    return;
  }
  std::optional<int64_t> ms = value->as_int();
  if (auto text = value->as_string())
    if (auto time = parse_time(*text)) ms = time->unix_ns / 1'000'000;
  if (!ms || *ms <= now_unix_ms || *ms > kNumberMax)
    return fields.fault("expires", "must be a time to come: Unix milliseconds, or a text like 2027-01-31");
  expires_unix_ms = *ms;
}

void read_state(Fields& fields, bool& suspended) {
  std::string state = suspended ? "suspended" : "active";
  fields.read("state", state, 1, 20);
  if (state != "active" && state != "suspended") fields.fault("state", "must be active or suspended");
  suspended = state == "suspended";
}

void read_roles(Fields& fields, std::vector<std::string>& roles) {
  fields.read("roles", roles, accounts::kRoles.size());
  for (const std::string& role : roles)
    if (!accounts::role(role))
      fields.fault("roles",
                   "must be of: owner, admin, operator, developer, service, viewer, auditor, billing");
}

void read_models(Fields& fields, std::vector<std::string>& models) {
  fields.read("models", models, 256);
  for (const std::string& model : models)
    if (model.substr(0, model.size() - 1).contains('*'))
      fields.fault("models", "must be names, or the start of one and then *");
}

}  // namespace

void write(json::Writer& w, const Limits& limits) {
  w.begin_object();
  auto number = [&](std::string_view key, const std::optional<int64_t>& value) {
    if (value) w.member(key, *value);
  };
  number("requests_per_minute", limits.requests_per_minute);
  number("input_tokens_per_minute", limits.input_tokens_per_minute);
  number("output_tokens_per_minute", limits.output_tokens_per_minute);
  if (limits.nanodollars_per_minute) w.member("usd_per_minute", dollars_text(*limits.nanodollars_per_minute));
  number("streams", limits.streams);
  if (!limits.budgets.empty()) {
    w.key("budgets").begin_array();
    for (const Budget& budget : limits.budgets) {
      w.begin_object().member("period", name(budget.period));
      if (budget.nanodollars) w.member("usd", dollars_text(*budget.nanodollars));
      number("tokens", budget.tokens);
      w.end_object();
    }
    w.end_array();
  }
  if (!limits.each_agent.empty()) {
    w.key("each_agent");
    write(w, limits.each_agent.front());
  }
  w.end_object();
}

void write(json::Writer& w, const Account& a) {
  auto text_or_null = [&](std::string_view key, const std::string& text) {
    w.key(key);
    text.empty() ? w.null() : w.value(text);
  };
  auto time_or_null = [&](std::string_view key, int64_t unix_ms) {
    w.key(key);
    unix_ms == 0 ? w.null() : w.value(unix_ms);
  };
  auto list = [&](std::string_view key, const std::vector<std::string>& texts) {
    w.key(key).begin_array();
    for (const std::string& text : texts)
      w.value(text);
    w.end_array();
  };
  bool key = a.kind == AccountKind::kKey;
  w.begin_object().member("id", a.id).member("name", a.name);
  if (a.kind != AccountKind::kTenant) w.member("tenant", a.tenant);
  if (key || a.kind == AccountKind::kUser) text_or_null("team", a.team);
  if (key) text_or_null("user", a.user);
  if (key || a.kind == AccountKind::kUser) list("roles", a.roles);
  if (key) list("models", a.models);
  w.key("limits");
  write(w, a.limits);
  w.member("state", a.revoked_unix_ms != 0 ? "revoked" : a.suspended ? "suspended" : "active");
  w.member("created", a.created_unix_ms);
  if (key) {
    time_or_null("expires", a.expires_unix_ms);
    time_or_null("revoked", a.revoked_unix_ms);
    text_or_null("last4", a.secrets.empty() ? std::string() : a.secrets.back().last4);
    w.key("secrets").begin_array();
    for (const store::KeySecret& secret : a.secrets) {
      w.begin_object().member("last4", secret.last4).member("created", secret.created_unix_ms);
      time_or_null("expires", secret.expires_unix_ms);
      w.end_object();
    }
    w.end_array();
  }
  w.end_object();
}

namespace {

void read_rates(Fields& fields, Limits& limits) {
  fields.read("requests_per_minute", limits.requests_per_minute, 1, kNumberMax);
  fields.read("input_tokens_per_minute", limits.input_tokens_per_minute, 1, kNumberMax);
  fields.read("output_tokens_per_minute", limits.output_tokens_per_minute, 1, kNumberMax);
  fields.read_dollars("usd_per_minute", limits.nanodollars_per_minute);
  fields.read("streams", limits.streams, 1, kNumberMax);
}

}  // namespace

void read_limits(Fields& fields, Limits& limits) {
  const json::Value* value = fields.take("limits");
  if (!value) return;
  limits = {};
  if (value->type == json::Type::kNull) return;
  if (value->type != json::Type::kObject) return fields.fault("limits", "must be an object");
  Fields inside(value->raw, "limits.");
  read_rates(inside, limits);
  if (const json::Value* each = inside.take("each_agent"); each && each->type != json::Type::kNull) {
    Fields agent(each->type == json::Type::kObject ? each->raw : "{}", "limits.each_agent.");
    Limits& of = limits.each_agent.emplace_back();
    read_rates(agent, of);
    fields.adopt(agent.end());
    if (!of.any()) inside.fault("each_agent", "must be an object with at least one limit");
  }
  if (const json::Value* list = inside.take("budgets"); list && list->type != json::Type::kNull) {
    if (list->type != json::Type::kArray)
      inside.fault("budgets", "must be a list");
    else
      for (const json::Value& one : json::elements_of(list->raw)) {
        Fields entry(one.type == json::Type::kObject ? one.raw : "{}", "limits.budgets[].");
        Budget budget;
        std::string period;
        entry.require("period");
        entry.read("period", period, 1, 10);
        bool known = false;
        for (BudgetPeriod p : {BudgetPeriod::kDay, BudgetPeriod::kMonth, BudgetPeriod::kTotal})
          if (period == name(p)) {
            budget.period = p;
            known = true;
          }
        if (!known) entry.fault("period", "must be day, month or total");
        entry.read_dollars("usd", budget.nanodollars);
        entry.read("tokens", budget.tokens, 1, kNumberMax);
        if (!budget.nanodollars && !budget.tokens) entry.fault("usd", "or tokens must say how much");
        if (std::ranges::find(limits.budgets, budget.period, &Budget::period) != limits.budgets.end())
          entry.fault("period", "is there twice");
        fields.adopt(entry.end());
        limits.budgets.push_back(budget);
      }
  }
  fields.adopt(inside.end());
}

void read(Fields& fields, Account& a, bool creating, int64_t now_unix_ms) {
  bool key = a.kind == AccountKind::kKey;
  fields.refuse({"created", "revoked", "last4", "secrets", "kind", "digest"});
  if (creating && !key) {
    fields.read("id", a.id, 1, 40);
    if (fields.has("id") && !is_chosen_id(a.id))
      fields.fault("id", "must be 1 to 40 of a to z, 0 to 9, - and _");
  } else {
    fields.refuse({"id"});
  }
  if (creating) fields.require("name");
  fields.read("name", a.name, 1, kNameBytesMax);
  if (creating && a.kind != AccountKind::kTenant)
    fields.read("tenant", a.tenant, 1, 64);
  else
    fields.refuse({"tenant"});
  std::optional<std::string> team = a.team.empty() ? std::nullopt : std::optional(a.team), user = a.user;
  if (a.kind == AccountKind::kUser || (key && creating))
    fields.read("team", team, 1, 64);
  else if (key)
    fields.refuse({"team"});
  if (key && creating)
    fields.read("user", user, 1, 64);
  else if (key)
    fields.refuse({"user"});
  a.team = team.value_or("");
  a.user = user.value_or("");
  if (key || a.kind == AccountKind::kUser) read_roles(fields, a.roles);
  if (key) {
    read_models(fields, a.models);
    read_expiry(fields, a.expires_unix_ms, now_unix_ms);
  }
  read_limits(fields, a.limits);
  read_state(fields, a.suspended);
}

}  // namespace weir::admin
