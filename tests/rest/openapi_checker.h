// tests/rest/openapi_checker.h
//
// A small reader of OpenAPI 3.1 documents for tests: follows references, and holds a value against a JSON Schema (type, enum,
// pattern, format, bounds, required, additionalProperties, items, anyOf). It knows nothing of the code that wrote the document.
//
// Threads: one at a time.
#pragma once

#include <regex>
#include <set>
#include <string>
#include <vector>

#include "api/rest/json.h"
#include "base/clock.h"
#include "base/uuid.h"

namespace chaveiro::rest_test {

using api::rest::Json;
using api::rest::JsonMember;

class OpenApi {
 public:
  explicit OpenApi(std::string_view text)
      : document_(api::rest::parse_json(text, {.depth_max = 40, .values_max = 200'000}).value()) {}

  const Json& document() const { return document_; }
  const Json& at(std::initializer_list<std::string_view> path) const {
    const Json* value = &document_;
    static const Json none;
    for (const std::string_view name : path)
      if (!(value = value->find(name))) return none;
    return *value;
  }
  // "#/components/schemas/Entry"; null where the document has no such thing.
  const Json* follow(const std::string& reference) const {
    if (!reference.starts_with("#/")) return nullptr;
    const Json* value = &document_;
    for (std::size_t begin = 2; value && begin <= reference.size();) {
      const std::size_t end = std::min(reference.find('/', begin), reference.size());
      value = value->find(reference.substr(begin, end - begin));
      begin = end + 1;
    }
    return value;
  }

  // Every $ref of the document.
  std::vector<std::string> references() const {
    std::vector<std::string> found;
    collect(document_, found);
    return found;
  }

  // What of `value` does not fit; empty: everything does.
  std::vector<std::string> faults(const Json& value, const Json& schema, const std::string& path = "$") const {
    std::vector<std::string> found;
    check(value, schema, path, found);
    return found;
  }

 private:
  static void collect(const Json& value, std::vector<std::string>& found) {
    if (const auto* object = value.object())
      for (const JsonMember& member : *object) {
        if (member.name == "$ref" && member.value.text()) found.push_back(*member.value.text());
        collect(member.value, found);
      }
    if (const auto* list = value.list())
      for (const Json& item : *list) collect(item, found);
  }

  static std::string kind_of(const Json& value) {
    if (value.is_null()) return "null";
    if (value.boolean()) return "boolean";
    if (value.integer()) return "integer";
    if (value.number()) return "number";
    if (value.text()) return "string";
    return value.list() ? "array" : "object";
  }

  void check(const Json& value, const Json& schema, const std::string& path, std::vector<std::string>& found) const {
    if (const Json* reference = schema.find("$ref")) {
      const Json* target = follow(*reference->text());
      if (!target) return found.push_back(path + ": " + *reference->text() + " leads nowhere");
      return check(value, *target, path, found);
    }
    if (const Json* any = schema.find("anyOf")) {
      for (const Json& one : *any->list())
        if (faults(value, one, path).empty()) return;
      return found.push_back(path + ": fits none of anyOf");
    }
    if (const Json* type = schema.find("type"); type && !is_of(value, *type))
      return found.push_back(path + ": is " + kind_of(value) + ", not " + to_text(*type));
    check_enum(value, schema, path, found);
    if (const auto* text = value.text()) check_text(*text, schema, path, found);
    if (const auto* number = value.integer()) check_number(*number, schema, path, found);
    if (value.list()) check_list(value, schema, path, found);
    if (value.object()) check_object(value, schema, path, found);
  }

  static bool is_of(const Json& value, const Json& type) {
    const std::string kind = kind_of(value);
    const auto fits = [&](const std::string& name) { return name == kind || (name == "number" && kind == "integer"); };
    if (type.text()) return fits(*type.text());
    for (const Json& one : *type.list())
      if (fits(*one.text())) return true;
    return false;
  }

  static void check_enum(const Json& value, const Json& schema, const std::string& path,
                         std::vector<std::string>& found) {
    const Json* allowed = schema.find("enum");
    if (!allowed) return;
    for (const Json& one : *allowed->list())
      if (to_text(one) == to_text(value)) return;
    found.push_back(path + ": is none of the enum");
  }

  static void check_text(const std::string& text, const Json& schema, const std::string& path,
                         std::vector<std::string>& found) {
    if (const Json* pattern = schema.find("pattern"); pattern && !std::regex_search(text, std::regex(*pattern->text())))
      found.push_back(path + ": does not match " + *pattern->text());
    if (const Json* format = schema.find("format")) {
      if (*format->text() == "uuid" && !Uuid::parse(text)) found.push_back(path + ": is no UUID");
      if (*format->text() == "date-time" && !parse_rfc3339(text)) found.push_back(path + ": is no date-time");
    }
    if (const Json* least = schema.find("minLength");
        least && text.size() < static_cast<std::size_t>(*least->integer()))
      found.push_back(path + ": is too short");
    if (const Json* most = schema.find("maxLength");
        most && text.size() > 4 * static_cast<std::size_t>(*most->integer()))
      found.push_back(path + ": is too long");
  }

  static void check_number(std::int64_t number, const Json& schema, const std::string& path,
                           std::vector<std::string>& found) {
    if (const Json* least = schema.find("minimum"); least && number < *least->integer())
      found.push_back(path + ": is too small");
    if (const Json* most = schema.find("maximum"); most && number > *most->integer())
      found.push_back(path + ": is too big");
  }

  void check_list(const Json& value, const Json& schema, const std::string& path,
                  std::vector<std::string>& found) const {
    const Json* items = schema.find("items");
    if (!items) return;
    for (std::size_t i = 0; i < value.list()->size(); ++i)
      check((*value.list())[i], *items, path + "[" + std::to_string(i) + "]", found);
  }

  void check_object(const Json& value, const Json& schema, const std::string& path,
                    std::vector<std::string>& found) const {
    const Json* properties = schema.find("properties");
    if (!properties) return;
    for (const JsonMember& member : *value.object()) {
      const Json* known = properties->find(member.name);
      known ? check(member.value, *known, path + "." + member.name, found)
            : found.push_back(path + "." + member.name + ": is not in the schema");
    }
    if (const Json* required = schema.find("required"))
      for (const Json& name : *required->list())
        if (!value.find(*name.text())) found.push_back(path + "." + *name.text() + ": is missing");
  }

  Json document_;
};

}  // namespace chaveiro::rest_test
