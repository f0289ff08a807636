#include "api/grpc/core_service.h"

#include <google/protobuf/empty.pb.h>

#include <climits>

namespace chaveiro::api::grpc {

using Reactor = CoreService::Reactor;
using Context = CoreService::Context;

namespace {

Result<void> decode(const ::grpc::ByteBuffer& bytes, core::LookupKeyRequest& into) {
  ::grpc::Slice slice;
  if (!bytes.TrySingleSlice(&slice).ok() && !bytes.DumpToSingleSlice(&slice).ok())
    return fail(Code::invalid, "RequestInvalid", "the message could not be read");
  if (slice.size() > INT_MAX || !into.ParseFromArray(slice.begin(), static_cast<int>(slice.size())))
    return fail(Code::invalid, "RequestInvalid", "the message is no LookupKeyRequest");
  return {};
}

::grpc::ByteBuffer encode(const core::LookupKeyResponse& message) {
  grpc_slice bytes = ::grpc_slice_malloc(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(GRPC_SLICE_START_PTR(bytes));
  const ::grpc::Slice slice(bytes, ::grpc::Slice::STEAL_REF);
  return {&slice, 1};
}

}  // namespace

// A hit in memory is answered here and now; whatever may wait goes to the pool.
Reactor* CoreService::LookupKey(Context* context, const ::grpc::ByteBuffer* bytes, ::grpc::ByteBuffer* answer) {
  // Used again and again: a message keeps the memory of its fields.
  static thread_local core::LookupKeyRequest in;
  static thread_local core::LookupKeyResponse out;
  Reactor* reactor = context->DefaultReactor();
  const auto flight = std::make_shared<Flight>(services_, *context, Route{"LookupKey"});
  if (const auto& admitted = flight->call().admitted(); !admitted) {
    reactor->Finish(flight->end(admitted));
    return reactor;
  }
  bool answered = true;
  const Result<void> outcome = caught([&]() -> Result<void> {
    TRY_VOID(decode(*bytes, in));
    out.Clear();
    auto found = look_up_in_memory(flight->handling(), in, out);
    answered = found.has_value();
    return answered ? std::move(*found) : Result<void>();
  });
  if (answered) {
    if (outcome) *answer = encode(out);
    reactor->Finish(flight->end(outcome));
    return reactor;
  }
  run_on_pool(flight, *reactor, [flight = flight.get(), asked = in, answer]() -> Result<void> {
    core::LookupKeyResponse found;
    TRY_VOID(look_up_key(flight->handling(), asked, found));
    *answer = encode(found);
    return {};
  });
  return reactor;
}

Reactor* CoreService::CreateKey(Context* context, const core::CreateKeyRequest* in, core::CreateKeyResponse* out) {
  return answer_on_pool(services_, context, {"CreateKey"}, in, out, create_key);
}

Reactor* CoreService::ListKeys(Context* context, const core::ListKeysRequest* in, core::ListKeysResponse* out) {
  return answer_on_pool(services_, context, {"ListKeys"}, in, out, list_keys);
}

Reactor* CoreService::GetKey(Context* context, const core::GetKeyRequest* in, core::GetKeyResponse* out) {
  return answer_on_pool(services_, context, {"GetKey"}, in, out, get_key);
}

Reactor* CoreService::UpdateKey(Context* context, const core::UpdateKeyRequest* in, core::UpdateKeyResponse* out) {
  return answer_on_pool(services_, context, {"UpdateKey"}, in, out, update_key);
}

Reactor* CoreService::DeleteKey(Context* context, const core::DeleteKeyRequest* in, core::DeleteKeyResponse* out) {
  return answer_on_pool(services_, context, {"DeleteKey"}, in, out, delete_key);
}

Reactor* CoreService::BlockKey(Context* context, const core::BlockKeyRequest* in, core::BlockKeyResponse* out) {
  return answer_on_pool(services_, context, {"BlockKey"}, in, out, block_key);
}

Reactor* CoreService::UnblockKey(Context* context, const core::UnblockKeyRequest* in, core::UnblockKeyResponse* out) {
  return answer_on_pool(services_, context, {"UnblockKey"}, in, out, unblock_key);
}

Reactor* CoreService::StartClaim(Context* context, const core::StartClaimRequest* in, core::StartClaimResponse* out) {
  return answer_on_pool(services_, context, {"StartClaim"}, in, out, start_claim);
}

Reactor* CoreService::GetClaimStatus(Context* context, const core::GetClaimStatusRequest* in,
                                     core::GetClaimStatusResponse* out) {
  return answer_on_pool(services_, context, {"GetClaimStatus"}, in, out, get_claim_status);
}

Reactor* CoreService::ListIncomingClaims(Context* context, const core::ListIncomingClaimsRequest* in,
                                         core::ListIncomingClaimsResponse* out) {
  return answer_on_pool(services_, context, {"ListIncomingClaims"}, in, out, list_incoming_claims);
}

Reactor* CoreService::ListOutgoingClaims(Context* context, const core::ListOutgoingClaimsRequest* in,
                                         core::ListOutgoingClaimsResponse* out) {
  return answer_on_pool(services_, context, {"ListOutgoingClaims"}, in, out, list_outgoing_claims);
}

Reactor* CoreService::AcknowledgeClaim(Context* context, const core::AcknowledgeClaimRequest* in,
                                       core::AcknowledgeClaimResponse* out) {
  return answer_on_pool(services_, context, {"AcknowledgeClaim"}, in, out, acknowledge_claim);
}

Reactor* CoreService::RespondToClaim(Context* context, const core::RespondToClaimRequest* in,
                                     core::RespondToClaimResponse* out) {
  return answer_on_pool(services_, context, {"RespondToClaim"}, in, out, respond_to_claim);
}

Reactor* CoreService::CancelClaim(Context* context, const core::CancelClaimRequest* in,
                                  core::CancelClaimResponse* out) {
  return answer_on_pool(services_, context, {"CancelClaim"}, in, out, cancel_claim);
}

Reactor* CoreService::CompleteClaim(Context* context, const core::CompleteClaimRequest* in,
                                    core::CompleteClaimResponse* out) {
  return answer_on_pool(services_, context, {"CompleteClaim"}, in, out, complete_claim);
}

Reactor* CoreService::StartPortability(Context* context, const core::StartPortabilityRequest* in,
                                       core::StartPortabilityResponse* out) {
  return answer_on_pool(services_, context, {"StartPortability"}, in, out, start_portability);
}

Reactor* CoreService::ConfirmPortability(Context* context, const core::ConfirmPortabilityRequest* in,
                                         core::ConfirmPortabilityResponse* out) {
  return answer_on_pool(services_, context, {"ConfirmPortability"}, in, out, confirm_portability);
}

Reactor* CoreService::CancelPortability(Context* context, const core::CancelPortabilityRequest* in,
                                        core::CancelPortabilityResponse* out) {
  return answer_on_pool(services_, context, {"CancelPortability"}, in, out, cancel_portability);
}

Reactor* CoreService::LookupKeys(Context* context, const core::LookupKeysRequest* in, core::LookupKeysResponse* out) {
  return answer_on_pool(services_, context, {"LookupKeys"}, in, out, look_up_keys);
}

Reactor* CoreService::ReportPaymentOrder(Context* context, const core::ReportPaymentOrderRequest* in,
                                         core::ReportPaymentOrderResponse* out) {
  return answer_on_pool(services_, context, {"ReportPaymentOrder"}, in, out, report_payment_order);
}

Reactor* CoreService::CreateAccount(Context* context, const core::CreateAccountRequest* in,
                                    core::CreateAccountResponse* out) {
  return answer_on_pool(services_, context, {"CreateAccount"}, in, out, create_account);
}

Reactor* CoreService::GetAccount(Context* context, const core::GetAccountRequest* in, core::GetAccountResponse* out) {
  return answer_on_pool(services_, context, {"GetAccount"}, in, out, get_account);
}

Reactor* CoreService::ListAccounts(Context* context, const core::ListAccountsRequest* in,
                                   core::ListAccountsResponse* out) {
  return answer_on_pool(services_, context, {"ListAccounts"}, in, out, list_accounts);
}

Reactor* CoreService::CloseAccount(Context* context, const core::CloseAccountRequest* in,
                                   core::CloseAccountResponse* out) {
  return answer_on_pool(services_, context, {"CloseAccount"}, in, out, close_account);
}

Reactor* CoreService::VerifyAccount(Context* context, const core::VerifyAccountRequest* in,
                                    core::VerifyAccountResponse* out) {
  return answer_on_pool(services_, context, {"VerifyAccount"}, in, out, verify_account);
}

Reactor* CoreService::GetStatistics(Context* context, const core::GetStatisticsRequest* in,
                                    core::GetStatisticsResponse* out) {
  return answer_on_pool(services_, context, {"GetStatistics"}, in, out, get_statistics);
}

Reactor* CoreService::ListAuditEvents(Context* context, const core::ListAuditEventsRequest* in,
                                      core::ListAuditEventsResponse* out) {
  return answer_on_pool(services_, context, {"ListAuditEvents"}, in, out, list_audit_events);
}

// Also answered here: it must be heard when the pool is full.
Reactor* CoreService::HealthCheck(Context* context, const google::protobuf::Empty* in, core::HealthCheckResponse* out) {
  Reactor* reactor = context->DefaultReactor();
  Flight flight(services_, *context, {"HealthCheck", Access::open});
  reactor->Finish(
      flight.end(flight.call().admitted() ? health_check(flight.handling(), *in, *out) : flight.call().admitted()));
  return reactor;
}

}  // namespace chaveiro::api::grpc
