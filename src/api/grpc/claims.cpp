#include "api/grpc/convert.h"
#include "api/grpc/handlers.h"
#include "api/grpc/paging.h"

namespace chaveiro::api::grpc {
namespace {

using directory::ClaimStatus;
using directory::ClaimType;
using directory::Reason;

std::optional<directory::ClaimId> claim_id_from(Handling& it, const std::string& text) {
  it.about("claim", text);
  return it.fields.claim_id("claim_id", text);
}

// v1 sends a free text: the name of an official reason counts, anything else is a note that decides nothing.
std::optional<Reason> reason_said(Handling& it, const std::string& text, std::string field, int official) {
  if (const auto reason = reason_from(it.fields, std::move(field), official)) return reason;
  return directory::reason_of(text);
}

template <class Request, class Response>
Result<void> list_claims(Handling& it, directory::ClaimRole role, const Request& in, Response& out) {
  directory::ClaimFilter filter{.ispb = it.context().caller.ispb, .role = role};
  filter.status = claim_status_from(it.fields, "status", in.status());
  TRY_VOID(it.fields.verdict());
  const auto list = [&](const directory::PageRequest& page) {
    return it.directory().claims.list(it.context(), filter, page);
  };
  TRY(const auto claims, page_of(it, filter, in, out, list));
  for (const auto& claim : claims) put(*out.add_claims(), claim, it.context().caller.ispb, it.services.clock.now());
  return {};
}

Result<directory::Claim> accept(Handling& it, const directory::ClaimId& id, std::optional<Reason> reason) {
  directory::Claims& claims = it.directory().claims;
  TRY(const directory::Claim claim, claims.get(it.context(), id));
  if (claim.status == ClaimStatus::open) TRY_VOID(claims.acknowledge(it.context(), id));
  return claims.confirm(it.context(), id, reason.value_or(Reason::user_requested));
}

// The regulator lets a donor cancel an ownership with FRAUD only: the present owner has proved possession.
Result<directory::Claim> reject(Handling& it, const directory::ClaimId& id, std::optional<Reason> reason) {
  directory::Claims& claims = it.directory().claims;
  TRY(const directory::Claim claim, claims.get(it.context(), id));
  const Reason usual = claim.type == ClaimType::ownership ? Reason::fraud : Reason::user_requested;
  return claims.cancel(it.context(), id, directory::ClaimRole::donor, reason.value_or(usual));
}

}  // namespace

Result<void> start_claim(Handling& it, const core::StartClaimRequest& in, core::StartClaimResponse& out) {
  const auto key = key_from(it.fields, "key", in.key());
  const auto account = it.fields.account_id("account_id", in.account_id());
  const auto type = claim_type_from(it.fields, "type", in.type());
  TRY_VOID(it.fields.verdict());
  it.about("account", in.account_id());
  TRY(const directory::Claim claim,
      it.directory().claims.start(it.context(), {key->type(), key->value(), *account, type}));
  out.set_claim_id(to_string(claim.id));
  out.set_entry_id(to_string(claim.donor_entry));
  out.set_status(claim_status_to(claim.status));
  put(*out.mutable_expires_at(), expires_at(claim));
  put(*out.mutable_created_at(), claim.created_at);
  out.set_message(claim.type == ClaimType::portability ? "portability started" : "ownership claim started");
  put(*out.mutable_claim(), claim, it.context().caller.ispb);
  return {};
}

Result<void> get_claim_status(Handling& it, const core::GetClaimStatusRequest& in, core::GetClaimStatusResponse& out) {
  const auto id = claim_id_from(it, in.claim_id());
  TRY_VOID(it.fields.verdict());
  TRY(const directory::Claim claim, it.directory().claims.get(it.context(), *id));
  put(out, claim, it.context().caller.ispb, it.services.clock.now());
  return {};
}

Result<void> list_incoming_claims(Handling& it, const core::ListIncomingClaimsRequest& in,
                                  core::ListIncomingClaimsResponse& out) {
  return list_claims(it, directory::ClaimRole::donor, in, out);
}

Result<void> list_outgoing_claims(Handling& it, const core::ListOutgoingClaimsRequest& in,
                                  core::ListOutgoingClaimsResponse& out) {
  return list_claims(it, directory::ClaimRole::claimer, in, out);
}

Result<void> acknowledge_claim(Handling& it, const core::AcknowledgeClaimRequest& in,
                               core::AcknowledgeClaimResponse& out) {
  const auto id = claim_id_from(it, in.claim_id());
  TRY_VOID(it.fields.verdict());
  TRY(const directory::Claim claim, it.directory().claims.acknowledge(it.context(), *id));
  put(*out.mutable_claim(), claim, it.context().caller.ispb);
  return {};
}

Result<void> respond_to_claim(Handling& it, const core::RespondToClaimRequest& in, core::RespondToClaimResponse& out) {
  const auto id = claim_id_from(it, in.claim_id());
  const auto reason = reason_said(it, in.reason(), "official_reason", in.official_reason());
  const bool accepts = in.response() == core::RespondToClaimRequest::CLAIM_RESPONSE_ACCEPT;
  if (!accepts && in.response() != core::RespondToClaimRequest::CLAIM_RESPONSE_REJECT)
    it.fields.refuse("response", "must be CLAIM_RESPONSE_ACCEPT or CLAIM_RESPONSE_REJECT");
  TRY_VOID(it.fields.verdict());
  TRY(const directory::Claim claim, accepts ? accept(it, *id, reason) : reject(it, *id, reason));
  out.set_claim_id(in.claim_id());
  out.set_new_status(claim_status_to(claim.status));
  put(*out.mutable_responded_at(), claim.updated_at);
  out.set_message(accepts ? "claim confirmed" : "claim cancelled");
  put(*out.mutable_claim(), claim, it.context().caller.ispb);
  return {};
}

Result<void> cancel_claim(Handling& it, const core::CancelClaimRequest& in, core::CancelClaimResponse& out) {
  const auto id = claim_id_from(it, in.claim_id());
  const auto reason = reason_said(it, in.reason(), "official_reason", in.official_reason());
  const auto role = claim_role_from(it.fields, "role", in.role());
  TRY_VOID(it.fields.verdict());
  TRY(const directory::Claim claim,
      it.directory().claims.cancel(it.context(), *id, role, reason.value_or(Reason::user_requested)));
  out.set_claim_id(in.claim_id());
  out.set_status(claim_status_to(claim.status));
  put(*out.mutable_cancelled_at(), claim.ended_at.value_or(claim.updated_at));
  put(*out.mutable_claim(), claim, it.context().caller.ispb);
  return {};
}

Result<void> complete_claim(Handling& it, const core::CompleteClaimRequest& in, core::CompleteClaimResponse& out) {
  const auto id = claim_id_from(it, in.claim_id());
  auto request_id = it.fields.may_request_id("request_id", in.request_id());
  TRY_VOID(it.fields.verdict());
  if (!request_id) request_id = it.call.sent_request_id();
  const auto work = [&]() -> Result<std::string> {
    TRY(const directory::Claim claim, it.directory().claims.complete(it.context(), {*id, request_id}));
    core::CompleteClaimResponse made;
    put(*made.mutable_claim(), claim, it.context().caller.ispb);
    if (claim.completed_entry) made.set_key_id(to_string(*claim.completed_entry));
    return made.SerializeAsString();
  };
  return answer_once_into(out, it, "grpc.CompleteClaim", request_id, {to_string(*id)}, work);
}

}  // namespace chaveiro::api::grpc
