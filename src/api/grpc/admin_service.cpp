#include "api/grpc/admin_service.h"

#include "api/grpc/admin_streams.h"
#include "api/grpc/convert.h"

namespace chaveiro::api::grpc {
namespace {

using Reactor = AdminService::Reactor;
using Context = AdminService::Context;

Result<void> get_log(Handling& it, const admin::GetLogRequest&, admin::LogSettings& out) {
  TRY(const LogSettings settings, it.services.admin->log_settings(it.context()));
  out.set_level(settings.level);
  out.set_access_log_one_in(settings.access_log_one_in);
  return {};
}

Result<void> set_log(Handling& it, const admin::SetLogRequest& in, admin::LogSettings& out) {
  TRY(const LogSettings settings,
      it.services.admin->set_log(
          it.context(), in.has_level() ? std::optional(in.level()) : std::nullopt,
          in.has_access_log_one_in() ? std::optional<std::uint32_t>(in.access_log_one_in()) : std::nullopt));
  out.set_level(settings.level);
  out.set_access_log_one_in(settings.access_log_one_in);
  return {};
}

Result<void> revoke(Handling& it, const admin::RevokeRequest& in, admin::RevokeResponse&) {
  const admin::Revocation& said = in.revocation();
  Revocation revocation;
  const auto kind = revocation_kind_of(said.kind());
  if (!kind) it.fields.refuse("revocation.kind", "must be one of jti, token_sha256, subject, kid, api_key");
  const auto value = it.fields.text("revocation.value", said.value(), 255);
  revocation.at = it.services.clock.now();
  if (said.has_at()) revocation.at = time_from(it.fields, "revocation.at", said.at()).value_or(revocation.at);
  if (said.has_expires_at()) revocation.expires_at = time_from(it.fields, "revocation.expires_at", said.expires_at());
  TRY_VOID(it.fields.verdict());
  revocation.kind = *kind;
  revocation.value = *value;
  revocation.by = it.context().caller.subject;
  return it.services.admin->revoke(it.context(), revocation);
}

Result<void> list_revocations(Handling& it, const admin::ListRevocationsRequest&, admin::ListRevocationsResponse& out) {
  TRY(const auto revocations, it.services.admin->revocations(it.context()));
  for (const Revocation& each : revocations) {
    admin::Revocation& row = *out.add_revocations();
    row.set_kind(std::string(to_string(each.kind)));
    row.set_value(each.value);
    put(*row.mutable_at(), each.at);
    if (each.expires_at) put(*row.mutable_expires_at(), *each.expires_at);
    row.set_by(each.by);
  }
  return {};
}

Result<void> reload_keys(Handling& it, const admin::ReloadKeysRequest&, admin::ReloadKeysResponse&) {
  return it.services.admin->reload_keys(it.context());
}

Result<void> backup(Handling& it, const admin::BackupRequest& in, admin::BackupResponse& out) {
  const auto name = it.fields.may_text("name", in.name(), 128);
  if (name && (name->find('/') != name->npos || name->front() == '.'))
    it.fields.refuse("name", "must be a file name without a folder");
  TRY_VOID(it.fields.verdict());
  TRY(const BackupAnswer made, it.services.admin->backup(it.context(), name.value_or("")));
  out.set_file(made.file);
  out.set_bytes(made.bytes);
  return {};
}

Result<void> verify_audit(Handling& it, const admin::VerifyAuditRequest& in, admin::VerifyAuditResponse& out) {
  TRY(const AuditVerification found,
      it.services.admin->verify_audit(it.context(), {in.anchors().begin(), in.anchors().end()}));
  out.set_records(found.records);
  for (const AuditFault& fault : found.faults) {
    auto& row = *out.add_faults();
    row.set_chain(fault.chain);
    row.set_kind(fault.kind);
    row.set_writer(fault.writer);
    row.set_month(fault.month);
    row.set_number(fault.number);
    row.set_message(fault.message);
  }
  for (const std::string& anchor : found.anchors) out.add_anchors(anchor);
  return {};
}

Result<void> erase_person(Handling& it, const admin::ErasePersonRequest& in, admin::ErasePersonResponse& out) {
  const auto tax_id = it.fields.tax_id("tax_id", in.tax_id());
  TRY_VOID(it.fields.verdict());
  TRY(const std::uint64_t rows, it.services.admin->erase_person(it.context(), *tax_id));
  out.set_rows(rows);
  return {};
}

Result<void> purge(Handling& it, const admin::PurgeRequest& in, admin::PurgeResponse& out) {
  if (!in.has_before()) return fail_field("before", "is required");
  const auto before = time_from(it.fields, "before", in.before());
  TRY_VOID(it.fields.verdict());
  TRY(const std::uint64_t rows, it.services.admin->purge(it.context(), *before));
  out.set_rows(rows);
  return {};
}

}  // namespace

Reactor* AdminService::GetLog(Context* context, const admin::GetLogRequest* in, admin::LogSettings* out) {
  return answer_on_pool(services_, context, {"GetLog"}, in, out, get_log);
}
Reactor* AdminService::SetLog(Context* context, const admin::SetLogRequest* in, admin::LogSettings* out) {
  return answer_on_pool(services_, context, {"SetLog"}, in, out, set_log);
}
Reactor* AdminService::Revoke(Context* context, const admin::RevokeRequest* in, admin::RevokeResponse* out) {
  return answer_on_pool(services_, context, {"Revoke"}, in, out, revoke);
}
Reactor* AdminService::ListRevocations(Context* context, const admin::ListRevocationsRequest* in,
                                       admin::ListRevocationsResponse* out) {
  return answer_on_pool(services_, context, {"ListRevocations"}, in, out, list_revocations);
}
Reactor* AdminService::ReloadKeys(Context* context, const admin::ReloadKeysRequest* in,
                                  admin::ReloadKeysResponse* out) {
  return answer_on_pool(services_, context, {"ReloadKeys"}, in, out, reload_keys);
}
Reactor* AdminService::Backup(Context* context, const admin::BackupRequest* in, admin::BackupResponse* out) {
  return answer_on_pool(services_, context, {"Backup", Access::token, stream_limit}, in, out, backup);
}
Reactor* AdminService::VerifyAudit(Context* context, const admin::VerifyAuditRequest* in,
                                   admin::VerifyAuditResponse* out) {
  return answer_on_pool(services_, context, {"VerifyAudit", Access::token, stream_limit}, in, out, verify_audit);
}
Reactor* AdminService::ErasePerson(Context* context, const admin::ErasePersonRequest* in,
                                   admin::ErasePersonResponse* out) {
  return answer_on_pool(services_, context, {"ErasePerson"}, in, out, erase_person);
}
Reactor* AdminService::Purge(Context* context, const admin::PurgeRequest* in, admin::PurgeResponse* out) {
  return answer_on_pool(services_, context, {"Purge", Access::token, stream_limit}, in, out, purge);
}
::grpc::ServerBidiReactor<admin::ImportRequest, admin::ImportProgress>* AdminService::Import(Context* context) {
  return new ImportStream(services_, *context);
}
::grpc::ServerWriteReactor<admin::ExportPiece>* AdminService::Export(Context* context, const admin::ExportRequest* in) {
  return new ExportStream(services_, *context, *in);
}

}  // namespace chaveiro::api::grpc
