#include "api/rest/encode.h"
#include "api/rest/route.h"
#include "api/rest/schemas.h"

namespace chaveiro::api::rest {
namespace {

using directory::Permission;
using net::Method;

Result<Answer> list(Exchange& exchange) {
  Input& in = exchange.in;
  directory::AuditFilter filter{.ispb = exchange.context().caller.ispb};
  filter.resource = in.read("resource_id", &Fields::may_uuid);
  if (in.text("actor")) filter.actor = in.limited_text("actor", 200);
  if (in.text("operation")) filter.operation = in.limited_text("operation", 100);
  filter.from = in.read("from", &Fields::may_time);
  filter.until = in.read("until", &Fields::may_time);
  TRY_VOID(in.verdict());
  const PageScope scope = page_scope(filter);
  TRY(const auto page, page_of(exchange, scope));
  TRY(const auto records, list_audit(exchange.context(), exchange.services.directory, filter, page));
  return Answer{encode_page("audit_events", records, exchange.services.page_tokens.next(scope, records))};
}

Result<Answer> count(Exchange& exchange) {
  TRY_VOID(exchange.in.verdict());
  TRY(const auto numbers, statistics(exchange.context(), exchange.services.directory));
  return Answer{encode(numbers)};
}

}  // namespace

std::vector<Route> audit_routes() {
  static const Schema actor = text_value("Subject of the token, or `api-key:NAME`", "\"ana\"", 200);
  static const Schema operation = text_value("As the audit shows it", "\"create_entry\"", 100);
  return {
      {Method::get,
       "/api/v1/audit-events",
       {"ListAuditEvents", "Audit", "What was changed, by whom, newest first",
        "Each record carries the hash of the one before it. What stood before and after is kept sealed under a key of "
        "the "
        "person concerned; auditors see it with personal data masked, and nobody once the person was erased."},
       Permission::read_audit,
       with_page({{.name = "resource_id", .schema = &id_value()},
                  {.name = "actor", .schema = &actor},
                  {.name = "operation", .schema = &operation},
                  {.name = "from", .schema = &moment_value(), .description = "Inclusive"},
                  {.name = "until", .schema = &moment_value(), .description = "Exclusive"}}),
       nullptr,
       &audit_list_schema(),
       200,
       {"PageTokenInvalid", "PageTokenExpired"},
       {.handle = list}},
      {Method::get,
       "/api/v1/statistics",
       {"GetStatistics", "Audit", "How many entries, claims, accounts and audit records", ""},
       Permission::read_statistics,
       {},
       nullptr,
       &statistics_schema(),
       200,
       {},
       {.handle = count}},
  };
}

}  // namespace chaveiro::api::rest
