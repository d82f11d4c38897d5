// The route table: routes.inc as constants. Default deny: what matches no row is 404, whatever the spelling
// (`//`, `%2e`, another case, a slash at the end); no header can turn one method into another.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "weir/accounts/permission.h"
#include "weir/base/result.h"
#include "weir/io/task.h"

namespace weir::admin {

class Call;
struct Answer;

enum class Route : uint8_t {
#define WEIR_ADMIN_ROUTE(name, method, pattern, takes, tenant) k##name,
#include "weir/admin/routes.inc"
#undef WEIR_ADMIN_ROUTE
};

/// Answers one request that has passed every check of its row. One specialisation a row, in the file of what
/// it is about. An error is sent in OpenAI's shape.
template <Route>
io::Task<Result<Answer>> serve(Call& call);

enum class Tenant : uint8_t { kNone, kOwn, kAll };

/// What a row takes of its caller.
struct Takes {
  bool key = true;                        // who sends none is refused
  accounts::Permissions permissions = 0;  // one of them; 0: any key
};
inline constexpr Takes kNoKey{false, 0};
inline constexpr Takes kAnyKey{true, 0};
template <class... P>
constexpr Takes take(P... permissions) {
  return {true, accounts::mask(permissions...)};
}

struct Row {
  std::string_view name;
  std::string_view method;
  std::string_view pattern;  // "{id}" stands for one segment, "*" at the end for all that follows
  Takes takes;
  Tenant tenant;
  io::Task<Result<Answer>> (*serve)(Call&);
};

std::span<const Row> rows();

/// What a path is, whatever the method.
struct Match {
  std::array<const Row*, 8> rows{};  // one a method
  size_t count = 0;
  std::string_view id;    // what "{id}" stands for
  std::string_view rest;  // what "*" stands for

  const Row* of(std::string_view method) const;
};
/// Count 0: there is no such path.
Match match(std::string_view path);

}  // namespace weir::admin
