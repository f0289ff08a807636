// api/rest/input.h
//
// What came with a request, by name: path, query and header parameters, and members of the body by their path
// ("owner.name", "lookups[2].key"). Form is checked once, when the Input is made: unknown, repeated, missing and wrongly typed
// things are refused there, all at once. read() then asks Fields for the meaning of a value, and only of values that are there
// and have the right form, so that nothing is told twice.
//
//   const auto type = in.read("key_type", &Fields::key_type);
//   const auto account = in.read("account_id", &Fields::account_id);
//   TRY_VOID(in.verdict());
//   … *type … *account …
//
// Threads: one caller at a time.
// Errors:  verdict(): invalid, with every fault of form and of meaning, each under the name that the caller used.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/fields.h"
#include "api/rest/json.h"
#include "api/rest/schema.h"
#include "net/http.h"

namespace chaveiro::api::rest {

enum class Place : std::uint8_t { path, query, header };

struct Parameter {
  Place place = Place::query;
  std::string_view name;
  const Schema* schema = nullptr;
  Presence presence = Presence::optional;
  std::string_view description = {};
};

// What a route lets in.
struct InputForm {
  const std::vector<Parameter>* parameters = nullptr;
  const Schema* body = nullptr;  // null: no body, at most {}
};

using PathValues = std::vector<std::pair<std::string_view, std::string>>;  // decoded

class Input {
 public:
  // `request.body` is read unless the body is streamed.
  Input(const FieldRules& rules, const InputForm& form, const net::Request& request, PathValues path_values);

  // The value as text: nothing where it is absent, null or of the wrong form. Numbers of the query come as they were written.
  std::optional<std::string_view> text(std::string_view name) const;
  std::optional<std::int64_t> integer(std::string_view name) const;
  bool is_null(std::string_view name) const;
  std::size_t items(std::string_view name) const;  // length of a list in the body; 0 where there is none

  template <class T>
  std::optional<T> read(std::string name, std::optional<T> (Fields::*meaning)(std::string, std::string_view)) {
    const auto value = text(name);
    if (!value) return std::nullopt;
    return (fields_.*meaning)(std::move(name), *value);
  }

  std::optional<directory::Key> key(const std::string& name, std::optional<directory::KeyType> type) {
    const auto value = text(name);
    return value ? fields_.key(name, type, *value) : std::nullopt;
  }
  std::optional<std::string> limited_text(const std::string& name, std::size_t length_max) {
    const auto value = text(name);
    return value ? fields_.text(name, *value, length_max) : std::nullopt;
  }

  Fields& fields() { return fields_; }
  bool ok() const { return fields_.ok(); }
  Result<void> verdict() const { return fields_.verdict(); }

 private:
  void read_parameters(const InputForm& form, const net::Request& request);
  void read_body(const InputForm& form, const net::Request& request);
  const Json* member(std::string_view name) const;

  Fields fields_;
  PathValues values_;  // path values, and what was found in query and headers
  Json body_;
  std::set<std::string, std::less<>> faulty_;  // names with a fault of form: they are not read
};

}  // namespace chaveiro::api::rest
