// app/database.h
//
// What `chaveiro db` does with the schema of a PostgreSQL database, without a server of ours. All of it is work for the role of
// DATABASE_MAINTENANCE_URL; without that setting DATABASE_URL is taken.
//
// Threads: one caller.
// Errors:  invalid where DATABASE_URL names no PostgreSQL (SQLite brings its own schema up to date), and those of the client.
#pragma once

#include <string>
#include <vector>

#include "app/settings.h"

namespace chaveiro::app {

struct SchemaStatus {
  struct Step {
    std::string version, name, applied_at;  // applied_at "": waits
    bool as_known = true;                   // false: made by another build
  };
  std::vector<Step> steps;
  std::vector<std::string> months;    // partitions of the audit
  std::vector<std::string> detached;  // months that a purge has taken out of it
  std::vector<std::string> faults;    // what somebody must look at; empty: all is well
};
Result<SchemaStatus> schema_status(const Settings& settings);

struct SchemaChange {
  std::string target;    // "1.1"; "": the newest
  bool dry_run = false;  // only tells the SQL
  bool down = false;     // back to `target`, which must be given
};
// Answers what was done, or the SQL that would be run.
Result<std::string> change_schema(const Settings& settings, const SchemaChange& change);

// What the role that owns the tables must do from time to time: makes the coming months of the audit, and detaches those that are older
// than DATABASE_AUDIT_MONTHS. For a timer, where `serve` has no such role.
struct Maintenance {
  bool dry_run = false;  // only tells what there is to do
};
// Answers what was done, or is to be done. Errors: corrupt where something is not as it must be, after the work.
Result<std::string> maintain_database(const Settings& settings, const Maintenance& maintenance);

struct MonthsGone {
  std::string before;    // "2025-01": months before it go
  bool dry_run = false;  // only tells the SQL
};
// Drops months that a purge has detached. Answers what was done, or the SQL that would be run.
Result<std::string> drop_detached_months(const Settings& settings, const MonthsGone& gone);

}  // namespace chaveiro::app
