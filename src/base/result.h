// base/result.h
//
// Result<T>: a value, or an Error that says what the caller can do about it. It is spelled as a subset of std::expected, so
// that it can become it. Nothing in the platform throws across a room: exceptions are for starting up only.
//
// Threads: a value like any other; no sharing inside.
// Errors:  the closed set Code. What each means to a caller stands beside it; `reason` carries the official error type of the
//          directory's API ("EntryLockedByClaim") or a name of ours in the same style, for people and for programs.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"

namespace chaveiro {

// What a caller can do. One table maps it to gRPC, HTTP and exit codes (api/status.h).
enum class Code : std::uint8_t {
  invalid,          // the request is wrong: mend it; repeating it cannot help
  unauthenticated,  // say who you are
  forbidden,        // you are known and may not
  not_found,        // there is no such thing (for this caller)
  exists,           // it is there already
  conflict,         // the state does not allow it now, or it changed meanwhile: read again, decide again
  exhausted,        // a limit or a full queue: wait `retry_after`
  deadline,         // the time ran out; nothing was changed
  cancelled,        // the caller gave up; nothing was changed
  unavailable,      // a neighbour is away: try again later; nothing was changed
  maybe_applied,    // a write may have happened: ask, or repeat it with the same request id
  corrupt,          // stored or received data is damaged: a person must look
  internal,         // a fault of ours
};

// "invalid", "not_found", … : the name of a code as logs and `--json` show it.
std::string_view to_string(Code code);

// One faulty field of a request. `field` is the path as the caller wrote it ("account.branch", "keys[3].key").
struct FieldViolation {
  std::string field;
  std::string description;  // what is wrong, in words; never the value of a secret or of a personal key
  bool operator==(const FieldViolation&) const = default;
};

struct Error {
  Code code = Code::internal;
  std::string reason;   // official error type, or ours in that style; may be empty
  std::string message;  // for people; holds no personal data
  std::vector<FieldViolation> violations = {};
  std::optional<std::chrono::milliseconds> retry_after = {};
};

// Errors made in one line: `return fail(Code::not_found, "NotFound", "no entry with this key");`
inline Error fail(Code code, std::string reason, std::string message) {
  return Error{code, std::move(reason), std::move(message), {}, {}};
}
// A faulty field: Code::invalid, with the violation attached.
inline Error fail_field(std::string field, std::string description, std::string reason = "BadRequest") {
  std::string message = field + ": " + description;
  return Error{Code::invalid, std::move(reason), std::move(message), {{std::move(field), std::move(description)}}, {}};
}

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  template <class U>
    requires(std::is_convertible_v<U &&, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error> && !std::is_same_v<std::remove_cvref_t<U>, Result<T>>)
  Result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  // Asking for the value of an error, or for the error of a value, is a bug. A temporary gives its value away, not a
  // reference into itself as std::expected does: `for (auto& x : *list())` would walk through what is gone already.
  T& value() & { return CHECK(has_value()), *std::get_if<0>(&state_); }
  const T& value() const& { return CHECK(has_value()), *std::get_if<0>(&state_); }
  T value() && { return CHECK(has_value()), std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Error& error() & { return CHECK(!has_value()), *std::get_if<1>(&state_); }
  const Error& error() const& { return CHECK(!has_value()), *std::get_if<1>(&state_); }
  Error error() && { return CHECK(!has_value()), std::move(*std::get_if<1>(&state_)); }

  template <class U>
  T value_or(U&& other) const& {
    return has_value() ? value() : static_cast<T>(std::forward<U>(other));
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  void value() const { CHECK(has_value()); }

  Error& error() & { return CHECK(!has_value()), *error_; }
  const Error& error() const& { return CHECK(!has_value()), *error_; }
  Error error() && { return CHECK(!has_value()), std::move(*error_); }

 private:
  std::optional<Error> error_;
};

}  // namespace chaveiro

// TRY(auto x, expression): x is the value, or the enclosing function returns the error.
// TRY_VOID(expression): the same where the value is void or not wanted.
#define CHAVEIRO_TRY_CAT2(a, b) a##b
#define CHAVEIRO_TRY_CAT(a, b) CHAVEIRO_TRY_CAT2(a, b)
#define TRY(declaration, ...) CHAVEIRO_TRY_IMPL(CHAVEIRO_TRY_CAT(try_result_, __LINE__), declaration, __VA_ARGS__)
#define CHAVEIRO_TRY_IMPL(name, declaration, ...) \
  auto name = (__VA_ARGS__);                      \
  if (!name) return std::move(name).error();      \
  declaration = std::move(name).value()
#define TRY_VOID(...)                                                                                      \
  do {                                                                                                     \
    if (auto try_void_result = (__VA_ARGS__); !try_void_result) return std::move(try_void_result).error(); \
  } while (false)
