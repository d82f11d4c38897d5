#include "weir/app/accounts_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "weir/base/json.h"
#include "weir/base/json_write.h"
#include "weir/base/time_text.h"

namespace weir::app {
namespace {

Result<std::pair<std::string, std::string>> split(const std::string& text, const char* option) {
  size_t equals = text.find('=');
  if (equals == text.npos || equals == 0 || equals + 1 == text.size())
    return fail(ErrorCode::kConfig, fmt::format("{} takes name=value, not '{}'", option, text));
  return std::pair{text.substr(0, equals), text.substr(equals + 1)};
}

std::optional<int64_t> number_of(std::string_view text) {
  int64_t n = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

Result<void> write_budget(json::Writer& w, const std::string& text) {
  TRY(auto budget, split(text, "--budget"));
  auto& [period, much] = budget;
  w.begin_object().member("period", period);
  if (much.ends_with("tokens")) {
    auto tokens = number_of(std::string_view(much).substr(0, much.size() - 6));
    if (!tokens) return fail(ErrorCode::kConfig, "--budget takes day|month|total=DOLLARS or =Ntokens");
    w.member("tokens", *tokens);
  } else {
    w.member("usd", much);
  }
  w.end_object();
  return {};
}

Result<void> write_limits(json::Writer& w, const AccountsCommand& c) {
  if (c.limits.empty() && c.budgets.empty()) return {};
  w.key("limits").begin_object();
  for (const std::string& text : c.limits) {
    TRY(auto limit, split(text, "--limit"));
    auto number = number_of(limit.second);
    if (limit.first != "usd_per_minute" && !number)
      return fail(ErrorCode::kConfig, fmt::format("--limit {} takes a whole number", limit.first));
    w.key(limit.first);
    limit.first == "usd_per_minute" ? w.value(limit.second) : w.value(*number);
  }
  if (!c.budgets.empty()) {
    w.key("budgets").begin_array();
    for (const std::string& text : c.budgets)
      TRY_VOID(write_budget(w, text));
    w.end_array();
  }
  w.end_object();
  return {};
}

Result<std::string> body_of(const AccountsCommand& c) {
  std::string body;
  json::Writer w(body);
  w.begin_object();
  auto text = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) w.member(key, value);
  };
  auto list = [&](std::string_view key, const std::vector<std::string>& texts) {
    if (texts.empty()) return;
    w.key(key).begin_array();
    for (const std::string& one : texts)
      if (!one.empty()) w.value(one);
    w.end_array();
  };
  text("id", c.id);
  text("name", c.name);
  text("tenant", c.tenant);
  text("team", c.team);
  text("user", c.user);
  text("state", c.state);
  text("expires", c.expires);
  list("roles", c.roles);
  list("models", c.models);
  TRY_VOID(write_limits(w, c));
  if (c.verb == "rotate") w.member("overlap_s", c.overlap_s);
  w.end_object();
  return body;
}

std::string target_of(const AccountsCommand& c) {
  std::string target = "/admin/v1/" + c.kind;
  if (!c.object.empty()) target += "/" + percent_encoded(c.object);
  if (c.verb == "rotate" || c.verb == "revoke") target += "/" + c.verb;
  return target;
}

// ----------------------------------------------------------------------------------- printing

// Text without what a terminal would obey.
std::string shown(const json::Value* value) {
  if (!value || value->type == json::Type::kNull) return "-";
  std::string text(value->raw);
  if (value->type == json::Type::kString) text = value->as_string().value_or("");
  if (value->type == json::Type::kArray) {
    text.clear();
    for (const json::Value& one : json::elements_of(value->raw))
      text += (text.empty() ? "" : ",") + one.as_string().value_or(std::string(one.raw));
  }
  std::erase_if(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  return text.empty() || text == "{}" ? "-" : text;
}

constexpr std::string_view kColumns[] = {"id",     "name",  "tenant", "team",    "user",    "roles",
                                         "models", "state", "last4",  "created", "expires", "limits"};

std::vector<std::string> cells_of(const json::Value& object) {
  json::Members members = json::members_of(object.raw);
  std::vector<std::string> cells;
  for (std::string_view column : kColumns) {
    const json::Value* value = members.find(column);
    bool time = column == "created" || column == "expires";
    auto ms = value && time ? value->as_int() : std::nullopt;
    cells.push_back(ms ? rfc3339({*ms * 1'000'000}).substr(0, 16) : shown(value));
  }
  return cells;
}

void print_table(const std::vector<json::Value>& objects) {
  std::vector<std::vector<std::string>> rows{{std::begin(kColumns), std::end(kColumns)}};
  for (const json::Value& object : objects)
    rows.push_back(cells_of(object));
  // A column that nobody fills is left out.
  for (size_t c = std::size(kColumns); c-- > 0;)
    if (std::all_of(rows.begin() + 1, rows.end(), [&](const auto& row) { return row[c] == "-"; }))
      for (auto& row : rows)
        row.erase(row.begin() + static_cast<ptrdiff_t>(c));
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      size_t width = 0;
      for (const auto& other : rows)
        width = std::max(width, other[c].size());
      line += c + 1 < row.size() ? fmt::format("{:<{}}  ", row[c], width) : row[c];
    }
    fmt::print("{}\n", line);
  }
}

Result<void> print_page(const std::string& body, std::string& next) {
  json::Parser parser;
  json::PaddedBuffer bytes(body);
  TRY(json::Document document, parser.parse(bytes.view()));
  next.clear();
  if (const json::Value* more = document.find("next")) next = more->as_string().value_or("");
  if (const json::Value* data = document.find("data")) {
    print_table(json::elements_of(data->raw));
    return {};
  }
  const json::Value* key = document.find("key");
  const json::Value* secret = document.find("secret");
  if (document.find("deleted")) {
    fmt::print("deleted\n");
    return {};
  }
  print_table({key ? *key : document.root});
  if (secret) fmt::print("\nsecret  {}\n(shown this once)\n", shown(secret));
  return {};
}

Result<void> run(const AccountsCommand& c) {
  std::string method = c.verb == "list" || c.verb == "show" ? "GET"
                       : c.verb == "update"                 ? "PATCH"
                       : c.verb == "delete"                 ? "DELETE"
                                                            : "POST";
  std::string body;
  if (method == "POST" || method == "PATCH") {
    TRY(body, body_of(c));
  }
  std::string next;
  do {
    std::string target = target_of(c);
    if (c.verb == "list") {
      target += "?limit=1000";
      for (auto [name, value] :
           {std::pair{"tenant", &c.tenant}, {"team", &c.team}, {"user", &c.user}, {"after", &next}})
        if (!value->empty()) target += fmt::format("&{}={}", name, percent_encoded(*value));
    }
    TRY(std::string answer, ask_admin(c.access, method, target, body));
    if (c.json) fmt::print("{}\n", answer);
    if (!c.json) TRY_VOID(print_page(answer, next));
  } while (!next.empty());
  return {};
}

}  // namespace

int run_accounts(const AccountsCommand& command) {
  auto done = run(command);
  if (!done) fmt::print(stderr, "weir: {}\n", done.error().message);
  return done ? 0 : 1;
}

}  // namespace weir::app
