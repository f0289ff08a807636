// The OpenAPI 3.1 document, written from the route table.
#include <algorithm>
#include <map>
#include <set>

#include "api/rest/route.h"
#include "api/rest/schemas.h"
#include "base/text.h"

namespace chaveiro::api::rest {
namespace {

constexpr std::string_view description =
    "Pix keys, accounts, claims and look-ups of the participants that this process serves.\n\n"
    "**Who may call.** `Authorization: Bearer TOKEN` (JWT) or `X-Api-Key`. **Retries.** Creations take an "
    "`Idempotency-Key`. "
    "**Time.** `X-Request-Timeout: 2s` says how long you wait (5 s where absent, 30 s at most). **Tracing.** "
    "`traceparent` and "
    "`X-Request-Id` are taken over; the answer carries both. **Pages.** Follow `next_page_token` until it is "
    "null. "
    "**Errors.** RFC 9457; the last part of `type` is the error type. **Strictness.** Unknown fields and parameters "
    "are errors. "
    "Personal keys and tax ids stand in bodies only, never in a URL.";

struct CommonProblem {
  std::string_view status;
  std::string_view says;
};
constexpr CommonProblem common_problems[] = {
    {"400", "The request is wrong; `violations` name the fields."},
    {"401", "Nobody, or nobody that we know."},
    {"403", "You may not."},
    {"404", "There is no such thing, or it is not yours."},
    {"409", "The state of things does not allow it now."},
    {"413", "The body is too large."},
    {"429", "Too much; wait `Retry-After` seconds."},
    {"500", "A fault of ours; tell us the correlation id."},
    {"503", "A neighbour is away; try again."},
    {"504", "The time ran out."},
};

std::string lower_method(net::Method method) { return lower_ascii(to_string(method)); }

void write_parameter(JsonWriter& out, const Parameter& parameter) {
  static constexpr std::string_view places[] = {"path", "query", "header"};
  out.begin_object().field("name", parameter.name).field("in", places[static_cast<std::size_t>(parameter.place)]);
  const auto text = parameter.description.empty() ? parameter.schema->description : parameter.description;
  if (!text.empty()) out.field("description", text);
  if (parameter.presence == Presence::required) out.name("required").boolean(true);
  out.name("schema");
  write_schema(out, *parameter.schema);
  out.end_object();
}

void write_content(JsonWriter& out, std::string_view type, const Schema* schema) {
  out.name("content").begin_object().name(type).begin_object().name("schema");
  if (schema) {
    write_schema(out, *schema);
    out.name("example").raw(example_of(*schema));
  } else {
    out.begin_object().field("type", "string").end_object();
  }
  out.end_object().end_object();
}

std::string_view answer_type(const Route& route) {
  if (route.response) return "application/json";
  if (route.work.stream) return "application/x-ndjson";
  if (route.path.ends_with(".json")) return "application/json";
  return "text/plain";
}

void write_responses(JsonWriter& out, const Route& route) {
  out.name("responses").begin_object();
  out.name(std::to_string(route.success)).begin_object().field("description", route.says.summary);
  write_content(out, answer_type(route), route.response);
  out.end_object();
  if (!route.permission) {
    if (route.response == &health_schema()) {
      out.name("503").begin_object().field("description", "Not ready");
      write_content(out, "application/json", route.response);
      out.end_object();
    }
    out.end_object();
    return;
  }
  for (const CommonProblem& problem : common_problems)
    out.name(problem.status)
        .begin_object()
        .field("$ref", "#/components/responses/Problem" + std::string(problem.status))
        .end_object();
  out.end_object();
}

std::vector<std::string_view> roles_of(directory::Permission permission) {
  using directory::Role;
  std::vector<std::string_view> names;
  for (const Role role : {Role::user, Role::operator_, Role::auditor, Role::admin})
    if (directory::permits({role}, permission)) names.push_back(to_string(role));
  return names;
}

void write_permission(JsonWriter& out, const Route& route) {
  out.name("security").begin_list();
  if (route.permission) {
    out.begin_object().name("bearer").begin_list().end_list().end_object();
    out.begin_object().name("api_key").begin_list().end_list().end_object();
  }
  out.end_list();
  if (!route.permission) return;
  out.name("x-roles").begin_list();
  for (const std::string_view role : roles_of(*route.permission)) out.text(role);
  out.end_list();
}

void write_request(JsonWriter& out, const Route& route) {
  if (route.work.upload) {
    out.name("requestBody").begin_object().name("required").boolean(true).name("content").begin_object();
    for (const char* type : {"application/x-ndjson", "text/csv"})
      out.name(type).begin_object().name("schema").begin_object().field("type", "string").end_object().end_object();
    out.end_object().end_object();
  } else if (route.request) {
    const bool required = std::ranges::any_of(
        route.request->properties, [](const Property& property) { return property.presence == Presence::required; });
    out.name("requestBody").begin_object().name("required").boolean(required);
    write_content(out, "application/json", route.request);
    out.end_object();
  }
}

void write_operation(JsonWriter& out, const Route& route) {
  out.begin_object().field("operationId", route.says.operation).field("summary", route.says.summary);
  if (!route.says.description.empty()) out.field("description", route.says.description);
  out.name("tags").begin_list().text(route.says.tag).end_list();
  write_permission(out, route);
  if (!route.parameters.empty()) {
    out.name("parameters").begin_list();
    for (const Parameter& parameter : route.parameters) write_parameter(out, parameter);
    out.end_list();
  }
  write_request(out, route);
  write_responses(out, route);
  if (!route.reasons.empty()) {
    out.name("x-error-types").begin_list();
    for (const std::string_view reason : route.reasons) out.text(reason);
    out.end_list();
  }
  out.end_object();
}

void write_components(JsonWriter& out) {
  std::vector<const Schema*> named;
  collect_named(problem_schema(), named);
  for (const Route& route : routes()) {
    if (route.request) collect_named(*route.request, named);
    if (route.response) collect_named(*route.response, named);
    for (const Parameter& parameter : route.parameters) collect_named(*parameter.schema, named);
  }
  std::ranges::sort(named, {}, &Schema::name);
  out.name("components").begin_object().name("schemas").begin_object();
  for (const Schema* schema : named) write_component(out.name(schema->name), *schema);
  out.end_object().name("responses").begin_object();
  for (const CommonProblem& problem : common_problems) {
    out.name("Problem" + std::string(problem.status)).begin_object().field("description", problem.says);
    write_content(out, "application/problem+json", &problem_schema());
    out.end_object();
  }
  out.end_object().name("securitySchemes").begin_object();
  out.name("bearer")
      .begin_object()
      .field("type", "http")
      .field("scheme", "bearer")
      .field("bearerFormat", "JWT")
      .end_object();
  out.name("api_key")
      .begin_object()
      .field("type", "apiKey")
      .field("in", "header")
      .field("name", "X-Api-Key")
      .end_object();
  out.end_object().end_object();
}

std::string write_document() {
  JsonWriter out;
  out.begin_object().field("openapi", "3.1.0").name("info").begin_object();
  out.field("title", "Chaveiro").field("version", "1").field("description", description).end_object();
  out.name("servers").begin_list().begin_object().field("url", "/").end_object().end_list();
  std::vector<std::string_view> tags;
  std::vector<std::string_view> paths;
  for (const Route& route : routes()) {
    if (std::ranges::find(tags, route.says.tag) == tags.end()) tags.push_back(route.says.tag);
    if (std::ranges::find(paths, route.path) == paths.end()) paths.push_back(route.path);
  }
  out.name("tags").begin_list();
  for (const std::string_view tag : tags) out.begin_object().field("name", tag).end_object();
  out.end_list().name("paths").begin_object();
  for (const std::string_view path : paths) {
    out.name(path).begin_object();
    for (const Route& route : routes())
      if (route.path == path) write_operation(out.name(lower_method(route.method)), route);
    out.end_object();
  }
  out.end_object();
  write_components(out);
  out.end_object();
  return out.take();
}

}  // namespace

const std::string& openapi_document() {
  static const std::string document = write_document();
  return document;
}

}  // namespace chaveiro::api::rest
