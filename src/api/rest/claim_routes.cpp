#include "api/rest/encode.h"
#include "api/rest/route.h"
#include "api/rest/schemas.h"

namespace chaveiro::api::rest {
namespace {

using directory::Permission;
using net::Method;

Result<Answer> start(Exchange& exchange) {
  Input& in = exchange.in;
  const auto key = in.key("key", in.read("key_type", &Fields::key_type));
  const auto account = in.read("claimer_account_id", &Fields::account_id);
  const auto type = in.read("type", &Fields::may_claim_type);
  TRY_VOID(in.verdict());
  TRY(const auto claim, exchange.services.directory.claims.start(
                            exchange.context(),
                            {.key_type = key->type(), .key = key->value(), .claimer_account = *account, .type = type}));
  return Answer{encode(claim)};
}

Result<Answer> get(Exchange& exchange) {
  const auto id = exchange.in.read("id", &Fields::claim_id);
  TRY_VOID(exchange.in.verdict());
  TRY(const auto claim, exchange.services.directory.claims.get(exchange.context(), *id));
  return Answer{encode(claim)};
}

Result<Answer> list_as(Exchange& exchange, directory::ClaimRole role) {
  directory::ClaimFilter filter{.ispb = exchange.context().caller.ispb, .role = role};
  filter.status = exchange.in.read("status", &Fields::may_claim_status);
  TRY_VOID(exchange.in.verdict());
  const PageScope scope = page_scope(filter);
  TRY(const auto page, page_of(exchange, scope));
  TRY(const auto claims, exchange.services.directory.claims.list(exchange.context(), filter, page));
  return Answer{encode_page("claims", claims, exchange.services.page_tokens.next(scope, claims))};
}
Result<Answer> list_incoming(Exchange& exchange) { return list_as(exchange, directory::ClaimRole::donor); }
Result<Answer> list_outgoing(Exchange& exchange) { return list_as(exchange, directory::ClaimRole::claimer); }

Result<Answer> acknowledge(Exchange& exchange) {
  const auto id = exchange.in.read("id", &Fields::claim_id);
  TRY_VOID(exchange.in.verdict());
  TRY(const auto claim, exchange.services.directory.claims.acknowledge(exchange.context(), *id));
  return Answer{encode(claim)};
}

Result<Answer> confirm(Exchange& exchange) {
  const auto id = exchange.in.read("id", &Fields::claim_id);
  const auto reason = exchange.in.read("reason", &Fields::may_reason).value_or(directory::Reason::user_requested);
  TRY_VOID(exchange.in.verdict());
  TRY(const auto claim, exchange.services.directory.claims.confirm(exchange.context(), *id, reason));
  return Answer{encode(claim)};
}

Result<Answer> cancel(Exchange& exchange) {
  Input& in = exchange.in;
  const auto id = in.read("id", &Fields::claim_id);
  const auto role = in.read("role", &Fields::may_claim_role);
  const auto reason = in.read("reason", &Fields::reason);
  TRY_VOID(in.verdict());
  TRY(const auto claim, exchange.services.directory.claims.cancel(exchange.context(), *id, role, *reason));
  return Answer{encode(claim)};
}

Result<Answer> complete(Exchange& exchange) {
  const auto id = exchange.in.read("id", &Fields::claim_id);
  const auto request_id = request_id_of(exchange, "CompleteClaim");
  TRY_VOID(exchange.in.verdict());
  const auto work = [&]() -> Result<std::string> {
    TRY(const auto claim,
        exchange.services.directory.claims.complete(exchange.context(), {.id = *id, .request_id = request_id}));
    return encode(claim);
  };
  TRY(std::string body, answer_once(exchange.services.first_answers, exchange.context(), "rest.CompleteClaim",
                                    request_id, {to_string(*id)}, work));
  return Answer{std::move(body)};
}

}  // namespace

std::vector<Route> claim_routes() {
  const Parameter id = id_parameter();
  const std::vector<Parameter> list_parameters = with_page({{.name = "status", .schema = &claim_status_value()}});
  return {
      {Method::post,
       "/api/v1/claims",
       {"StartClaim", "Claims", "Claim a key",
        "PORTABILITY brings a key of the same owner here; OWNERSHIP a phone of a former owner."},
       Permission::write_claims,
       {},
       &start_claim_schema(),
       &claim_schema(),
       201,
       {"ClaimInvalid", "ClaimTypeInconsistent", "ClaimKeyNotFound", "ClaimAlreadyExistsForKey",
        "ClaimResultingEntryAlreadyExists", "EntryBlocked", "EntryLimitExceeded", "AccountNotFound"},
       {.handle = start}},
      {Method::get,
       "/api/v1/claims/incoming",
       {"ListIncomingClaims", "Claims", "Claims on our keys",
        "Answer them: an unanswered claim is decided by the calendar."},
       Permission::read_claims,
       list_parameters,
       nullptr,
       &claim_list_schema(),
       200,
       {"PageTokenInvalid", "PageTokenExpired"},
       {.handle = list_incoming}},
      {Method::get,
       "/api/v1/claims/outgoing",
       {"ListOutgoingClaims", "Claims", "Our claims", ""},
       Permission::read_claims,
       list_parameters,
       nullptr,
       &claim_list_schema(),
       200,
       {"PageTokenInvalid", "PageTokenExpired"},
       {.handle = list_outgoing}},
      {Method::get,
       "/api/v1/claims/{id}",
       {"GetClaimStatus", "Claims", "Read a claim", ""},
       Permission::read_claims,
       {id},
       nullptr,
       &claim_schema(),
       200,
       {"NotFound"},
       {.handle = get}},
      {Method::post,
       "/api/v1/claims/{id}/acknowledge",
       {"AcknowledgeClaim", "Claims", "Donor: the claim has been seen",
        "OPEN becomes WAITING_RESOLUTION. Repeat-safe."},
       Permission::write_claims,
       {id},
       nullptr,
       &claim_schema(),
       200,
       {"ClaimOperationInvalid", "NotFound"},
       {.handle = acknowledge}},
      {Method::post,
       "/api/v1/claims/{id}/confirm",
       {"ConfirmClaim", "Claims", "Donor: give the key up",
        "WAITING_RESOLUTION becomes CONFIRMED; our entry is deleted. Repeat-safe."},
       Permission::write_claims,
       {id},
       &confirm_claim_schema(),
       &claim_schema(),
       200,
       {"ClaimOperationInvalid", "ClaimResolutionPeriodNotEnded", "InvalidReason", "NotFound"},
       {.handle = confirm}},
      {Method::post,
       "/api/v1/claims/{id}/cancel",
       {"CancelClaim", "Claims", "Donor or claimer: end the claim",
        "Who may, and with which reason, depends on its type and state."},
       Permission::write_claims,
       {id},
       &cancel_claim_schema(),
       &claim_schema(),
       200,
       {"ClaimOperationInvalid", "ClaimResolutionPeriodNotEnded", "InvalidReason", "NotFound"},
       {.handle = cancel}},
      {Method::post,
       "/api/v1/claims/{id}/complete",
       {"CompleteClaim", "Claims", "Claimer: take the key",
        "CONFIRMED becomes COMPLETED; `completed_entry_id` names the new entry."},
       Permission::write_claims,
       {id, idempotency_key()},
       &complete_claim_schema(),
       &claim_schema(),
       200,
       {"ClaimOperationInvalid", "ClaimCompletionPeriodNotEnded", "EntryLimitExceeded", "RequestIdAlreadyUsed",
        "NotFound"},
       {.handle = complete}},
  };
}

}  // namespace chaveiro::api::rest
