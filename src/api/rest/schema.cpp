#include "api/rest/schema.h"

#include <algorithm>

namespace chaveiro::api::rest {
namespace {

std::string_view type_name(Shape shape) {
  switch (shape) {
    case Shape::text:
      return "string";
    case Shape::integer:
      return "integer";
    case Shape::boolean:
      return "boolean";
    case Shape::object:
      return "object";
    case Shape::list:
      return "array";
  }
  return "";
}

std::string_view wanted(Shape shape) {
  switch (shape) {
    case Shape::text:
      return "must be a text";
    case Shape::integer:
      return "must be a whole number";
    case Shape::boolean:
      return "must be true or false";
    case Shape::object:
      return "must be an object";
    case Shape::list:
      return "must be a list";
  }
  return "";
}

std::string or_body(const std::string& path) { return path.empty() ? "body" : path; }

// What the caller called it, cut short and without what could hurt a log or a terminal.
std::string shown(std::string_view name) {
  std::string text;
  for (const char c : name.substr(0, 64)) text += c >= ' ' && c != 0x7f ? c : '?';
  return text;
}

class Checker {
 public:
  void check(const Json& value, const Schema& schema, const std::string& path) {
    switch (schema.shape) {
      case Shape::text:
        return check_text(value, schema, path);
      case Shape::integer:
        return check_integer(value, schema, path);
      case Shape::boolean:
        return value.boolean() ? void() : refuse(path, wanted(schema.shape));
      case Shape::object:
        return check_object(value, schema, path);
      case Shape::list:
        return check_list(value, schema, path);
    }
  }

  std::vector<FieldViolation> faults;

 private:
  static constexpr std::size_t faults_max = 100;

  void refuse(const std::string& path, std::string_view what) {
    if (faults.size() < faults_max) faults.push_back({or_body(path), std::string(what)});
  }

  void check_text(const Json& value, const Schema& schema, const std::string& path) {
    const auto* text = value.text();
    if (!text) return refuse(path, wanted(schema.shape));
    if (schema.length_min > 0 && text->empty()) return refuse(path, "must not be empty");
    const auto characters = static_cast<std::size_t>(std::count_if(
        text->begin(), text->end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u; }));
    if (schema.length_max > 0 && characters > schema.length_max)
      refuse(path, "must have at most " + std::to_string(schema.length_max) + " characters");
  }

  void check_integer(const Json& value, const Schema& schema, const std::string& path) {
    const auto* number = value.integer();
    if (!number) return refuse(path, wanted(schema.shape));
    if (*number < schema.minimum) refuse(path, "must be at least " + std::to_string(schema.minimum));
    if (*number > schema.maximum) refuse(path, "must be at most " + std::to_string(schema.maximum));
  }

  void check_list(const Json& value, const Schema& schema, const std::string& path) {
    const auto* list = value.list();
    if (!list) return refuse(path, wanted(schema.shape));
    if (list->size() < schema.items_min)
      refuse(path, "must have at least " + std::to_string(schema.items_min) + " items");
    if (schema.items_max > 0 && list->size() > schema.items_max)
      return refuse(path, "must have at most " + std::to_string(schema.items_max) + " items");
    for (std::size_t i = 0; i < list->size(); ++i) check((*list)[i], *schema.items, item_path(path, i));
  }

  void check_object(const Json& value, const Schema& schema, const std::string& path) {
    const auto* object = value.object();
    if (!object) return refuse(path, wanted(schema.shape));
    for (const JsonMember& member : *object) {
      const auto known = std::ranges::find(schema.properties, std::string_view(member.name), &Property::name);
      if (known == schema.properties.end()) {
        refuse(field_path(path, shown(member.name)), "is not a known field");
      } else if (!(member.value.is_null() && known->nullable == Nullable::yes)) {
        check(member.value, *known->schema, field_path(path, member.name));
      }
    }
    for (const Property& property : schema.properties)
      if (property.presence == Presence::required && !value.find(property.name))
        refuse(field_path(path, property.name), "is missing");
  }
};

void write_reference(JsonWriter& out, const Schema& schema) {
  out.begin_object().field("$ref", "#/components/schemas/" + std::string(schema.name)).end_object();
}

void write_members(JsonWriter& out, const Schema& schema, Nullable nullable, std::string_view description);

void write_property(JsonWriter& out, const Property& property) {
  const Schema& schema = *property.schema;
  out.name(property.name);
  if (schema.name.empty()) {
    out.begin_object();
    write_members(out, schema, property.nullable, property.description);
    out.end_object();
    return;
  }
  if (property.nullable == Nullable::no && property.description.empty()) return write_reference(out, schema);
  out.begin_object();
  if (!property.description.empty()) out.field("description", property.description);
  if (property.nullable == Nullable::no) {
    out.field("$ref", "#/components/schemas/" + std::string(schema.name));
  } else {
    out.name("anyOf").begin_list();
    write_reference(out, schema);
    out.begin_object().field("type", "null").end_object();
    out.end_list();
  }
  out.end_object();
}

void write_object_members(JsonWriter& out, const Schema& schema) {
  out.name("properties").begin_object();
  for (const Property& property : schema.properties) write_property(out, property);
  out.end_object();
  const auto required = [](const Property& property) { return property.presence == Presence::required; };
  if (std::ranges::any_of(schema.properties, required)) {
    out.name("required").begin_list();
    for (const Property& property : schema.properties)
      if (required(property)) out.text(property.name);
    out.end_list();
  }
  out.name("additionalProperties").boolean(false);
}

void write_members(JsonWriter& out, const Schema& schema, Nullable nullable, std::string_view description) {
  out.name("type");
  if (nullable == Nullable::yes) {
    out.begin_list().text(type_name(schema.shape)).text("null").end_list();
  } else {
    out.text(type_name(schema.shape));
  }
  if (const auto text = description.empty() ? schema.description : description; !text.empty())
    out.field("description", text);
  if (!schema.values.empty()) {
    out.name("enum").begin_list();
    for (const std::string_view value : schema.values) out.text(value);
    if (nullable == Nullable::yes) out.null();
    out.end_list();
  }
  if (!schema.format.empty()) out.field("format", schema.format);
  if (!schema.pattern.empty()) out.field("pattern", schema.pattern);
  if (schema.length_min > 0) out.name("minLength").unsigned_integer(schema.length_min);
  if (schema.length_max > 0) out.name("maxLength").unsigned_integer(schema.length_max);
  if (schema.minimum != std::numeric_limits<std::int64_t>::min()) out.name("minimum").integer(schema.minimum);
  if (schema.maximum != std::numeric_limits<std::int64_t>::max()) out.name("maximum").integer(schema.maximum);
  if (schema.shape == Shape::object) write_object_members(out, schema);
  if (schema.shape == Shape::list) {
    out.name("items");
    write_schema(out, *schema.items);
    if (schema.items_min > 0) out.name("minItems").unsigned_integer(schema.items_min);
    if (schema.items_max > 0) out.name("maxItems").unsigned_integer(schema.items_max);
  }
  if (!schema.example.empty()) out.name("examples").begin_list().raw(schema.example).end_list();
}

void write_example(JsonWriter& out, const Schema& schema) {
  if (!schema.example.empty()) {
    out.raw(schema.example);
  } else if (schema.shape == Shape::object) {
    out.begin_object();
    for (const Property& property : schema.properties) write_example(out.name(property.name), *property.schema);
    out.end_object();
  } else if (schema.shape == Shape::list) {
    out.begin_list();
    write_example(out, *schema.items);
    out.end_list();
  } else if (!schema.values.empty()) {
    out.text(schema.values.front());
  } else {
    out.null();
  }
}

}  // namespace

std::vector<FieldViolation> check_shape(const Json& value, const Schema& schema) {
  Checker checker;
  checker.check(value, schema, "");
  return std::move(checker.faults);
}

void write_schema(JsonWriter& out, const Schema& schema) {
  if (!schema.name.empty()) return write_reference(out, schema);
  out.begin_object();
  write_members(out, schema, Nullable::no, "");
  out.end_object();
}

void write_component(JsonWriter& out, const Schema& schema) {
  out.begin_object();
  write_members(out, schema, Nullable::no, "");
  out.end_object();
}

void collect_named(const Schema& schema, std::vector<const Schema*>& found) {
  if (!schema.name.empty()) {
    if (std::ranges::find(found, &schema) != found.end()) return;
    found.push_back(&schema);
  }
  for (const Property& property : schema.properties) collect_named(*property.schema, found);
  if (schema.items) collect_named(*schema.items, found);
}

std::string example_of(const Schema& schema) {
  JsonWriter out;
  write_example(out, schema);
  return out.take();
}

}  // namespace chaveiro::api::rest
