#include "api/rest/input.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace chaveiro::api::rest {
namespace {

// The member or item that `path` starts with, and what is left of the path.
std::pair<std::string_view, std::string_view> first_step(std::string_view path) {
  const auto end = path.find_first_of(".[");
  if (end == std::string_view::npos) return {path, {}};
  return {path.substr(0, end), path.substr(path[end] == '.' ? end + 1 : end)};
}

bool is_json(std::string_view content_type) {
  const auto type = trim(content_type.substr(0, content_type.find(';')));
  return type.empty() || equal_ignoring_ascii_case(type, "application/json");
}

// Parameters are texts; those whose schema is an integer are read as one.
Json value_of(const Schema& schema, std::string_view text) {
  if (schema.shape != Shape::integer) return Json{std::string(text)};
  const auto number = parse_int(text);
  return number ? Json{*number} : Json{std::string(text)};
}

}  // namespace

Input::Input(const FieldRules& rules, const InputForm& form, const net::Request& request, PathValues path_values)
    : fields_(rules), values_(std::move(path_values)) {
  read_parameters(form, request);
  if (!request.stream) read_body(form, request);
}

void Input::read_parameters(const InputForm& form, const net::Request& request) {
  const auto refuse = [&](std::string name, std::string what) {
    faulty_.insert(name);
    fields_.refuse(std::move(name), std::move(what));
  };
  const auto take = [&](const Parameter& parameter, std::string_view text) {
    const auto faults = check_shape(value_of(*parameter.schema, text), *parameter.schema);
    for (const FieldViolation& fault : faults) refuse(std::string(parameter.name), fault.description);
    if (faults.empty()) values_.emplace_back(parameter.name, text);
  };
  const auto query = request.parameters();
  if (!query) return refuse("query", query.error().message);
  for (const auto& [name, value] : query->items()) {
    const auto known = std::ranges::find_if(*form.parameters, [&](const Parameter& parameter) {
      return parameter.place == Place::query && parameter.name == name;
    });
    if (faulty_.contains(name)) continue;
    if (known == form.parameters->end()) {
      refuse(name.substr(0, 64), "is not a known parameter");
    } else if (query->all(name).size() > 1) {
      refuse(name, "stands twice");
    } else {
      take(*known, value);
    }
  }
  for (const Parameter& parameter : *form.parameters) {
    if (parameter.place == Place::header) {
      if (request.headers.count(parameter.name) > 1) {
        refuse(std::string(parameter.name), "stands twice");
      } else if (const auto value = request.headers.find(parameter.name)) {
        take(parameter, *value);
      }
    }
    if (parameter.presence == Presence::required && !text(parameter.name) && !faulty_.contains(parameter.name))
      refuse(std::string(parameter.name), "is missing");
  }
}

void Input::read_body(const InputForm& form, const net::Request& request) {
  body_ = Json{Json::Object{}};
  static const Schema nothing = object("", {});
  if (!is_json(request.headers.get("Content-Type"))) return fields_.refuse("Content-Type", "must be application/json");
  if (!trim(request.body).empty()) {
    auto parsed = parse_json(request.body);
    if (!parsed) {
      for (const FieldViolation& fault : parsed.error().violations) fields_.refuse(fault.field, fault.description);
      faulty_.insert("");  // nothing of the body is read
      return;
    }
    body_ = std::move(*parsed);
  }
  for (FieldViolation& fault : check_shape(body_, form.body ? *form.body : nothing)) {
    faulty_.insert(fault.field);
    fields_.refuse(std::move(fault.field), std::move(fault.description));
  }
}

const Json* Input::member(std::string_view name) const {
  if (faulty_.contains("") || faulty_.contains(name)) return nullptr;
  const Json* value = &body_;
  while (value && !name.empty()) {
    if (name.front() == '[') {
      std::size_t index = 0;
      const auto end = std::from_chars(name.data() + 1, name.data() + name.size(), index).ptr;
      name.remove_prefix(static_cast<std::size_t>(end - name.data()) + 1);
      if (!name.empty() && name.front() == '.') name.remove_prefix(1);
      const auto* list = value->list();
      value = list && index < list->size() ? &(*list)[index] : nullptr;
    } else {
      const auto [step, rest] = first_step(name);
      value = value->find(step);
      name = rest;
    }
  }
  return value;
}

std::optional<std::string_view> Input::text(std::string_view name) const {
  for (const auto& [known, value] : values_)
    if (known == name) return value;
  const Json* found = member(name);
  const std::string* text = found ? found->text() : nullptr;
  return text ? std::optional<std::string_view>(*text) : std::nullopt;
}

std::optional<std::int64_t> Input::integer(std::string_view name) const {
  for (const auto& [known, value] : values_)
    if (known == name) {
      const auto number = parse_int(value);
      return number ? std::optional(*number) : std::nullopt;
    }
  const Json* found = member(name);
  const std::int64_t* number = found ? found->integer() : nullptr;
  return number ? std::optional(*number) : std::nullopt;
}

bool Input::is_null(std::string_view name) const {
  const Json* found = member(name);
  return found && found->is_null();
}

std::size_t Input::items(std::string_view name) const {
  const Json* found = member(name);
  const auto* list = found ? found->list() : nullptr;
  return list ? list->size() : 0;
}

}  // namespace chaveiro::api::rest
