// What connectors report about payments.
#include "api/rest/route.h"
#include "api/rest/schemas.h"

namespace chaveiro::api::rest {
namespace {

Result<Answer> report(Exchange& exchange) {
  Input& in = exchange.in;
  const auto end_to_end = in.read("end_to_end_id", &Fields::may_end_to_end_id);
  const auto payer = in.read("payer_id", &Fields::tax_id);
  const auto accepted = in.read("accepted_at", &Fields::may_time);
  TRY_VOID(in.verdict());
  LimitsPort* const limits = exchange.services.limits;
  if (limits == nullptr) return fail(Code::not_found, "NotFound", "this process has no limits");
  TRY(const bool credited,
      limits->report_payment_order(exchange.context(),
                                   {*end_to_end, *payer, accepted.value_or(exchange.services.clock.now())}));
  JsonWriter out;
  out.begin_object().name("credited").boolean(credited).end_object();
  return Answer{out.take()};
}

}  // namespace

std::vector<Route> payment_routes() {
  return {{net::Method::post,
           "/api/v1/payment-orders",
           {"ReportPaymentOrder", "Look-ups", "The payment order of a look-up reached the SPI",
            "Brings the credit that the regulator's policies grant for the look-up with this end-to-end id, once."},
           directory::Permission::see_full_lookup,
           {},
           &payment_order_schema(),
           &payment_credit_schema(),
           200,
           {"LookupUnknown"},
           {.handle = report}}};
}

const Schema& payment_order_schema() {
  static const Schema schema =
      object("PaymentOrder", {must("end_to_end_id", end_to_end_id_value()), must("payer_id", tax_id_value()),
                              may("accepted_at", moment_value(), "When the SPI accepted it; absent: now")});
  return schema;
}

const Schema& payment_credit_schema() {
  static const Schema credited{
      .shape = Shape::boolean, .description = "false: this order had been reported before", .example = "true"};
  static const Schema schema = object("PaymentCredit", {must("credited", credited)});
  return schema;
}

}  // namespace chaveiro::api::rest
