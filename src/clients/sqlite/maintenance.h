// clients/sqlite/maintenance.h
//
// Work on a database file as a whole, beside the daily reads and commits: copies, and the steps of its schema. Restoring
// and migrating need the file alone and are refused while a server runs on it.
//
// Threads: any; each call opens connections of its own, copy_to() uses the one that it is handed.
// Errors:  unavailable "DatabaseInUse" (naming the process), exists, not_found, corrupt, deadline, and those of
//          Connection.
#pragma once

#include "clients/sqlite/connection.h"
#include "clients/sqlite/migrations.h"

namespace chaveiro::clients::sqlite {

// Reads every page and index. `quick` leaves out that indexes and tables agree. Errors: corrupt, naming what was found.
enum class Thoroughness : std::uint8_t { quick, full };
Result<void> check_integrity(Connection& connection, Thoroughness thoroughness);

// A consistent copy of what `from` sees now, checked before it gets the name `path`.
Result<void> copy_to(Connection& from, const std::string& path, Deadline deadline);

// Puts a copy in the place of the database at `path`; what was there is kept as `path`.replaced (with its log), in the
// place of an older one. The copy is checked first and stays.
Result<void> restore(const std::string& copy, const std::string& path, Deadline deadline);

// Steps the schema of the database at `path` up or down to `target`, with no server on it.
Result<void> migrate_file(const std::string& path, SchemaVersion target, UtcTime now);

// Makes an empty file that only its owner may read, unless there is one. Errors: unavailable "DatabaseGone".
Result<void> make_private_file(const std::string& path);

}  // namespace chaveiro::clients::sqlite
