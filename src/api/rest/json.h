// api/rest/json.h
//
// JSON as the REST edge reads and writes it: strict on the way in, canonical on the way out. Nothing of the library behind it is
// seen from here.
//
// Reading refuses what other readers let pass: a name that stands twice in one object, bytes that are no UTF-8, numbers that do
// not fit, more nesting or more values than the limits allow. Each fault names the field where it lies.
//
// Threads: plain values and pure functions. Time: O(length); the limits bound the memory, whatever the text is.
// Source:  RFC 8259, RFC 7493 (I-JSON).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace chaveiro::api::rest {

struct JsonMember;

struct Json {
  using List = std::vector<Json>;
  using Object = std::vector<JsonMember>;  // in the order of the text
  using Value = std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, List, Object>;

  // Written below, where JsonMember is whole.
  Json();
  explicit Json(Value its_value);
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value); }
  const bool* boolean() const { return std::get_if<bool>(&value); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&value); }
  const double* number() const { return std::get_if<double>(&value); }  // with a fraction or an exponent
  const std::string* text() const { return std::get_if<std::string>(&value); }
  const List* list() const { return std::get_if<List>(&value); }
  const Object* object() const { return std::get_if<Object>(&value); }

  // The member of an object; null where this is no object or has none of that name.
  const Json* find(std::string_view name) const;

  Value value;
};

struct JsonMember {
  std::string name;
  Json value;
};

inline Json::Json() = default;
inline Json::Json(Value its_value) : value(std::move(its_value)) {}
inline Json::Json(const Json&) = default;
inline Json::Json(Json&&) noexcept = default;
inline Json& Json::operator=(const Json&) = default;
inline Json& Json::operator=(Json&&) noexcept = default;
inline Json::~Json() = default;

struct JsonLimits {
  std::size_t depth_max = 16;  // objects and lists inside one another
  std::size_t values_max =
      20000;  // values and names together: what bounds the memory of a hostile text (and 200 names an object)
};

// Errors: invalid with reason BadRequest: a fault of syntax with its line and column, or every repeated name and unfit number
// with the path of its field ("account.branch", "lookups[3].key"). Values are never repeated in messages.
Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});

// "a" and "b" make "a.b"; an empty prefix makes "b", an empty name is shown as "".
std::string field_path(std::string_view prefix, std::string_view name);
std::string item_path(std::string_view prefix, std::size_t index);

// Writes JSON text, value after value; commas are its business. Text that is no UTF-8 is written with U+FFFD in the place of each
// faulty byte.
class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_list();
  JsonWriter& end_list();
  JsonWriter& name(std::string_view name);
  JsonWriter& text(std::string_view value);
  JsonWriter& integer(std::int64_t value);
  JsonWriter& unsigned_integer(std::uint64_t value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // a whole value that is JSON already

  JsonWriter& field(std::string_view field, std::string_view value) { return name(field).text(value); }

  // What was written. Asking while an object or a list is open is a bug.
  std::string take();

 private:
  void separate();
  std::string out_;
  std::vector<bool> has_items_;  // one for each open object or list
  bool after_name_ = false;
};

// The same value as compact text.
std::string to_text(const Json& value);

}  // namespace chaveiro::api::rest
