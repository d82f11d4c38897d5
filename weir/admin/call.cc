#include "weir/admin/call.h"

#include <charconv>

namespace weir::admin {
namespace {

constexpr size_t kBodyBytesMax = 256 << 10;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (char l = lower(c); l >= 'a' && l <= 'f') return l - 'a' + 10;
  return -1;
}

std::string decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

}  // namespace

std::optional<std::string> Call::query(std::string_view name) const {
  std::string_view left = request.head.query;
  while (!left.empty()) {
    std::string_view one = left.substr(0, left.find('&'));
    left.remove_prefix(std::min(one.size() + 1, left.size()));
    size_t equals = std::min(one.find('='), one.size());
    if (one.substr(0, equals) == name) return decoded(one.substr(std::min(equals + 1, one.size())));
  }
  return std::nullopt;
}

Result<int64_t> Call::query_integer(std::string_view name, int64_t otherwise, int64_t min,
                                    int64_t max) const {
  std::optional<std::string> said = query(name);
  if (!said) return otherwise;
  int64_t number = 0;
  auto [end, error] = std::from_chars(said->data(), said->data() + said->size(), number);
  if (error != std::errc() || end != said->data() + said->size() || number < min || number > max)
    return fail(ErrorCode::kInvalidRequest,
                "'" + std::string(name) + "' must be a number from " + std::to_string(min) + " to " +
                    std::to_string(max),
                std::string(name), "invalid_value");
  return number;
}

Result<Page> Call::page() const {
  TRY(int64_t limit, query_integer("limit", 100, 1, 1000));
  return Page{static_cast<size_t>(limit), query("after").value_or("")};
}

std::optional<std::string> Call::tenant() const {
  if (auto named = query("tenant")) return named;
  if (permits(accounts::Permission::kAllTenants)) return std::nullopt;
  return std::string(caller.tenant());
}

Result<accounts::Accounts*> Call::accounts() const {
  if (world.accounts) return world.accounts;
  return fail(ErrorCode::kNotFound, "This gateway keeps no accounts (accounts.enabled).", {}, "no_accounts");
}

io::Task<Result<json::Document>> Call::read_body() {
  CO_TRY(body_, co_await request.read_body(kBodyBytesMax));
  CO_TRY(json::Document document, parser_.parse(body_.view()));
  if (document.type != json::Type::kObject)
    co_return fail(ErrorCode::kInvalidRequest, "The body must be a JSON object.", {}, "invalid_json");
  co_return document;
}

Unexpected not_found(std::string_view what, std::string_view id) {
  return fail(ErrorCode::kNotFound, "There is no " + std::string(what) + " '" + std::string(id) + "'.", "id",
              std::string(what) + "_not_found");
}

}  // namespace weir::admin
