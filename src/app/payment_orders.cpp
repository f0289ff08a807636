#include "app/payment_orders.h"

#include "api/fields.h"

namespace chaveiro::app {
namespace {

namespace dir = directory;
namespace ev = events;

struct Told {
  dir::Ispb participant;
  api::PaymentOrder order;
};

Result<Told> told_by(const ev::DomainEvent& event, const dir::Ispb& participant) {
  TRY(const std::string end_to_end_text, ev::data_text(event, "end_to_end_id"));
  TRY(const std::string payer_text, ev::data_text(event, "payer_id"));
  TRY(const std::string participant_text, ev::data_text(event, "participant"));
  TRY(const std::string accepted_text, ev::data_text(event, "accepted_at"));
  api::Fields fields{api::FieldRules{}};
  const auto end_to_end_id = fields.may_end_to_end_id("data.end_to_end_id", end_to_end_text);
  if (end_to_end_text.empty()) fields.refuse("data.end_to_end_id", "is required");
  const auto payer_id = fields.tax_id("data.payer_id", payer_text);
  const auto given = fields.may_ispb("data.participant", participant_text);
  const auto accepted_at = fields.may_time("data.accepted_at", accepted_text);
  TRY_VOID(fields.verdict());
  return Told{given.value_or(participant), {*end_to_end_id, *payer_id, accepted_at.value_or(event.timestamp)}};
}

}  // namespace

ev::Handler payment_order_handler(api::LimitsPort& limits, dir::Ispb participant) {
  return
      [&limits, participant](const ev::DomainEvent& event, const ev::Mark&, Deadline deadline) -> Result<ev::Effect> {
        TRY(const Told told, told_by(event, participant));
        dir::Context context;
        context.caller.subject = "system";
        context.caller.ispb = told.participant;
        context.caller.roles = {dir::Role::operator_};
        context.correlation_id = event.meta("correlation_id");
        context.deadline = deadline;
        const auto credited = limits.report_payment_order(context, told.order);
        if (!credited && credited.error().reason != "LookupUnknown") return credited.error();
        // The store of limits remembers each EndToEndId: a repetition is harmless.
        return ev::Effect::plain;
      };
}

}  // namespace chaveiro::app
