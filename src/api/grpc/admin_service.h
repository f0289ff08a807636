// api/grpc/admin_service.h
//
// dict.admin.v1.AdminService: each rpc decodes, asks the AdminPort and encodes. Who may do what is the port's business.
//
// Threads: any number at once; all of it on the pool. An export holds its pool thread while the client reads.
#pragma once

#include <dict/admin/v1/admin.grpc.pb.h>

#include "api/grpc/flight.h"

namespace chaveiro::api::grpc {

namespace admin = ::dict::admin::v1;

class AdminService final : public admin::AdminService::CallbackService {
 public:
  explicit AdminService(const Services& services) : services_(services) {}

  using Context = ::grpc::CallbackServerContext;
  using Reactor = ::grpc::ServerUnaryReactor;

  Reactor* GetLog(Context* context, const admin::GetLogRequest* in, admin::LogSettings* out) override;
  Reactor* SetLog(Context* context, const admin::SetLogRequest* in, admin::LogSettings* out) override;
  Reactor* Revoke(Context* context, const admin::RevokeRequest* in, admin::RevokeResponse* out) override;
  Reactor* ListRevocations(Context* context, const admin::ListRevocationsRequest* in,
                           admin::ListRevocationsResponse* out) override;
  Reactor* ReloadKeys(Context* context, const admin::ReloadKeysRequest* in, admin::ReloadKeysResponse* out) override;
  Reactor* Backup(Context* context, const admin::BackupRequest* in, admin::BackupResponse* out) override;
  ::grpc::ServerBidiReactor<admin::ImportRequest, admin::ImportProgress>* Import(Context* context) override;
  ::grpc::ServerWriteReactor<admin::ExportPiece>* Export(Context* context, const admin::ExportRequest* in) override;
  Reactor* VerifyAudit(Context* context, const admin::VerifyAuditRequest* in, admin::VerifyAuditResponse* out) override;
  Reactor* ErasePerson(Context* context, const admin::ErasePersonRequest* in, admin::ErasePersonResponse* out) override;
  Reactor* ShowLimits(Context* context, const admin::ShowLimitsRequest* in, admin::ShowLimitsResponse* out) override;
  Reactor* ForecastLimits(Context* context, const admin::ForecastLimitsRequest* in,
                          admin::ForecastLimitsResponse* out) override;
  Reactor* ResetLimit(Context* context, const admin::ResetLimitRequest* in, admin::ResetLimitResponse* out) override;
  Reactor* ReloadLimits(Context* context, const admin::ReloadLimitsRequest* in,
                        admin::ReloadLimitsResponse* out) override;
  Reactor* Purge(Context* context, const admin::PurgeRequest* in, admin::PurgeResponse* out) override;
  Reactor* ListDeadLetters(Context* context, const admin::ListDeadLettersRequest* in,
                           admin::ListDeadLettersResponse* out) override;
  Reactor* GetDeadLetter(Context* context, const admin::GetDeadLetterRequest* in, admin::DeadLetter* out) override;
  Reactor* ReplayDeadLetters(Context* context, const admin::ReplayDeadLettersRequest* in,
                             admin::ReplayDeadLettersResponse* out) override;
  Reactor* DiscardDeadLetters(Context* context, const admin::DiscardDeadLettersRequest* in,
                              admin::DiscardDeadLettersResponse* out) override;
  Reactor* TailEvents(Context* context, const admin::TailEventsRequest* in, admin::TailEventsResponse* out) override;
  Reactor* ReplayEvents(Context* context, const admin::ReplayEventsRequest* in,
                        admin::ReplayEventsResponse* out) override;

  Reactor* GetCacheStats(Context* context, const admin::GetCacheStatsRequest* in,
                         admin::GetCacheStatsResponse* out) override;
  Reactor* GetCached(Context* context, const admin::GetCachedRequest* in, admin::GetCachedResponse* out) override;
  Reactor* ExplainCached(Context* context, const admin::ExplainCachedRequest* in,
                         admin::ExplainCachedResponse* out) override;
  Reactor* InvalidateCached(Context* context, const admin::InvalidateCachedRequest* in,
                            admin::InvalidateCachedResponse* out) override;
  Reactor* WarmCache(Context* context, const admin::WarmCacheRequest* in, admin::WarmCacheResponse* out) override;
  Reactor* NameCacheKey(Context* context, const admin::NameCacheKeyRequest* in,
                        admin::NameCacheKeyResponse* out) override;

 private:
  const Services& services_;
};

}  // namespace chaveiro::api::grpc
