// api/rest/schema.h
//
// The shape of a JSON value as data: what a request is checked against and what the OpenAPI document shows come from the same
// Schema. It says which members there are and of which kind; what the values mean (is this a CPF?) is decided further in.
//
// Threads: values made once at start; reading is free to all.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/rest/json.h"

namespace chaveiro::api::rest {

enum class Shape : std::uint8_t { text, integer, boolean, object, list };
enum class Presence : std::uint8_t { required, optional };
enum class Nullable : std::uint8_t { no, yes };

struct Schema;

struct Property {
  std::string_view name;
  const Schema* schema = nullptr;
  Presence presence = Presence::required;
  Nullable nullable = Nullable::no;
  std::string_view description = {};  // "": the schema's own says it
};

struct Schema {
  Shape shape = Shape::text;
  std::string_view name = {};         // of the component in the document; "": written where it is used
  std::string_view description = {};  // Markdown
  std::string_view example = {};      // JSON; objects and lists are made from their parts where this is ""

  std::vector<std::string_view> values = {};  // text: the only ones allowed
  std::string_view format = {};               // text: uuid, date-time
  std::string_view pattern = {};              // text: for readers of the document; the domain checks it
  std::size_t length_min = 0;                 // text, in characters
  std::size_t length_max = 0;                 // text, in characters; 0: bounded by the size of the body alone
  std::int64_t minimum = std::numeric_limits<std::int64_t>::min();
  std::int64_t maximum = std::numeric_limits<std::int64_t>::max();
  std::vector<Property> properties = {};  // object: there may be no others
  const Schema* items = nullptr;          // list
  std::size_t items_min = 0;
  std::size_t items_max = 0;  // 0: no limit of its own
};

// A table of properties reads best in these words.
inline Property must(std::string_view name, const Schema& schema, std::string_view description = {}) {
  return {name, &schema, Presence::required, Nullable::no, description};
}
inline Property may(std::string_view name, const Schema& schema, std::string_view description = {}) {
  return {name, &schema, Presence::optional, Nullable::no, description};
}
inline Property must_or_null(std::string_view name, const Schema& schema, std::string_view description = {}) {
  return {name, &schema, Presence::required, Nullable::yes, description};
}
inline Property may_or_null(std::string_view name, const Schema& schema, std::string_view description = {}) {
  return {name, &schema, Presence::optional, Nullable::yes, description};
}
inline Schema object(std::string_view name, std::vector<Property> properties, std::string_view description = {}) {
  return {.shape = Shape::object, .name = name, .description = description, .properties = std::move(properties)};
}
inline Schema list_of(const Schema& items, std::size_t items_max = 0) {
  return {.shape = Shape::list, .items = &items, .items_max = items_max};
}

// Every fault of form: unknown, missing and wrongly typed members, integers and lists out of bounds. The path of the faulty
// member stands in each. An empty answer means that the members can be read without asking again.
std::vector<FieldViolation> check_shape(const Json& value, const Schema& schema);

// As JSON Schema 2020-12, the dialect of OpenAPI 3.1. Named schemas inside become references to #/components/schemas/NAME.
void write_schema(JsonWriter& out, const Schema& schema);
// The schema itself, also where it has a name: what stands under components.
void write_component(JsonWriter& out, const Schema& schema);
// The named schemas that this one needs, itself included, without repetition, into `found`.
void collect_named(const Schema& schema, std::vector<const Schema*>& found);

// An example of a whole value.
std::string example_of(const Schema& schema);

}  // namespace chaveiro::api::rest
