// api/grpc/core_service.h
//
// dict.core.v1.CoreDictService on gRPC's callback interface: each rpc is a route to its handler (handlers.h). The look-up takes and gives
// bytes, for gRPC allocates and copies more to decode and encode a message than the look-up itself does.
//
// Threads: any number at once; a look-up is tried on the thread that read it, all else goes to the pool.
#pragma once

#include <dict/core/v1/core.grpc.pb.h>

#include "api/grpc/handlers.h"

namespace chaveiro::api::grpc {

using ServiceOfBytes = core::CoreDictService::WithRawCallbackMethod_LookupKey<core::CoreDictService::CallbackService>;

class CoreService final : public ServiceOfBytes {
 public:
  explicit CoreService(const Services& services) : services_(services) {}

  using Context = ::grpc::CallbackServerContext;
  using Reactor = ::grpc::ServerUnaryReactor;

  Reactor* CreateKey(Context* context, const core::CreateKeyRequest* in, core::CreateKeyResponse* out) override;
  Reactor* ListKeys(Context* context, const core::ListKeysRequest* in, core::ListKeysResponse* out) override;
  Reactor* GetKey(Context* context, const core::GetKeyRequest* in, core::GetKeyResponse* out) override;
  Reactor* UpdateKey(Context* context, const core::UpdateKeyRequest* in, core::UpdateKeyResponse* out) override;
  Reactor* DeleteKey(Context* context, const core::DeleteKeyRequest* in, core::DeleteKeyResponse* out) override;
  Reactor* BlockKey(Context* context, const core::BlockKeyRequest* in, core::BlockKeyResponse* out) override;
  Reactor* UnblockKey(Context* context, const core::UnblockKeyRequest* in, core::UnblockKeyResponse* out) override;
  Reactor* StartClaim(Context* context, const core::StartClaimRequest* in, core::StartClaimResponse* out) override;
  Reactor* GetClaimStatus(Context* context, const core::GetClaimStatusRequest* in,
                          core::GetClaimStatusResponse* out) override;
  Reactor* ListIncomingClaims(Context* context, const core::ListIncomingClaimsRequest* in,
                              core::ListIncomingClaimsResponse* out) override;
  Reactor* ListOutgoingClaims(Context* context, const core::ListOutgoingClaimsRequest* in,
                              core::ListOutgoingClaimsResponse* out) override;
  Reactor* AcknowledgeClaim(Context* context, const core::AcknowledgeClaimRequest* in,
                            core::AcknowledgeClaimResponse* out) override;
  Reactor* RespondToClaim(Context* context, const core::RespondToClaimRequest* in,
                          core::RespondToClaimResponse* out) override;
  Reactor* CancelClaim(Context* context, const core::CancelClaimRequest* in, core::CancelClaimResponse* out) override;
  Reactor* CompleteClaim(Context* context, const core::CompleteClaimRequest* in,
                         core::CompleteClaimResponse* out) override;
  Reactor* StartPortability(Context* context, const core::StartPortabilityRequest* in,
                            core::StartPortabilityResponse* out) override;
  Reactor* ConfirmPortability(Context* context, const core::ConfirmPortabilityRequest* in,
                              core::ConfirmPortabilityResponse* out) override;
  Reactor* CancelPortability(Context* context, const core::CancelPortabilityRequest* in,
                             core::CancelPortabilityResponse* out) override;
  using ServiceOfBytes::LookupKey;
  Reactor* LookupKey(Context* context, const ::grpc::ByteBuffer* in, ::grpc::ByteBuffer* out) override;
  Reactor* LookupKeys(Context* context, const core::LookupKeysRequest* in, core::LookupKeysResponse* out) override;
  Reactor* ReportPaymentOrder(Context* context, const core::ReportPaymentOrderRequest* in,
                              core::ReportPaymentOrderResponse* out) override;
  Reactor* CreateAccount(Context* context, const core::CreateAccountRequest* in,
                         core::CreateAccountResponse* out) override;
  Reactor* GetAccount(Context* context, const core::GetAccountRequest* in, core::GetAccountResponse* out) override;
  Reactor* ListAccounts(Context* context, const core::ListAccountsRequest* in,
                        core::ListAccountsResponse* out) override;
  Reactor* CloseAccount(Context* context, const core::CloseAccountRequest* in,
                        core::CloseAccountResponse* out) override;
  Reactor* VerifyAccount(Context* context, const core::VerifyAccountRequest* in,
                         core::VerifyAccountResponse* out) override;
  Reactor* GetStatistics(Context* context, const core::GetStatisticsRequest* in,
                         core::GetStatisticsResponse* out) override;
  Reactor* ListAuditEvents(Context* context, const core::ListAuditEventsRequest* in,
                           core::ListAuditEventsResponse* out) override;
  Reactor* HealthCheck(Context* context, const google::protobuf::Empty* in, core::HealthCheckResponse* out) override;

 private:
  const Services& services_;
};

}  // namespace chaveiro::api::grpc
