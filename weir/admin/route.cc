#include "weir/admin/route.h"

#include <algorithm>

#include "weir/admin/call.h"

namespace weir::admin {
namespace {

using enum accounts::Permission;
using enum Tenant;

constexpr Row kRows[] = {
#define WEIR_ADMIN_ROUTE(name, method, pattern, takes, tenant) \
  {#name, method, pattern, takes, tenant, &serve<Route::k##name>},
#include "weir/admin/routes.inc"
#undef WEIR_ADMIN_ROUTE
};

constexpr size_t kIdBytesMax = 64;

// Letters, digits, _ and -, and a dot that is not the first: no segment that anything could resolve.
bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= kIdBytesMax && text.front() != '.' &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                  c == '-' || c == '.';
         });
}

bool matches(std::string_view pattern, std::string_view path, std::string_view& id, std::string_view& rest) {
  while (!pattern.empty()) {
    if (pattern == "*") {
      rest = path;
      return true;
    }
    if (pattern.starts_with("{id}")) {
      std::string_view segment = path.substr(0, path.find('/'));
      if (!is_id(segment)) return false;
      id = segment;
      pattern.remove_prefix(4);
      path.remove_prefix(segment.size());
      continue;
    }
    if (path.empty() || path.front() != pattern.front()) return false;
    pattern.remove_prefix(1);
    path.remove_prefix(1);
  }
  return path.empty();
}

}  // namespace

std::span<const Row> rows() {
  return kRows;
}

const Row* Match::of(std::string_view method) const {
  if (method == "HEAD") method = "GET";
  for (size_t i = 0; i < count; ++i)
    if (rows[i]->method == method) return rows[i];
  return nullptr;
}

Match match(std::string_view path) {
  Match found;
  for (const Row& row : kRows) {
    std::string_view id, rest;
    if (!matches(row.pattern, path, id, rest)) continue;
    // Rows of one pattern stand for one path; the first pattern that matches decides.
    if (found.count > 0 && found.rows[0]->pattern != row.pattern) continue;
    if (found.count == found.rows.size()) break;
    found.rows[found.count++] = &row;
    found.id = id;
    found.rest = rest;
  }
  return found;
}

}  // namespace weir::admin
