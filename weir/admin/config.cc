// GET /admin/v1/config: the configuration in use, its secrets masked. POST /admin/v1/config/check: would this
// text be taken? Nothing is looked up for it, no file and no variable: who may check may not probe the
// machine.
#include "weir/admin/call.h"
#include "weir/admin/fields.h"
#include "weir/base/settings.h"
#include "weir/io/loop.h"

namespace weir::admin {
namespace {

constexpr size_t kTextBytesMax = 200 << 10;  // below the body's own limit

SettingsOutcome check(const std::string& text) {
  SettingsSources sources;
  std::string stand_in(64, 'x');
  sources.read_file = [&](const std::string&) -> Result<std::string> { return stand_in; };
  sources.environment = [&](const std::string&) -> std::optional<std::string> { return stand_in; };
  return parse_settings(text, sources);
}

}  // namespace

template <>
io::Task<Result<Answer>> serve<Route::kConfig>(Call& call) {
  std::shared_ptr<const std::string> text = call.world.shown_config;
  if (!text) co_return fail(ErrorCode::kNotFound, "There is no configuration to show.", {}, "no_config");
  Answer answer;
  json::Writer w(answer.body);
  w.begin_object().member("text", *text).member("format", "yaml");
  w.member("version", WEIR_VERSION).end_object();
  co_return answer;
}

template <>
io::Task<Result<Answer>> serve<Route::kConfigCheck>(Call& call) {
  CO_TRY(json::Document document, co_await call.read_body());
  Fields fields(document);
  const json::Value* member = fields.take("text");
  CO_TRY_VOID(fields.end());
  if (!member || member->type != json::Type::kString)
    co_return fail(ErrorCode::kInvalidRequest, "'text' must be the configuration as a text.", "text",
                   "invalid_value");
  std::string text = member->as_string().value_or("");
  if (text.size() > kTextBytesMax)
    co_return fail(ErrorCode::kInvalidRequest, "'text' may have at most 200 KiB.", "text", "invalid_value");
  SettingsOutcome outcome = co_await io::offload(call.loop, [&text] { return check(text); });
  Answer answer;
  json::Writer w(answer.body);
  w.begin_object().member("ok", outcome.settings.has_value()).key("problems").begin_array();
  for (const SettingsProblem& problem : outcome.problems) {
    w.begin_object().member("line", problem.line).member("column", problem.column);
    w.member("message", problem.path.empty() ? problem.message : problem.path + ": " + problem.message);
    w.key("path");
    problem.path.empty() ? w.null() : w.value(problem.path);
    w.end_object();
  }
  w.end_array().end_object();
  co_return answer;
}

}  // namespace weir::admin
