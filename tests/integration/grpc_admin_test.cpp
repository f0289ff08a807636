// AdminService as an operator's client sees it, streams included.
#include <algorithm>

#include "tests/integration/grpc_edge.h"

namespace chaveiro {
namespace {

using directory::Role;
using ::grpc::StatusCode;

struct GrpcAdmin : GrpcEdge {
  std::unique_ptr<admin::AdminService::Stub> administration = admin::AdminService::NewStub(channel);

  GrpcAdmin() { as(token({Role::admin})); }

  template <class Request, class Response>
  ::grpc::Status ask(::grpc::Status (admin::AdminService::Stub::*rpc)(::grpc::ClientContext*, const Request&,
                                                                      Response*),
                     const Request& request, Response& response) {
    ::grpc::ClientContext context;
    prepare(context);
    return ((*administration).*rpc)(&context, request, &response);
  }
};

using Stub = admin::AdminService::Stub;

TEST_F(GrpcAdmin, log_level_and_sampling_change_one_by_one) {
  admin::SetLogRequest set;
  set.set_level("debug");
  admin::LogSettings settings;
  ASSERT_TRUE(ask(&Stub::SetLog, set, settings).ok());
  EXPECT_EQ(settings.level(), "debug");
  EXPECT_EQ(settings.access_log_one_in(), 100u);
  set.clear_level();
  set.set_access_log_one_in(0);
  ASSERT_TRUE(ask(&Stub::SetLog, set, settings).ok());
  ASSERT_TRUE(ask(&Stub::GetLog, admin::GetLogRequest(), settings).ok());
  EXPECT_EQ(settings.level(), "debug");
  EXPECT_EQ(settings.access_log_one_in(), 0u);
}

TEST_F(GrpcAdmin, a_revoked_token_is_refused_by_the_next_call) {
  const std::string theirs = token({Role::operator_});
  as(theirs);
  core::ListKeysResponse keys;
  ASSERT_TRUE(call(&core::CoreDictService::Stub::ListKeys, core::ListKeysRequest(), keys).ok());
  as(token({Role::admin}));
  admin::RevokeRequest revoke;
  revoke.mutable_revocation()->set_kind("token_sha256");
  revoke.mutable_revocation()->set_value(to_hex(sha256(theirs)));
  admin::RevokeResponse done;
  ASSERT_TRUE(ask(&Stub::Revoke, revoke, done).ok());
  admin::ListRevocationsResponse list;
  ASSERT_TRUE(ask(&Stub::ListRevocations, admin::ListRevocationsRequest(), list).ok());
  ASSERT_EQ(list.revocations_size(), 1);
  EXPECT_EQ(list.revocations(0).by(), "joana");
  as(theirs);
  EXPECT_EQ(refusal_of(call(&core::CoreDictService::Stub::ListKeys, core::ListKeysRequest(), keys)).reason,
            "TokenRevoked");
  as(token({Role::admin}));
  revoke.mutable_revocation()->set_kind("everything");
  EXPECT_EQ(refusal_of(ask(&Stub::Revoke, revoke, done)).fields, std::vector<std::string>{"revocation.kind"});
}

TEST_F(GrpcAdmin, backup_audit_erasure_and_purge_reach_the_port) {
  admin::BackupRequest backup;
  admin::BackupResponse made;
  backup.set_name("../etc/passwd");
  EXPECT_EQ(refusal_of(ask(&Stub::Backup, backup, made)).fields, std::vector<std::string>{"name"});
  backup.set_name("monday");
  ASSERT_TRUE(ask(&Stub::Backup, backup, made).ok());
  EXPECT_EQ(made.file(), "backups/monday");
  admin::VerifyAuditRequest verify;
  verify.add_anchors("an anchor");
  admin::VerifyAuditResponse verified;
  ASSERT_TRUE(ask(&Stub::VerifyAudit, verify, verified).ok());
  EXPECT_EQ(verified.records(), 7u);
  EXPECT_EQ(verified.faults(0).message(), "record 3 is missing");
  EXPECT_EQ(verified.anchors(0), "an anchor");
  admin::ErasePersonRequest erase;
  erase.set_tax_id("123.456.789-09");
  admin::ErasePersonResponse erased;
  ASSERT_TRUE(ask(&Stub::ErasePerson, erase, erased).ok());
  EXPECT_EQ(erased.rows(), 11u);
  admin::PurgeResponse purged;
  EXPECT_EQ(refusal_of(ask(&Stub::Purge, admin::PurgeRequest(), purged)).fields, std::vector<std::string>{"before"});
  admin::PurgeRequest purge;
  purge.mutable_before()->set_seconds(1'700'000'000);
  ASSERT_TRUE(ask(&Stub::Purge, purge, purged).ok());
  admin::ReloadKeysResponse reloaded;
  EXPECT_TRUE(ask(&Stub::ReloadKeys, admin::ReloadKeysRequest(), reloaded).ok());
}

TEST_F(GrpcAdmin, an_operator_is_no_administrator) {
  as(token({Role::operator_}));
  admin::LogSettings settings;
  EXPECT_EQ(refusal_of(ask(&Stub::GetLog, admin::GetLogRequest(), settings)).code, StatusCode::PERMISSION_DENIED);
}

TEST_F(GrpcAdmin, an_import_is_taken_in_pieces_and_reports_its_faults) {
  ::grpc::ClientContext context;
  prepare(context);
  const auto stream = administration->Import(&context);
  std::string sent;
  admin::ImportProgress progress;
  for (int i = 0; i < 5; ++i) {
    admin::ImportRequest request;
    if (i == 0) request.set_format(admin::FILE_FORMAT_NDJSON);
    request.set_piece("{\"line\":" + std::to_string(i) + "}\n");
    sent += request.piece();
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&progress));
    EXPECT_EQ(progress.lines(), static_cast<unsigned>(i + 1));
    EXPECT_FALSE(progress.finished());
  }
  stream->WritesDone();
  ASSERT_TRUE(stream->Read(&progress));
  EXPECT_TRUE(progress.finished());
  EXPECT_EQ(progress.imported(), 5u);
  EXPECT_EQ(progress.faults(0).field(), "key");
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(*played_admin.imported.lock(), sent);
}

TEST_F(GrpcAdmin, an_import_without_a_format_or_a_right_is_refused) {
  {
    ::grpc::ClientContext context;
    prepare(context);
    const auto stream = administration->Import(&context);
    stream->WritesDone();
    EXPECT_EQ(refusal_of(stream->Finish()).fields, std::vector<std::string>{"format"});
  }
  as(token({Role::user}));
  ::grpc::ClientContext context;
  prepare(context);
  const auto stream = administration->Import(&context);
  admin::ImportRequest request;
  request.set_format(admin::FILE_FORMAT_CSV);
  stream->Write(request);
  EXPECT_EQ(refusal_of(stream->Finish()).code, StatusCode::PERMISSION_DENIED);
}

TEST_F(GrpcAdmin, an_export_brings_every_line_however_many_pieces_it_takes) {
  played_admin.export_lines = 20'000;  // about five pieces
  ::grpc::ClientContext context;
  prepare(context);
  admin::ExportRequest request;
  request.set_format(admin::FILE_FORMAT_NDJSON);
  const auto stream = administration->Export(&context, request);
  admin::ExportPiece piece;
  std::string text;
  int pieces = 0;
  while (stream->Read(&piece)) {
    text += piece.piece();
    ++pieces;
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_GT(pieces, 2);
  EXPECT_EQ(piece.lines(), 20'000u);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 20'000);
  EXPECT_TRUE(text.starts_with("{\"line\":0}\n{\"line\":1}\n"));
  EXPECT_TRUE(text.ends_with("{\"line\":19999}\n"));
}

TEST_F(GrpcAdmin, an_export_that_nobody_reads_any_more_ends) {
  played_admin.export_lines = 100'000'000;
  ::grpc::ClientContext context;
  prepare(context);
  admin::ExportRequest request;
  request.set_format(admin::FILE_FORMAT_NDJSON);
  const auto stream = administration->Export(&context, request);
  admin::ExportPiece piece;
  ASSERT_TRUE(stream->Read(&piece));
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::CANCELLED);
  // The fixture's end waits for the pool: it would hang if the export still ran.
}

}  // namespace
}  // namespace chaveiro
