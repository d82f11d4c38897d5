// GET /admin/v1/audit, and the rows it shows.
#include "weir/admin/audit.h"

#include <charconv>

namespace weir::admin {

std::string action_of(const Row& row) {
  std::string action;
  for (char c : row.name) {
    bool capital = c >= 'A' && c <= 'Z';
    if (capital && !action.empty()) action += '.';
    action += lower(c);
  }
  return action;
}

store::AuditRow audit_row(const Call& call) {
  store::AuditRow row;
  row.unix_ms = call.loop.wall_now().unix_ns / 1'000'000;
  row.tenant = call.caller.tenant();
  row.actor = exchange::client_of(call.caller, call.request.peer);
  row.action = action_of(*call.row);
  row.object = call.object;
  row.request = call.id;
  row.peer = call.request.peer;
  return row;
}

std::string changes(const store::Account& before, const store::Account& after) {
  std::string out;
  json::Writer w(out);
  w.begin_object().key("changed").begin_array();
  auto note = [&](std::string_view field, bool differs) {
    if (differs) w.value(field);
  };
  note("name", before.name != after.name);
  note("team", before.team != after.team);
  note("roles", before.roles != after.roles);
  note("models", before.models != after.models);
  note("limits", before.limits != after.limits);
  note("state", before.suspended != after.suspended);
  note("expires", before.expires_unix_ms != after.expires_unix_ms);
  w.end_array();
  if (before.roles != after.roles) {
    w.key("roles").begin_array();
    for (const std::string& role : after.roles)
      w.value(role);
    w.end_array();
  }
  w.end_object();
  return out;
}

template <>
io::Task<Result<Answer>> serve<Route::kAuditList>(Call& call) {
  CO_TRY(accounts::Accounts * accounts, call.accounts());
  CO_TRY(Page page, call.page());
  store::AccountStore::AuditFilter filter;
  filter.tenant = call.tenant();
  filter.action = call.query("action");
  filter.limit = page.limit;
  CO_TRY(filter.before, call.query_integer("after", 0, 0, int64_t{1} << 62));
  CO_TRY(auto rows, co_await io::offload(call.loop, [&] { return accounts->store().audit(filter); }));
  Answer answer;
  json::Writer w(answer.body);
  w.begin_object().key("data").begin_array();
  for (const store::AuditRow& row : rows) {
    w.begin_object().member("id", row.sequence).member("time", row.unix_ms).member("tenant", row.tenant);
    w.member("actor", row.actor).member("action", row.action).member("object", row.object);
    w.member("result", row.refused ? "refused" : "done").key("detail");
    row.detail.empty() ? w.null() : w.raw(row.detail);
    w.member("request", row.request).member("peer", row.peer).end_object();
  }
  w.end_array().key("next");
  rows.size() < page.limit ? w.null() : w.value(std::to_string(rows.back().sequence));
  w.end_object();
  co_return answer;
}

}  // namespace weir::admin
