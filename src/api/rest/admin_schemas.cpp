// The shapes of administration.
#include "api/rest/schemas.h"

namespace chaveiro::api::rest {
namespace {

const Schema& text() {
  static const Schema schema{.example = "\"text\"", .length_max = 1024};
  return schema;
}
const Schema& count() {
  static const Schema schema{.shape = Shape::integer, .example = "1", .minimum = 0};
  return schema;
}
const Schema& level() {
  static const Schema schema{.example = "\"info\"", .values = {"trace", "debug", "info", "warn", "error"}};
  return schema;
}
const Schema& one_in() {
  static const Schema schema{.shape = Shape::integer,
                             .description = "One call in so many stands in the access log; 0: only faults of ours",
                             .example = "100",
                             .minimum = 0,
                             .maximum = 1'000'000'000};
  return schema;
}
const Schema& revocation_kind() {
  static const Schema schema{
      .description = "What is revoked: one token, all tokens of a subject, a signing key, an API key",
      .example = "\"jti\"",
      .values = {"jti", "token_sha256", "subject", "kid", "api_key"}};
  return schema;
}

}  // namespace

const Schema& set_log_schema() {
  static const Schema schema =
      object("SetLog", {may("level", level()), may("access_log_one_in", one_in())}, "What is absent stays.");
  return schema;
}

const Schema& log_settings_schema() {
  static const Schema schema = object("LogSettings", {must("level", level()), must("access_log_one_in", one_in())});
  return schema;
}

const Schema& revoke_schema() {
  static const Schema value{.example = "\"f3a1\"", .length_min = 1, .length_max = 256};
  static const Schema schema =
      object("Revoke", {must("kind", revocation_kind()), must("value", value),
                        may("expires_at", moment_value(), "Forgotten after this; absent: kept for ever")});
  return schema;
}

const Schema& revocation_list_schema() {
  static const Schema revocation =
      object("Revocation", {must("kind", revocation_kind()), must("value", text()), must("date", moment_value()),
                            must_or_null("expires_at", moment_value()), must("by", text())});
  static const Schema revocations = list_of(revocation);
  static const Schema schema = object("RevocationList", {must("revocations", revocations)});
  return schema;
}

const Schema& backup_request_schema() {
  static const Schema name{
      .description = "Name of the file in the server's backup folder; made from the time where absent",
      .example = "\"before-upgrade\"",
      .length_max = 100};
  static const Schema schema = object("BackupRequest", {may("name", name)});
  return schema;
}

const Schema& backup_schema() {
  static const Schema schema = object("Backup", {must("file", text(), "Path on the server"), must("bytes", count())});
  return schema;
}

const Schema& verify_audit_schema() {
  static const Schema anchors = list_of(text(), 1000);
  static const Schema schema =
      object("VerifyAudit", {may("anchors", anchors, "Lines as an earlier verification gave them")});
  return schema;
}

const Schema& audit_verification_schema() {
  static const Schema chain{.example = "\"changes\"", .values = {"changes", "lookups"}};
  static const Schema kind{.example = "\"changed\"", .values = {"changed", "missing", "reordered", "cut", "torn"}};
  static const Schema fault =
      object("AuditFault", {must("chain", chain), must("kind", kind), must("writer", text()), must("month", count()),
                            must("number", count()), must("message", text())});
  static const Schema faults = list_of(fault);
  static const Schema anchors = list_of(text());
  static const Schema schema = object(
      "AuditVerification", {must("records", count()), must("faults", faults, "Empty: the chains hold"),
                            must("anchors", anchors, "Keep them elsewhere: only they show that a tail was cut off")});
  return schema;
}

const Schema& import_summary_schema() {
  static const Schema fault =
      object("ImportFault", {must("line", count()), must("field", text()), must("message", text())});
  static const Schema faults = list_of(fault);
  static const Schema schema =
      object("ImportSummary", {must("lines", count()), must("imported", count()), must("repeated", count()),
                               must("faulty", count()), must("faults", faults, "The first 1,000")});
  return schema;
}

const Schema& erase_person_schema() {
  static const Schema schema = object("ErasePerson", {must("tax_id", tax_id_value())});
  return schema;
}

const Schema& purge_schema() {
  static const Schema schema = object("Purge", {must("before", moment_value(), "What ended before is removed")});
  return schema;
}

const Schema& rows_schema() {
  static const Schema schema = object("Rows", {must("rows", count())});
  return schema;
}

const Schema& done_schema() {
  static const Schema done{.shape = Shape::boolean, .example = "true"};
  static const Schema schema = object("Done", {must("done", done)});
  return schema;
}

}  // namespace chaveiro::api::rest
