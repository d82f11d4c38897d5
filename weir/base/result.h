// Result<T>: a value or an Error. TRY passes the error up; CO_TRY does so in a coroutine. The error lies
// apart: an open stream keeps a dozen coroutine frames, most with two results and more in them, and hardly
// any fails.
#pragma once

#include <concepts>
#include <expected>
#include <memory>
#include <type_traits>
#include <utility>

#include "weir/base/assert.h"
#include "weir/base/error.h"

namespace weir {

using Unexpected = std::unexpected<Error>;

namespace detail {

// An Error on the heap that is copied with its owner. Empty once it was moved.
class ErrorBox {
 public:
  explicit ErrorBox(Error error) : error_(std::make_unique<Error>(std::move(error))) {}
  ErrorBox(const ErrorBox& other) : error_(std::make_unique<Error>(*other)) {}
  ErrorBox(ErrorBox&&) noexcept = default;
  ErrorBox& operator=(ErrorBox other) noexcept {
    error_.swap(other.error_);
    return *this;
  }
  ~ErrorBox() = default;
  Error& operator*() const {
    WEIR_ASSERT(error_);
    return *error_;
  }

 private:
  std::unique_ptr<Error> error_;
};

}  // namespace detail

/// As std::expected<T, Error>, except that error() of a result that was moved away may not be asked for.
template <class T>
class Result {
 public:
  Result()
    requires std::default_initializable<T>
  = default;
  template <class U = T>
    requires(std::is_constructible_v<T, U> && !std::same_as<std::remove_cvref_t<U>, Result> &&
             !std::same_as<std::remove_cvref_t<U>, Unexpected>)
  explicit(!std::is_convertible_v<U, T>) Result(U&& value) : state_(std::in_place, std::forward<U>(value)) {}
  Result(Unexpected error) : state_(std::unexpect, std::move(error).error()) {}
  template <class U>
    requires(std::is_convertible_v<U, T> && !std::same_as<U, T>)
  Result(Result<U>&& other) : state_(std::unexpect, Error()) {
    if (other)
      state_ = T(*std::move(other));
    else
      *state_.error() = std::move(other).error();
  }

  bool has_value() const { return state_.has_value(); }
  explicit operator bool() const { return state_.has_value(); }
  T& operator*() & { return *state_; }
  const T& operator*() const& { return *state_; }
  T&& operator*() && { return *std::move(state_); }
  T* operator->() { return &*state_; }
  const T* operator->() const { return &*state_; }
  T& value() & { return state_.value(); }
  const T& value() const& { return state_.value(); }
  T&& value() && { return std::move(state_).value(); }
  template <class U>
  T value_or(U&& other) const& {
    return state_.value_or(std::forward<U>(other));
  }
  template <class U>
  T value_or(U&& other) && {
    return std::move(state_).value_or(std::forward<U>(other));
  }
  Error& error() & { return *state_.error(); }
  const Error& error() const& { return *state_.error(); }
  Error&& error() && { return std::move(*state_.error()); }

 private:
  std::expected<T, detail::ErrorBox> state_;
};

template <>
class Result<void> {
 public:
  Result() = default;
  Result(Unexpected error) : state_(std::unexpect, std::move(error).error()) {}

  bool has_value() const { return state_.has_value(); }
  explicit operator bool() const { return state_.has_value(); }
  void value() const { state_.value(); }
  Error& error() & { return *state_.error(); }
  const Error& error() const& { return *state_.error(); }
  Error&& error() && { return std::move(*state_.error()); }

 private:
  std::expected<void, detail::ErrorBox> state_;
};

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
