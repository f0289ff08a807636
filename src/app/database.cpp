#include "app/database.h"

#include <algorithm>

#include "clients/postgres/migrations.h"
#include "clients/postgres/partitions.h"

namespace chaveiro::app {
namespace {

namespace pg = clients::postgres;

constexpr std::chrono::hours limit{1};  // an index on a large table takes its time
constexpr int months_ahead = 3;

Result<std::unique_ptr<pg::Connection>> connect(const Settings& settings) {
  if (!settings.database_url.starts_with("postgres://"))
    return fail_field("DATABASE_URL",
                      "names no PostgreSQL; SQLite brings its schema up to date when the server starts");
  pg::Target target;
  target.url =
      settings.database_maintenance_url.empty() ? Secret(settings.database_url) : settings.database_maintenance_url;
  return pg::Connection::open(target, Deadline::in(std::chrono::seconds{10}));
}

// What is not as the steps left it: constraints that nobody checked, indexes that nobody may use, tables without their guard.
Result<void> look_for_faults(pg::Connection& connection, std::uint32_t months_kept, Deadline deadline,
                             std::vector<std::string>& faults) {
  const std::pair<const char*, const char*> questions[] = {
      {"SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid WHERE NOT indisvalid "
       "AND "
       "relnamespace = 'public'::regnamespace",
       "index is not valid (a migration died half-way): run `chaveiro db migrate` again, or DROP it: "},
      {"SELECT conname::text FROM pg_constraint WHERE NOT convalidated AND connamespace = 'public'::regnamespace",
       "constraint is not validated: "},
      {"SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND "
       "NOT "
       "relrowsecurity AND relname <> 'schema_migrations'",
       "table has no row-level security: "},
      {"SELECT wanted FROM unnest(ARRAY['entries_key_limit', 'entries_account']) AS wanted WHERE NOT EXISTS (SELECT 1 "
       "FROM "
       "pg_constraint WHERE conname = wanted)",
       "constraint is gone: "}};
  for (const auto& [sql, meaning] : questions) {
    TRY(const pg::Rows rows, connection.run(sql, {}, deadline));
    for (std::size_t i = 0; i < rows.size(); ++i) faults.push_back(meaning + std::string(rows[i].text()));
  }
  TRY(const pg::PartitionHealth health, pg::look_at_partitions(connection, SystemClock{}.now(), deadline));
  if (health.next_is_missing)
    faults.emplace_back(
        "the audit's partition of this month or of the next seven days is missing: run `chaveiro db migrate`");
  TRY(const auto there, pg::partitions_of_audit(connection, deadline));
  if (months_kept > 0 && !there.empty() && there.front() < pg::first_month_kept(SystemClock{}.now(), months_kept))
    faults.push_back("month " + std::to_string(there.front()) +
                     " of the audit is older than DATABASE_AUDIT_MONTHS: run `chaveiro db maintain`");
  if (health.rows_without > 0)
    faults.push_back(std::to_string(health.rows_without) +
                     " audit records lie in audit_rest, whose months were not made in time");
  return {};
}

}  // namespace

Result<SchemaStatus> schema_status(const Settings& settings) {
  const Deadline deadline = Deadline::in(std::chrono::minutes{1});
  TRY(const auto connection, connect(settings));
  TRY(const auto applied, pg::applied_steps(*connection, deadline));
  SchemaStatus status;
  for (const pg::AppliedStep& step : applied) {
    status.steps.push_back({to_string(step.version), step.name, to_rfc3339(step.applied_at), step.as_known});
    if (!step.as_known) status.faults.push_back("step " + to_string(step.version) + " was made by another build");
  }
  for (const pg::Migration& step : pg::migrations()) {
    if (std::ranges::find(applied, step.version, &pg::AppliedStep::version) != applied.end()) continue;
    status.steps.push_back({to_string(step.version), std::string(step.name), "", true});
    status.faults.push_back("step " + to_string(step.version) + " waits: run `chaveiro db migrate`");
  }
  if (applied.empty()) return status;
  TRY(const auto months, pg::partitions_of_audit(*connection, deadline));
  for (const directory::Month month : months) status.months.push_back(std::to_string(month));
  TRY(const auto detached, pg::detached_months(*connection, deadline));
  for (const pg::DetachedMonth& month : detached) status.detached.push_back(std::to_string(month.month));
  TRY_VOID(look_for_faults(*connection, settings.database_audit_months, deadline, status.faults));
  return status;
}

Result<std::string> change_schema(const Settings& settings, const SchemaChange& change) {
  const Deadline deadline = Deadline::in(limit);
  pg::SchemaVersion target = pg::newest_schema();
  if (!change.target.empty()) {
    TRY(target, pg::parse_schema_version(change.target));
  }
  TRY(const auto connection, connect(settings));
  TRY(const auto applied, pg::applied_steps(*connection, deadline));
  const pg::SchemaVersion now = applied.empty() ? pg::SchemaVersion{} : applied.back().version;
  if (change.down && target > now) return fail_field("version", "the database has " + to_string(now) + " already");
  if (!change.down && target < now && !change.target.empty())
    return fail_field("version", "the database has " + to_string(now) + ": going back is `chaveiro db down`");
  if (change.dry_run) return pg::migration_plan(*connection, pg::migrations(), target, deadline);
  TRY_VOID(pg::migrate(*connection, pg::migrations(), target, SystemClock{}.now(), deadline));
  std::string text = now == target ? "schema " + to_string(target) + " was there already"
                                   : "schema " + to_string(now) + " → " + to_string(target);
  if (target >= pg::SchemaVersion{1, 0}) {
    TRY(const std::size_t made, pg::make_partitions(*connection, SystemClock{}.now(), months_ahead, deadline));
    if (made > 0) text += ", " + std::to_string(made) + " months of the audit made";
  }
  return text + "\n";
}

Result<std::string> maintain_database(const Settings& settings, const Maintenance& maintenance) {
  const Deadline deadline = Deadline::in(limit);
  const UtcTime now = SystemClock{}.now();
  TRY(const auto connection, connect(settings));
  TRY(const auto before, pg::partitions_of_audit(*connection, deadline));
  std::string text;
  directory::Month month = directory::month_of(now);
  for (int i = 0; i <= months_ahead; ++i, month = pg::next_month(month))
    if (std::ranges::find(before, month) == before.end()) text += "make month " + std::to_string(month) + "\n";
  const std::uint32_t kept = settings.database_audit_months;
  const directory::Month first_kept = kept == 0 ? directory::Month{} : pg::first_month_kept(now, kept);
  for (const directory::Month old : before)
    if (old < first_kept) text += "detach month " + std::to_string(old) + "\n";
  if (text.empty()) text = "there is nothing to do\n";
  if (maintenance.dry_run) return text;
  TRY_VOID(pg::make_partitions(*connection, now, months_ahead, deadline));
  if (kept > 0) TRY_VOID(pg::detach_months(*connection, first_kept, deadline));
  std::vector<std::string> faults;
  TRY_VOID(look_for_faults(*connection, kept, deadline, faults));
  if (faults.empty()) return text;
  return fail(Code::corrupt, "DatabaseFaults", faults.front() + " (`chaveiro db verify` tells all)");
}

Result<std::string> drop_detached_months(const Settings& settings, const MonthsGone& gone) {
  const auto first = parse_rfc3339(gone.before + "-01T00:00:00Z");
  if (!first) return fail_field("before", "must be a month such as 2025-01");
  const Deadline deadline = Deadline::in(limit);
  TRY(const auto connection, connect(settings));
  TRY(const auto detached, pg::detached_months(*connection, deadline));
  std::string text;
  for (const pg::DetachedMonth& month : detached) {
    if (month.month >= directory::month_of(*first)) break;
    if (!gone.dry_run) TRY_VOID(pg::drop_month(*connection, month, deadline));
    text += "DROP TABLE " + month.table() + ";  -- " + std::to_string(month.records) + " records\n";
  }
  return text.empty() ? "there is no detached month before " + gone.before + "\n" : text;
}

}  // namespace chaveiro::app
