#include "clients/postgres/migrations.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/hash.h"
#include "clients/postgres/errors.h"

namespace chaveiro::clients::postgres {

namespace {

constexpr std::string_view history = R"sql(
CREATE TABLE IF NOT EXISTS schema_migrations (
  major integer NOT NULL,
  minor integer NOT NULL,
  name text NOT NULL,
  checksum bytea NOT NULL,
  applied_at timestamptz NOT NULL,
  PRIMARY KEY (major, minor)
);
GRANT SELECT ON schema_migrations TO chaveiro_runtime, chaveiro_import;
)sql";

// Of one runner; any number that nobody else uses will do.
constexpr std::int64_t runner_lock = 7'230'415'001;

struct Step {
  SchemaVersion version;
  std::string name, checksum;
  UtcTime applied_at;
};
using Applied = std::map<SchemaVersion, Step>;

Result<Applied> applied_in(Connection& connection, Deadline deadline) {
  Applied applied;
  TRY(const Rows there,
      connection.run("SELECT 1 FROM pg_class WHERE oid = to_regclass('schema_migrations')", {}, deadline));
  if (there.empty()) return applied;
  TRY(const Rows rows,
      connection.run("SELECT major, minor, name, checksum, applied_at FROM schema_migrations", {}, deadline));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row row = rows[i];
    Step step;
    step.version = {static_cast<int>(row.number()), 0};
    step.version.minor = static_cast<int>(row.number());
    step.name = row.text();
    step.checksum = row.text();
    step.applied_at = row.time();
    applied[step.version] = step;
  }
  return applied;
}

bool as_known(const Step& step, const Migration& known) { return step.checksum == as_text(sha256(known.up)); }

Result<void> check_checksums(const Applied& applied, std::span<const Migration> steps) {
  for (const Migration& step : steps) {
    const auto found = applied.find(step.version);
    if (found == applied.end() || as_known(found->second, step)) continue;
    return fail(Code::corrupt, "SchemaChanged",
                "step " + to_string(step.version) +
                    " of the database's schema is not the one that this program knows: it was made by another build");
  }
  return {};
}

Error too_new(SchemaVersion newest, SchemaVersion known) {
  return fail(Code::unavailable, "SchemaTooNew",
              "the database has schema " + to_string(newest) + " and this program knows up to " + to_string(known) +
                  ": use the newer program, or restore a backup from before the upgrade");
}

struct Move {
  const Migration* step;
  bool up;
};

// What is to be done, in order.
Result<std::vector<Move>> moves(const Applied& applied, std::span<const Migration> steps, SchemaVersion target) {
  TRY_VOID(check_checksums(applied, steps));
  std::vector<Move> all;
  const SchemaVersion newest = applied.empty() ? SchemaVersion{} : applied.rbegin()->first;
  const SchemaVersion known = steps.back().version;
  if (newest > known) {
    if (newest.major == known.major && target == known) return all;
    return too_new(newest, known);
  }
  for (const Migration& step : steps)
    if (step.version <= target && !applied.contains(step.version)) all.push_back({&step, true});
  for (auto step = steps.rbegin(); step != steps.rend(); ++step)
    if (step->version > target && applied.contains(step->version)) all.push_back({&*step, false});
  return all;
}

Result<void> note(Connection& connection, const Move& move, UtcTime now, Deadline deadline) {
  const auto major = static_cast<std::int32_t>(move.step->version.major),
             minor = static_cast<std::int32_t>(move.step->version.minor);
  if (!move.up)
    return [&]() -> Result<void> {
      TRY_VOID(connection.run("DELETE FROM schema_migrations WHERE major = $1 AND minor = $2",
                              Params().add(major).add(minor), deadline));
      return {};
    }();
  const Digest256 checksum = sha256(move.step->up);
  TRY_VOID(connection.run("INSERT INTO schema_migrations VALUES ($1, $2, $3, $4, $5)",
                          Params().add(major).add(minor).add(move.step->name).add(ByteView(checksum)).add(now),
                          deadline));
  return {};
}

std::string_view text_of(const Move& move) { return move.up ? move.step->up : move.step->down; }

Result<void> in_transaction(Connection& connection, const Move& move, UtcTime now, Deadline deadline) {
  TRY_VOID(connection.script("BEGIN", deadline));
  Result<void> done = connection.script(std::string(text_of(move)), deadline);
  if (done) done = note(connection, move, now, deadline);
  if (done) return connection.script("COMMIT", deadline);
  if (!connection.broken()) (void)connection.script("ROLLBACK", deadline);
  return done;
}

// Statements end with ";\n".
Result<void> beside_others(Connection& connection, const Move& move, UtcTime now, Deadline deadline) {
  std::string_view rest = text_of(move);
  while (!rest.empty()) {
    const std::size_t end = rest.find(";\n");
    const std::string_view statement = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
    if (statement.find_first_not_of(" \n") == std::string_view::npos) continue;
    TRY_VOID(connection.script(std::string(statement), deadline));
  }
  return note(connection, move, now, deadline);
}

Result<void> run_moves(Connection& connection, std::span<const Migration> steps, SchemaVersion target, UtcTime now,
                       Deadline deadline) {
  TRY_VOID(connection.script(std::string(history), deadline));
  TRY(const Applied applied, applied_in(connection, deadline));  // another runner may have been faster
  TRY(const std::vector<Move> all, moves(applied, steps, target));
  for (const Move& move : all) {
    const bool alone = move.step->how == Migration::How::in_transaction;
    const auto done =
        alone ? in_transaction(connection, move, now, deadline) : beside_others(connection, move, now, deadline);
    if (done) continue;
    Error error = done.error();
    error.message =
        "step " + to_string(move.step->version) + " (" + std::string(move.step->name) + "): " + error.message;
    return error;
  }
  return {};
}

}  // namespace

std::string to_string(SchemaVersion version) {
  return std::to_string(version.major) + "." + std::to_string(version.minor);
}

Result<SchemaVersion> parse_schema_version(std::string_view text) {
  SchemaVersion version;
  const char* const end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, version.major);
  if (major.ec == std::errc() && major.ptr != end && *major.ptr == '.') {
    const auto minor = std::from_chars(major.ptr + 1, end, version.minor);
    if (minor.ec == std::errc() && minor.ptr == end) return version;
  }
  return fail_field("version", "must be two numbers such as 1.2");
}

Result<std::vector<AppliedStep>> applied_steps(Connection& connection, Deadline deadline) {
  TRY(const Applied applied, applied_in(connection, deadline));
  std::vector<AppliedStep> steps;
  for (const auto& [version, step] : applied) {
    const auto known = std::ranges::find(migrations(), version, &Migration::version);
    steps.push_back({version, step.name, step.applied_at, known == migrations().end() || as_known(step, *known)});
  }
  return steps;
}

Result<std::string> migration_plan(Connection& connection, std::span<const Migration> steps, SchemaVersion target,
                                   Deadline deadline) {
  TRY(const Applied applied, applied_in(connection, deadline));
  TRY(const std::vector<Move> all, moves(applied, steps, target));
  std::string text;
  if (applied.empty() && !all.empty()) text += history;
  for (const Move& move : all) {
    const bool alone = move.step->how == Migration::How::in_transaction;
    text += "\n-- " + std::string(move.up ? "up to " : "down from ") + to_string(move.step->version) + ": " +
            std::string(move.step->name) + "\n";
    text += (alone ? "BEGIN;" : "") + std::string(text_of(move)) + (alone ? "COMMIT;\n" : "");
  }
  return text;
}

Result<void> migrate(Connection& connection, std::span<const Migration> steps, SchemaVersion target, UtcTime now,
                     Deadline deadline, std::chrono::milliseconds lock_limit) {
  {
    TRY(const Applied applied, applied_in(connection, deadline));
    TRY(const std::vector<Move> all, moves(applied, steps, target));
    if (all.empty()) return {};
  }
  // A table that is in use for long must not make everybody else queue behind us.
  TRY_VOID(connection.script("SET lock_timeout = " + std::to_string(lock_limit.count()) + "; SET statement_timeout = 0",
                             deadline));
  TRY_VOID(connection.run("SELECT pg_advisory_lock($1)", Params().add(runner_lock), deadline));
  const auto done = run_moves(connection, steps, target, now, deadline);
  if (!connection.broken())
    TRY_VOID(connection.run("SELECT pg_advisory_unlock($1)", Params().add(runner_lock), deadline));
  if (!connection.broken()) TRY_VOID(connection.script("RESET lock_timeout; RESET statement_timeout", deadline));
  return done;
}

Result<void> check_schema(Connection& connection, Deadline deadline) {
  TRY(const Applied applied, applied_in(connection, deadline));
  TRY_VOID(check_checksums(applied, migrations()));
  const SchemaVersion newest = applied.empty() ? SchemaVersion{} : applied.rbegin()->first;
  if (newest.major > newest_schema().major) return too_new(newest, newest_schema());
  if (newest >= newest_schema()) return {};
  return fail(Code::unavailable, "SchemaMissing",
              "the database has schema " + to_string(newest) + " and this program needs " + to_string(newest_schema()) +
                  ": run `chaveiro db migrate`");
}

}  // namespace chaveiro::clients::postgres
