// What is open to anybody: health, and the documentation.
#include "api/rest/encode.h"
#include "api/rest/page.h"
#include "api/rest/route.h"
#include "api/rest/schemas.h"

namespace chaveiro::api::rest {
namespace {

Result<Answer> live(Exchange& exchange) {
  TRY_VOID(exchange.in.verdict());
  return Answer{R"({"status":"ok","ready":true,"components":[]})"};
}

Result<Answer> health(Exchange& exchange) {
  TRY_VOID(exchange.in.verdict());
  const Health health = exchange.services.health.health();
  return Answer{encode(health), health.ready ? 200 : 503};
}

Result<Answer> document(Exchange& exchange) {
  TRY_VOID(exchange.in.verdict());
  return Answer{openapi_document()};
}

Result<Answer> page(Exchange& exchange) {
  TRY_VOID(exchange.in.verdict());
  return Answer{std::string(page_html), 0, "text/html; charset=utf-8"};
}
Result<Answer> page_style(Exchange& exchange) {
  TRY_VOID(exchange.in.verdict());
  return Answer{std::string(page_css), 0, "text/css; charset=utf-8"};
}
Result<Answer> page_script(Exchange& exchange) {
  TRY_VOID(exchange.in.verdict());
  return Answer{std::string(page_js), 0, "text/javascript; charset=utf-8"};
}

Route open(std::string_view path, Documentation says, const Schema* response, Handle handle) {
  Route route;
  route.path = path;
  route.says = says;
  route.response = response;
  route.work = {.handle = handle, .on_io_thread = true};
  return route;
}

}  // namespace

std::vector<Route> open_routes() {
  return {
      open("/health", {"HealthCheck", "Health", "How the process and its neighbours are", "503 when it is not ready."},
           &health_schema(), health),
      open("/ready",
           {"Ready", "Health", "May requests be sent here?",
            "Store and audit decide; the rest only shows. 503: not now.", "HealthCheck"},
           &health_schema(), health),
      open("/live", {"Live", "Health", "Is the process alive?", "", "HealthCheck"}, &health_schema(), live),
      open("/api/v1/openapi.json", {"OpenApi", "Documentation", "This document", "", "Other"}, nullptr, document),
      open("/", {"Page", "Documentation", "The page that shows this document", "", "Other"}, nullptr, page),
      open("/docs/page.css", {"PageStyle", "Documentation", "Style of the page", "", "Other"}, nullptr, page_style),
      open("/docs/page.js", {"PageScript", "Documentation", "Script of the page", "", "Other"}, nullptr, page_script),
  };
}

}  // namespace chaveiro::api::rest
