#include "weir/app/budgets_command.h"

#include <fmt/format.h>

#include <cstdio>

#include "weir/base/json.h"

namespace weir::app {
namespace {

std::string text_of(const json::Members& members, std::string_view key) {
  const json::Value* value = members.find(key);
  if (!value || value->type == json::Type::kNull) return "-";
  if (auto text = value->as_string()) return *text;
  return std::string(value->raw);
}

// "0.500000000": without the zeros that say nothing.
std::string dollars(std::string text) {
  if (size_t point = text.find('.'); point != std::string::npos)
    text.erase(std::max(text.find_last_not_of('0') + 1, point + 3));
  return text;
}

Result<void> run(const BudgetsCommand& command) {
  std::string target = "/admin/v1/budgets";
  if (!command.tenant.empty()) target += "?tenant=" + percent_encoded(command.tenant);
  TRY(std::string answer, ask_admin(command.access, "GET", target));
  json::PaddedBuffer bytes(answer);
  json::Parser parser;
  TRY(json::Document document, parser.parse(bytes.view()));
  const json::Value* data = document.find("data");
  if (!data || data->type != json::Type::kArray)
    return fail(ErrorCode::kIo, "weir answered with something else than budgets");
  if (!command.json)
    fmt::print("{:<8} {:<24} {:<16} {:<6} {:>14} {:>14} {:>6} {:>14} {:>14}\n", "scope", "id", "tenant",
               "period", "spent usd", "of usd", "share", "spent tokens", "of tokens");
  for (const json::Value& row : json::elements_of(data->raw)) {
    if (command.json) {
      fmt::print("{}\n", row.raw);
      continue;
    }
    json::Members members = json::members_of(row.raw);
    const json::Value* share = members.find("share");
    fmt::print("{:<8} {:<24} {:<16} {:<6} {:>14} {:>14} {:>5.1f}% {:>14} {:>14}\n", text_of(members, "scope"),
               text_of(members, "id"), text_of(members, "tenant"), text_of(members, "period"),
               dollars(text_of(members, "spent_usd")), dollars(text_of(members, "usd")),
               100 * (share ? share->as_double().value_or(0) : 0), text_of(members, "spent_tokens"),
               text_of(members, "tokens"));
  }
  return {};
}

}  // namespace

int run_budgets(const BudgetsCommand& command) {
  auto done = run(command);
  if (!done) fmt::print(stderr, "weir: {}\n", done.error().message);
  return done ? 0 : 1;
}

}  // namespace weir::app
