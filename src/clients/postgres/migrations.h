// clients/postgres/migrations.h
//
// The schema of the database and the steps between its versions, made by the role that owns the tables. A version is MAJOR.MINOR: a minor
// step only adds, so that the program before it goes on working beside the new one (expand); a major step takes away (contract) and is
// refused by programs that do not know it. Each step leaves its row, with the checksum of its text, in `schema_migrations`.
//
// A step runs in one transaction, or, where it makes indexes beside the work of others, statement by statement outside of any: such a step
// that died half-way is run again from its beginning, and is written so that this does no harm. One runner at a time (advisory lock).
//
// Threads: one caller, with the connection.
// Errors:  unavailable "SchemaTooNew" "SchemaMissing" "DatabaseLocked" (another runner, or a table in long use), corrupt "SchemaChanged",
//          and those of errors.h.
#pragma once

#include <compare>
#include <span>
#include <string>
#include <vector>

#include "clients/postgres/connection.h"

namespace chaveiro::clients::postgres {

struct SchemaVersion {
  int major = 0;
  int minor = 0;
  auto operator<=>(const SchemaVersion&) const = default;
};
std::string to_string(SchemaVersion version);
// Errors: invalid. "2.1".
Result<SchemaVersion> parse_schema_version(std::string_view text);

struct Migration {
  SchemaVersion version;
  std::string_view name;
  std::string_view up;
  std::string_view down;
  enum class How : std::uint8_t { in_transaction, beside_others } how = How::in_transaction;
};
// All steps that this program knows, oldest first.
std::span<const Migration> migrations();
SchemaVersion newest_schema();

struct AppliedStep {
  SchemaVersion version;
  std::string name;
  UtcTime applied_at;
  bool as_known = true;  // its text is the one that this program has
};
Result<std::vector<AppliedStep>> applied_steps(Connection& connection, Deadline deadline);

// The SQL that migrate() would run, for people.
Result<std::string> migration_plan(Connection& connection, std::span<const Migration> steps, SchemaVersion target,
                                   Deadline deadline);
// Steps up or down to `target`. A database that is newer than all that this program knows is left as it is where only the minor is newer,
// and refused otherwise.
// `lock_limit`: so long it waits for a table, and lets others queue behind it.
Result<void> migrate(Connection& connection, std::span<const Migration> steps, SchemaVersion target, UtcTime now,
                     Deadline deadline, std::chrono::milliseconds lock_limit = std::chrono::seconds{10});

// Can this program work on the database as it is? Works with any role.
Result<void> check_schema(Connection& connection, Deadline deadline);

}  // namespace chaveiro::clients::postgres
