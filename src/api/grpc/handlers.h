// api/grpc/handlers.h
//
// What stands behind each rpc of CoreDictService: one function each, decode → directory → encode.
//
// Threads: any number at once, on the pool; look_up_in_memory() on gRPC's own threads, since it never waits.
#pragma once

#include <dict/core/v1/core.pb.h>

#include "api/grpc/flight.h"

namespace google::protobuf {
class Empty;
}

namespace chaveiro::api::grpc {

namespace core = ::dict::core::v1;

Result<void> create_key(Handling& it, const core::CreateKeyRequest& in, core::CreateKeyResponse& out);
Result<void> list_keys(Handling& it, const core::ListKeysRequest& in, core::ListKeysResponse& out);
Result<void> get_key(Handling& it, const core::GetKeyRequest& in, core::GetKeyResponse& out);
Result<void> update_key(Handling& it, const core::UpdateKeyRequest& in, core::UpdateKeyResponse& out);
Result<void> delete_key(Handling& it, const core::DeleteKeyRequest& in, core::DeleteKeyResponse& out);
Result<void> block_key(Handling& it, const core::BlockKeyRequest& in, core::BlockKeyResponse& out);
Result<void> unblock_key(Handling& it, const core::UnblockKeyRequest& in, core::UnblockKeyResponse& out);

Result<void> start_claim(Handling& it, const core::StartClaimRequest& in, core::StartClaimResponse& out);
Result<void> get_claim_status(Handling& it, const core::GetClaimStatusRequest& in, core::GetClaimStatusResponse& out);
Result<void> list_incoming_claims(Handling& it, const core::ListIncomingClaimsRequest& in,
                                  core::ListIncomingClaimsResponse& out);
Result<void> list_outgoing_claims(Handling& it, const core::ListOutgoingClaimsRequest& in,
                                  core::ListOutgoingClaimsResponse& out);
Result<void> acknowledge_claim(Handling& it, const core::AcknowledgeClaimRequest& in,
                               core::AcknowledgeClaimResponse& out);
Result<void> respond_to_claim(Handling& it, const core::RespondToClaimRequest& in, core::RespondToClaimResponse& out);
Result<void> cancel_claim(Handling& it, const core::CancelClaimRequest& in, core::CancelClaimResponse& out);
Result<void> complete_claim(Handling& it, const core::CompleteClaimRequest& in, core::CompleteClaimResponse& out);

Result<void> start_portability(Handling& it, const core::StartPortabilityRequest& in,
                               core::StartPortabilityResponse& out);
Result<void> confirm_portability(Handling& it, const core::ConfirmPortabilityRequest& in,
                                 core::ConfirmPortabilityResponse& out);
Result<void> cancel_portability(Handling& it, const core::CancelPortabilityRequest& in,
                                core::CancelPortabilityResponse& out);

// nullopt: the entry does not lie in memory, ask look_up_key() on the pool.
std::optional<Result<void>> look_up_in_memory(Handling& it, const core::LookupKeyRequest& in,
                                              core::LookupKeyResponse& out);
Result<void> look_up_key(Handling& it, const core::LookupKeyRequest& in, core::LookupKeyResponse& out);
Result<void> look_up_keys(Handling& it, const core::LookupKeysRequest& in, core::LookupKeysResponse& out);

Result<void> report_payment_order(Handling& it, const core::ReportPaymentOrderRequest& in,
                                  core::ReportPaymentOrderResponse& out);

Result<void> create_account(Handling& it, const core::CreateAccountRequest& in, core::CreateAccountResponse& out);
Result<void> get_account(Handling& it, const core::GetAccountRequest& in, core::GetAccountResponse& out);
Result<void> list_accounts(Handling& it, const core::ListAccountsRequest& in, core::ListAccountsResponse& out);
Result<void> close_account(Handling& it, const core::CloseAccountRequest& in, core::CloseAccountResponse& out);
Result<void> verify_account(Handling& it, const core::VerifyAccountRequest& in, core::VerifyAccountResponse& out);

Result<void> get_statistics(Handling& it, const core::GetStatisticsRequest& in, core::GetStatisticsResponse& out);
Result<void> list_audit_events(Handling& it, const core::ListAuditEventsRequest& in,
                               core::ListAuditEventsResponse& out);
Result<void> health_check(Handling& it, const google::protobuf::Empty& in, core::HealthCheckResponse& out);

// The first answer of this request id (api/first_answers.h) as a message; `work` answers its bytes.
template <class Message>
Result<void> answer_once_into(Message& out, Handling& it, std::string_view operation,
                              const std::optional<directory::RequestId>& request_id,
                              std::initializer_list<std::string_view> content,
                              const std::function<Result<std::string>()>& work) {
  TRY(const std::string bytes,
      answer_once(it.services.first_answers, it.context(), operation, request_id, content, work));
  if (!out.ParseFromString(bytes)) return fail(Code::internal, "", "a stored first answer cannot be read");
  return {};
}

}  // namespace chaveiro::api::grpc
