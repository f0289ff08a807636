#include "api/rest/problem.h"

#include <algorithm>

#include "api/status.h"

namespace chaveiro::api::rest {
namespace {

struct Head {
  std::string_view reason;
  std::string_view title;
  int status = 500;
  std::string_view detail;
};

void write_head(JsonWriter& out, const Head& head, const ProblemPlace& place) {
  out.begin_object().field("type", std::string(problem_type_base) + std::string(head.reason));
  out.field("title", head.title).name("status").integer(head.status).field("detail", head.detail);
  if (!place.instance.empty()) out.field("instance", place.instance);
  if (!place.correlation_id.empty()) out.field("correlation_id", place.correlation_id);
}

net::Response response(int status, std::string body) {
  net::Response response;
  response.status = status;
  response.headers.add("Content-Type", "application/problem+json");
  response.body = std::move(body);
  return response;
}

}  // namespace

int http_status(const Error& error) { return status_row(error.code).http; }

void write_problem(JsonWriter& out, const Error& inside, const ProblemPlace& place) {
  const Error error = for_outside(inside);
  const StatusRow& row = status_row(error.code);
  write_head(out, {reason_of(error), row.title, row.http, error.message}, place);
  if (!error.violations.empty()) {
    out.name("violations").begin_list();
    for (const FieldViolation& violation : error.violations)
      out.begin_object().field("property", violation.field).field("reason", violation.description).end_object();
    out.end_list();
  }
  out.end_object();
}

net::Response problem(const Error& error, const ProblemPlace& place) {
  JsonWriter out;
  write_problem(out, error, place);
  net::Response answer = response(http_status(error), out.take());
  if (error.retry_after) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*error.retry_after).count();
    answer.headers.add("Retry-After", std::to_string(std::max<std::int64_t>(1, seconds)));
  }
  if (answer.status == 401) answer.headers.add("WWW-Authenticate", "Bearer");
  return answer;
}

net::Response problem(const HttpFault& fault, const ProblemPlace& place) {
  JsonWriter out;
  write_head(out, {fault.reason, net::reason_phrase(fault.status), fault.status, fault.detail}, place);
  out.end_object();
  return response(fault.status, out.take());
}

}  // namespace chaveiro::api::rest
