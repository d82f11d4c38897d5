// Result<T>: a value or an Error. TRY passes the error up; CO_TRY does so in a coroutine.
#pragma once

#include <expected>
#include <utility>

#include "weir/base/error.h"

namespace weir {

template <class T>
using Result = std::expected<T, Error>;

using Unexpected = std::unexpected<Error>;

/// Fails with an error both operator and caller may read: `return fail(ErrorCode::kNotFound, "...")`.
inline Unexpected fail(ErrorCode code, std::string message, std::string param = {}, std::string reason = {}) {
  return Unexpected(make_error(code, std::move(message), std::move(param), std::move(reason)));
}

/// Fails with a message for the operator's eyes only.
inline Unexpected fail_internal(ErrorCode code, std::string operator_message) {
  return Unexpected(internal_error(code, std::move(operator_message)));
}

}  // namespace weir

#define WEIR_CONCAT_(a, b) a##b
#define WEIR_CONCAT(a, b) WEIR_CONCAT_(a, b)
#define WEIR_TRY_(tmp, ret, decl, expr)                     \
  auto tmp = (expr);                                        \
  if (!tmp) ret ::weir::Unexpected(std::move(tmp).error()); \
  decl = std::move(*tmp)

/// TRY(auto x, f()) binds the value or returns the error; CO_TRY is the same inside a coroutine.
#define TRY(decl, expr) WEIR_TRY_(WEIR_CONCAT(try_, __LINE__), return, decl, expr)
#define CO_TRY(decl, expr) WEIR_TRY_(WEIR_CONCAT(try_, __LINE__), co_return, decl, expr)
/// TRY_VOID(f()) for Result<void>.
#define TRY_VOID(expr)                                                         \
  if (auto WEIR_CONCAT(try_, __LINE__) = (expr); !WEIR_CONCAT(try_, __LINE__)) \
  return ::weir::Unexpected(std::move(WEIR_CONCAT(try_, __LINE__)).error())
#define CO_TRY_VOID(expr)                                                      \
  if (auto WEIR_CONCAT(try_, __LINE__) = (expr); !WEIR_CONCAT(try_, __LINE__)) \
  co_return ::weir::Unexpected(std::move(WEIR_CONCAT(try_, __LINE__)).error())
