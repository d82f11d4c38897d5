// GET /admin/v1/me: who the caller is and what it may do.
#include "weir/admin/call.h"

namespace weir::admin {

template <>
io::Task<Result<Answer>> serve<Route::kMe>(Call& call) {
  const exchange::Identity& me = *call.caller.identity;
  Answer answer;
  json::Writer w(answer.body);
  w.begin_object().member("name", me.name);
  auto text_or_null = [&](std::string_view key, const std::string& text) {
    w.key(key);
    text.empty() ? w.null() : w.value(text);
  };
  text_or_null("tenant", me.tenant);
  text_or_null("team", me.team);
  text_or_null("user", me.user);
  text_or_null("key", me.key);
  w.key("roles").begin_array();
  for (const std::string& role : me.roles)
    w.value(role);
  w.end_array().key("permissions").begin_array();
  for (unsigned n = 0; n < static_cast<unsigned>(accounts::Permission::kCount); ++n)
    if (auto p = static_cast<accounts::Permission>(n); call.permits(p)) w.value(accounts::name(p));
  w.end_array().end_object();
  co_return answer;
}

}  // namespace weir::admin
