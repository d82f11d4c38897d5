#include "weir/admin/handler.h"

#include "weir/admin/audit.h"
#include "weir/admin/sign_in_limit.h"
#include "weir/io/random_id.h"
#include "weir/wire/openai/openai.h"

namespace weir::admin {
namespace {

Unexpected denied() {
  return fail(ErrorCode::kPermissionDenied, "Your roles do not permit this.", {}, "permission_denied");
}

std::string methods_of(const Match& match) {
  std::string methods;
  for (size_t i = 0; i < match.count; ++i)
    methods += (i > 0 ? ", " : "") + std::string(match.rows[i]->method);
  return methods;
}

// A wrong key, or the word to wait for who has come with too many. No key at all is no attempt.
Error refused_sign_in(const Call& call, Error error) {
  if (error.code != ErrorCode::kUnauthenticated || error.reason == "missing_api_key" || !call.world.sign_ins)
    return error;
  int64_t wait_s = call.world.sign_ins->failed(
      call.request.peer, call.world.settings->admin.failed_sign_ins_per_minute, call.loop.now());
  if (wait_s == 0) return error;
  Error limited = make_error(ErrorCode::kRateLimited,
                             "Too many wrong keys came from your address; a right one is taken at any time.",
                             {}, "too_many_attempts");
  limited.retry_after_s = static_cast<int>(wait_s);
  return limited;
}

// What the row takes of its caller. nullopt: all of it is there.
std::optional<Error> refusal(const Call& call) {
  const Row& row = *call.row;
  if (!row.takes.key) return std::nullopt;
  accounts::Permissions held = call.caller.permissions();
  if (row.takes.permissions != 0 && (held & row.takes.permissions) == 0) return denied().error();
  bool everywhere = accounts::permits(held, accounts::Permission::kAllTenants);
  if (row.tenant == Tenant::kAll && !everywhere) return denied().error();
  if (row.tenant == Tenant::kOwn && !everywhere)
    if (auto named = call.query("tenant"); named && *named != call.caller.tenant()) return denied().error();
  return std::nullopt;
}

}  // namespace

io::Task<Result<Answer>> Handler::answer(Call& call) {
  const http::RequestHead& head = call.request.head;
  Match found = match(head.path);
  const Row* row = found.of(head.method);
  if (!row || row->takes.key) {
    auto caller =
        co_await call.world.authenticator->authenticate_waiting(head.headers, false, call.request.cancel);
    if (!caller) co_return Unexpected(refused_sign_in(call, std::move(caller).error()));
    call.caller = *std::move(caller);
    if (call.caller.anonymous())
      co_return fail(ErrorCode::kUnauthenticated,
                     "You did not provide an API key: send it as 'Authorization: Bearer KEY'.", {},
                     "missing_api_key");
  }
  if (found.count == 0)
    co_return fail(ErrorCode::kNotFound, "There is no such path on this gateway.", {}, "unknown_path");
  if (!row)
    co_return fail(ErrorCode::kMethodNotAllowed, "This path takes " + methods_of(found) + " only.", {},
                   "method_not_allowed");
  call.row = row;
  call.object = found.id;
  call.rest = found.rest;
  if (auto refused = refusal(call)) co_return Unexpected(*std::move(refused));
  co_return co_await row->serve(call);
}

// What somebody known was not allowed to do. A store that can not take it takes no change either.
io::Task<void> Handler::note_refused(Call& call, const Error& error) {
  if (!call.world.accounts) co_return;
  store::AuditRow row = audit_row(call);
  row.refused = true;
  json::Writer(row.detail)
      .begin_object()
      .member("reason", error.reason)
      .member("param", error.param)
      .end_object();
  store::AccountStore& store = call.world.accounts->store();
  [[maybe_unused]] auto noted = co_await io::offload(call.loop, [&] {
    return store.change([&](store::AccountTransaction& t) { return t.add_audit(row); });
  });
}

io::Task<void> Handler::serve(http::Request& request, http::ResponseWriter& response) {
  std::shared_ptr<const World> world = world_;
  Call call(loop_, *world, request, response);
  call.id = io::random_id(loop_.random(), "req_");
  Result<Answer> made = co_await answer(call);
  if (made && made->sent) co_return;
  if (!made && made.error().code == ErrorCode::kPermissionDenied && call.row && !call.caller.anonymous())
    co_await note_refused(call, made.error());
  Answer sent;
  if (made) {
    sent = *std::move(made);
  } else {
    const Error& error = made.error();
    sent.status = http_status(error.code);
    sent.body = error_body(error);
    if (error.code == ErrorCode::kUnauthenticated) sent.headers.emplace_back("www-authenticate", "Bearer");
    if (error.code == ErrorCode::kMethodNotAllowed)
      sent.headers.emplace_back("allow", methods_of(match(request.head.path)));
    if (error.retry_after_s > 0)
      sent.headers.emplace_back("retry-after", std::to_string(error.retry_after_s));
  }
  std::vector<Header> headers{
      {"content-type", sent.content_type}, {"x-content-type-options", "nosniff"}, {"x-request-id", call.id}};
  bool says_how_long = false;
  for (const auto& [name, value] : sent.headers) {
    headers.push_back({name, value});
    says_how_long = says_how_long || iequals(name, "cache-control");
  }
  if (!says_how_long) headers.push_back({"cache-control", "no-store"});
  co_await response.send(sent.status, headers, sent.body);
}

std::string Handler::error_body(const Error& error) {
  return wire::openai::error_body(error);
}

}  // namespace weir::admin
