#include "clients/sqlite/migrations.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/hash.h"

namespace chaveiro::clients::sqlite {

namespace {

constexpr std::string_view history = R"sql(
CREATE TABLE IF NOT EXISTS schema_migrations (
  major INTEGER NOT NULL,
  minor INTEGER NOT NULL,
  name TEXT NOT NULL,
  checksum BLOB NOT NULL,
  applied_at INTEGER NOT NULL,
  PRIMARY KEY (major, minor)
) STRICT, WITHOUT ROWID
)sql";

using Applied = std::map<SchemaVersion, std::string>;  // version → checksum

Result<Applied> applied_in(Connection& connection) {
  Applied applied;
  TRY(const std::int64_t there,
      connection.number("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'"));
  if (there == 0) return applied;
  TRY(const auto rows, connection.prepare_once("SELECT major, minor, checksum FROM schema_migrations"));
  for (;;) {
    TRY(const bool row, rows->step());
    if (!row) return applied;
    const SchemaVersion version{static_cast<int>(rows->number()), static_cast<int>(rows->number())};
    applied[version] = std::string(as_text(rows->bytes()));
  }
}

Result<void> check_checksums(const Applied& applied) {
  for (const Migration& step : migrations()) {
    const auto found = applied.find(step.version);
    if (found == applied.end()) continue;
    if (found->second != as_text(sha256(step.up)))
      return fail(Code::corrupt, "SchemaChanged",
                  "step " + to_string(step.version) +
                      " of the database's schema is not the one that this program knows: it was made by another build");
  }
  return {};
}

Result<void> step_up(Connection& connection, const Migration& step, UtcTime now) {
  TRY_VOID(connection.run(step.up));
  TRY(const auto row, connection.prepare_once("INSERT INTO schema_migrations VALUES (?, ?, ?, ?, ?)"));
  const Digest256 checksum = sha256(step.up);
  row->add(std::int64_t{step.version.major}).add(std::int64_t{step.version.minor}).add(step.name);
  TRY_VOID(row->add(ByteView(checksum)).add(now).run());
  return {};
}

Result<void> step_down(Connection& connection, const Migration& step) {
  TRY_VOID(connection.run(step.down));
  TRY(const auto row, connection.prepare_once("DELETE FROM schema_migrations WHERE major = ? AND minor = ?"));
  TRY_VOID(row->add(std::int64_t{step.version.major}).add(std::int64_t{step.version.minor}).run());
  return {};
}

// Runs `work` in a transaction of its own.
template <class Work>
Result<void> in_transaction(Connection& connection, const Work& work) {
  TRY_VOID(connection.run("BEGIN IMMEDIATE"));
  Result<void> done = work();
  if (done) done = connection.run("COMMIT");
  if (!done && connection.in_transaction()) static_cast<void>(connection.run("ROLLBACK"));
  return done;
}

}  // namespace

std::string to_string(SchemaVersion version) {
  return std::to_string(version.major) + "." + std::to_string(version.minor);
}

Result<SchemaVersion> schema_of(Connection& connection) {
  TRY(const Applied applied, applied_in(connection));
  return applied.empty() ? SchemaVersion{} : applied.rbegin()->first;
}

Result<void> migrate(Connection& connection, SchemaVersion target, UtcTime now) {
  TRY(const Applied applied, applied_in(connection));
  TRY_VOID(check_checksums(applied));
  const SchemaVersion newest = applied.empty() ? SchemaVersion{} : applied.rbegin()->first;
  if (newest > newest_schema()) {
    if (newest.major == newest_schema().major && target == newest_schema()) return {};
    return fail(Code::unavailable, "SchemaTooNew",
                "the database has schema " + to_string(newest) + " and this program knows up to " +
                    to_string(newest_schema()) +
                    ": use the newer program, or restore a backup from before the upgrade");
  }
  if (newest == target) return {};
  return in_transaction(connection, [&]() -> Result<void> {
    TRY_VOID(connection.run(history));
    TRY(const Applied now_applied, applied_in(connection));  // another process may have been faster
    for (const Migration& step : migrations())
      if (step.version <= target && !now_applied.contains(step.version)) TRY_VOID(step_up(connection, step, now));
    const auto steps = migrations();
    for (auto step = steps.rbegin(); step != steps.rend(); ++step)
      if (step->version > target && now_applied.contains(step->version)) TRY_VOID(step_down(connection, *step));
    return {};
  });
}

}  // namespace chaveiro::clients::sqlite
