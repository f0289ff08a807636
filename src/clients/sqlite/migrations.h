// clients/sqlite/migrations.h
//
// The schema of the database and the steps between its versions. A version is MAJOR.MINOR: a minor step only adds
// (tables, columns with defaults, indexes), so that the program before it goes on working beside the new one; a major
// step is refused by programs that do not know it. Each step is applied in one transaction and leaves its row, with the
// checksum of its text, in `schema_migrations`.
//
// Threads: one caller, with the connection.
// Errors:  unavailable "SchemaTooNew" (says what to do), corrupt "SchemaChanged" (a step in the database is not the one
//          that this program knows), and those of Connection.
#pragma once

#include <compare>
#include <span>
#include <string_view>

#include "clients/sqlite/connection.h"

namespace chaveiro::clients::sqlite {

struct SchemaVersion {
  int major = 0;
  int minor = 0;
  auto operator<=>(const SchemaVersion&) const = default;
};
std::string to_string(SchemaVersion version);

struct Migration {
  SchemaVersion version;
  std::string_view name;
  std::string_view up;
  std::string_view down;
};
// All steps that this program knows, oldest first.
std::span<const Migration> migrations();
SchemaVersion newest_schema();

// The version that the database has; 0.0 where it is empty.
Result<SchemaVersion> schema_of(Connection& connection);

// Steps up or down to `target`. A database that is newer than all that this program knows is left as it is where only
// the minor is newer, and refused otherwise.
Result<void> migrate(Connection& connection, SchemaVersion target, UtcTime now);

}  // namespace chaveiro::clients::sqlite
