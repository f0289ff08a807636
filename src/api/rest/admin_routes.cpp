#include "api/rest/route.h"
#include "api/rest/schemas.h"

namespace chaveiro::api::rest {
namespace {

using directory::Permission;
using net::Method;

constexpr std::size_t faults_max = 1'000;

// A process without administration does not know these paths.
Result<AdminPort*> port(Exchange& exchange) {
  if (!exchange.services.admin) return fail(Code::not_found, "NotFound", "this process offers no administration");
  return exchange.services.admin;
}

Answer log_settings(const LogSettings& settings) {
  JsonWriter out;
  out.begin_object()
      .field("level", settings.level)
      .name("access_log_one_in")
      .integer(settings.access_log_one_in)
      .end_object();
  return Answer{out.take()};
}

Answer done() { return Answer{R"({"done":true})"}; }

Answer rows(std::uint64_t count) {
  JsonWriter out;
  out.begin_object().name("rows").unsigned_integer(count).end_object();
  return Answer{out.take()};
}

Result<Answer> get_log(Exchange& exchange) {
  TRY_VOID(exchange.in.verdict());
  TRY(AdminPort* const admin, port(exchange));
  TRY(const auto settings, admin->log_settings(exchange.context()));
  return log_settings(settings);
}

Result<Answer> set_log(Exchange& exchange) {
  std::optional<std::string> level;
  if (const auto text = exchange.in.text("level")) level = std::string(*text);
  std::optional<std::uint32_t> one_in;
  if (const auto number = exchange.in.integer("access_log_one_in")) one_in = static_cast<std::uint32_t>(*number);
  TRY_VOID(exchange.in.verdict());
  TRY(AdminPort* const admin, port(exchange));
  TRY(const auto settings, admin->set_log(exchange.context(), level, one_in));
  return log_settings(settings);
}

Result<Answer> revoke(Exchange& exchange) {
  Input& in = exchange.in;
  Revocation revocation;
  if (const auto text = in.text("kind")) {
    const auto kind = revocation_kind_of(*text);
    if (!kind) in.fields().refuse("kind", "must be jti, token_sha256, subject, kid or api_key");
    revocation.kind = kind.value_or(RevocationKind::token_id);
  }
  revocation.value = in.limited_text("value", 256).value_or("");
  revocation.expires_at = in.read("expires_at", &Fields::may_time);
  TRY_VOID(in.verdict());
  TRY(AdminPort* const admin, port(exchange));
  revocation.at = exchange.services.clock.now();
  revocation.by = exchange.context().caller.subject;
  TRY_VOID(admin->revoke(exchange.context(), revocation));
  return done();
}

Result<Answer> list_revocations(Exchange& exchange) {
  TRY_VOID(exchange.in.verdict());
  TRY(AdminPort* const admin, port(exchange));
  TRY(const auto revocations, admin->revocations(exchange.context()));
  JsonWriter out;
  out.begin_object().name("revocations").begin_list();
  for (const Revocation& revocation : revocations) {
    out.begin_object().field("kind", to_string(revocation.kind)).field("value", revocation.value);
    out.field("date", to_rfc3339(revocation.at)).name("expires_at");
    revocation.expires_at ? out.text(to_rfc3339(*revocation.expires_at)) : out.null();
    out.field("by", revocation.by).end_object();
  }
  out.end_list().end_object();
  return Answer{out.take()};
}

Result<Answer> reload_keys(Exchange& exchange) {
  TRY_VOID(exchange.in.verdict());
  TRY(AdminPort* const admin, port(exchange));
  TRY_VOID(admin->reload_keys(exchange.context()));
  return done();
}

Result<Answer> backup(Exchange& exchange) {
  std::string name;
  if (exchange.in.text("name")) name = exchange.in.limited_text("name", 100).value_or("");
  TRY_VOID(exchange.in.verdict());
  TRY(AdminPort* const admin, port(exchange));
  TRY(const auto copy, admin->backup(exchange.context(), name));
  JsonWriter out;
  out.begin_object().field("file", copy.file).name("bytes").unsigned_integer(copy.bytes).end_object();
  return Answer{out.take()};
}

Result<Answer> verify_audit(Exchange& exchange) {
  std::vector<std::string> anchors;
  for (std::size_t i = 0; i < exchange.in.items("anchors"); ++i)
    if (const auto line = exchange.in.text(item_path("anchors", i))) anchors.emplace_back(*line);
  TRY_VOID(exchange.in.verdict());
  TRY(AdminPort* const admin, port(exchange));
  TRY(const auto verification, admin->verify_audit(exchange.context(), anchors));
  JsonWriter out;
  out.begin_object().name("records").unsigned_integer(verification.records).name("faults").begin_list();
  for (const AuditFault& fault : verification.faults) {
    out.begin_object().field("chain", fault.chain).field("kind", fault.kind).field("writer", fault.writer);
    out.name("month").unsigned_integer(fault.month).name("number").unsigned_integer(fault.number);
    out.field("message", fault.message).end_object();
  }
  out.end_list().name("anchors").begin_list();
  for (const std::string& line : verification.anchors) out.text(line);
  out.end_list().end_object();
  return Answer{out.take()};
}

Result<Answer> erase_person(Exchange& exchange) {
  const auto tax_id = exchange.in.read("tax_id", &Fields::tax_id);
  TRY_VOID(exchange.in.verdict());
  TRY(AdminPort* const admin, port(exchange));
  TRY(const auto count, admin->erase_person(exchange.context(), *tax_id));
  return rows(count);
}

Result<Answer> purge(Exchange& exchange) {
  const auto before = exchange.in.read("before", &Fields::may_time);
  TRY_VOID(exchange.in.verdict());
  TRY(AdminPort* const admin, port(exchange));
  TRY(const auto count, admin->purge(exchange.context(), *before));
  return rows(count);
}

Result<ImportFormat> format_of(Exchange& exchange) {
  const auto text = exchange.in.text("format").value_or("ndjson");
  if (text != "ndjson" && text != "csv") exchange.in.fields().refuse("format", "must be ndjson or csv");
  TRY_VOID(exchange.in.verdict());
  return text == "csv" ? ImportFormat::csv : ImportFormat::ndjson;
}

// The counts are those of the whole run, the faults those since the last answer.
struct Summary {
  ImportProgress last;
  std::vector<ImportLineFault> faults;
  std::uint64_t faulty = 0;

  void take(ImportProgress progress) {
    faulty += progress.faults.size();
    for (ImportLineFault& fault : progress.faults)
      if (faults.size() < faults_max) faults.push_back(std::move(fault));
    progress.faults.clear();
    last = std::move(progress);
  }
};

// A file may take longer than one request: each piece has the deadline that a request has.
Result<Answer> import(Exchange& exchange) {
  TRY(const ImportFormat format, format_of(exchange));
  TRY(AdminPort* const admin, port(exchange));
  directory::Context context = exchange.context();
  context.deadline = Deadline::never();
  TRY(const auto run, admin->import(context, format));
  Summary summary;
  for (;;) {
    TRY(const std::string piece, exchange.upload->next(Deadline::in(std::chrono::seconds{30})));
    if (piece.empty()) break;
    TRY(auto progress, run->feed(piece));
    summary.take(std::move(progress));
  }
  TRY(auto progress, run->finish());
  summary.take(std::move(progress));
  JsonWriter out;
  out.begin_object().name("lines").unsigned_integer(summary.last.lines);
  out.name("imported").unsigned_integer(summary.last.imported).name("repeated").unsigned_integer(summary.last.repeated);
  out.name("faulty").unsigned_integer(summary.faulty).name("faults").begin_list();
  for (const ImportLineFault& fault : summary.faults) {
    out.begin_object().name("line").unsigned_integer(fault.line).field("field", fault.field);
    out.field("message", fault.message).end_object();
  }
  out.end_list().end_object();
  return Answer{out.take()};
}

Result<void> export_entries(Exchange& exchange, const std::function<bool(std::string_view)>& write) {
  TRY(const ImportFormat format, format_of(exchange));
  TRY(AdminPort* const admin, port(exchange));
  directory::Context context = exchange.context();
  context.deadline = Deadline::never();
  TRY_VOID(admin->export_entries(context, format, [&](std::string_view line) {
    return line.ends_with('\n') ? write(line) : write(std::string(line) + '\n');
  }));
  return {};
}

}  // namespace

std::vector<Route> admin_routes() {
  const std::vector<Parameter> format = {{.name = "format", .schema = &import_format_value()}};
  const auto admin = Permission::administrate;
  return {
      {Method::get,
       "/api/v1/admin/log",
       {"GetLog", "Administration", "Level and sampling of the log", ""},
       admin,
       {},
       nullptr,
       &log_settings_schema(),
       200,
       {},
       {.handle = get_log}},
      {Method::patch,
       "/api/v1/admin/log",
       {"SetLog", "Administration", "Change level and sampling of the log", "At once; audited."},
       admin,
       {},
       &set_log_schema(),
       &log_settings_schema(),
       200,
       {},
       {.handle = set_log}},
      {Method::post,
       "/api/v1/admin/revocations",
       {"Revoke", "Administration", "Revoke a token, a subject's tokens, a signing key or an API key",
        "Survives a restart."},
       admin,
       {},
       &revoke_schema(),
       &done_schema(),
       200,
       {},
       {.handle = revoke}},
      {Method::get,
       "/api/v1/admin/revocations",
       {"ListRevocations", "Administration", "What is revoked", ""},
       admin,
       {},
       nullptr,
       &revocation_list_schema(),
       200,
       {},
       {.handle = list_revocations}},
      {Method::post,
       "/api/v1/admin/keys/reload",
       {"ReloadKeys", "Administration", "Read the JWKS file again", ""},
       admin,
       {},
       nullptr,
       &done_schema(),
       200,
       {},
       {.handle = reload_keys}},
      {Method::post,
       "/api/v1/admin/backups",
       {"Backup", "Administration", "Copy the database while it runs", ""},
       admin,
       {},
       &backup_request_schema(),
       &backup_schema(),
       201,
       {},
       {.handle = backup}},
      {Method::post,
       "/api/v1/admin/audit/verify",
       {"VerifyAudit", "Administration", "Check the audit chains",
        "Only anchors kept elsewhere show that the end was cut off."},
       Permission::read_audit,
       {},
       &verify_audit_schema(),
       &audit_verification_schema(),
       200,
       {},
       {.handle = verify_audit}},
      {Method::post,
       "/api/v1/admin/import",
       {"Import", "Administration", "Import entries with accounts and owners",
        "The body is the file itself and may be sent in chunks. Faulty lines are told, the others go on; sending the "
        "file again is "
        "harmless."},
       Permission::write_accounts,
       format,
       nullptr,
       &import_summary_schema(),
       200,
       {},
       {.handle = import, .upload = true}},
      {Method::get,
       "/api/v1/admin/export",
       {"Export", "Administration", "Export entries with accounts and owners",
        "Streams; a broken end means that it is not whole."},
       Permission::write_accounts,
       format,
       nullptr,
       nullptr,
       200,
       {},
       {.stream = export_entries}},
      {Method::post,
       "/api/v1/admin/persons/erase",
       {"ErasePerson", "Administration", "Erase a person (LGPD)",
        "Refused while the person has a key, an open account or a claim."},
       admin,
       {},
       &erase_person_schema(),
       &rows_schema(),
       200,
       {},
       {.handle = erase_person}},
      {Method::post,
       "/api/v1/admin/purge",
       {"Purge", "Administration", "Remove what ended long ago", ""},
       admin,
       {},
       &purge_schema(),
       &rows_schema(),
       200,
       {},
       {.handle = purge}},
  };
}

}  // namespace chaveiro::api::rest
