// clients/postgres/partitions.h
//
// The months of the audit as partitions: made ahead, looked after, detached once they have been kept for long enough, and dropped in a step
// of its own. For the role that owns the tables.
//
// What lies in `audit_rest`, because its month was not made in time, is moved when the month is made. A month that was detached is a table of
// its own, audit_detached_YYYYMM, which no other role may read.
//
// Threads: one caller, with the connection.
// Errors:  those of errors.h; unavailable "DatabaseLocked" where the table is in long use (try again).
#pragma once

#include <string>
#include <vector>

#include "clients/postgres/connection.h"
#include "directory/audit.h"

namespace chaveiro::clients::postgres {

directory::Month next_month(directory::Month month);
// The first of so many months before the one of `now`; 0 of them: that one.
directory::Month first_month_kept(UtcTime now, std::uint32_t months_before);

// The months that have a partition, oldest first.
Result<std::vector<directory::Month>> partitions_of_audit(Connection& connection, Deadline deadline);
// This month and so many after it. Answers how many were made.
Result<std::size_t> make_partitions(Connection& connection, UtcTime now, int months_ahead, Deadline deadline);

// Detaches the months before `first_kept`, those in audit_rest too; answers how many records they hold.
Result<std::uint64_t> detach_months(Connection& connection, directory::Month first_kept, Deadline deadline);

struct DetachedMonth {
  directory::Month month;
  std::uint64_t records;
  std::string table() const { return "audit_detached_" + std::to_string(month); }
};
// Oldest first.
Result<std::vector<DetachedMonth>> detached_months(Connection& connection, Deadline deadline);
Result<void> drop_month(Connection& connection, const DetachedMonth& month, Deadline deadline);

struct PartitionHealth {
  bool next_is_missing = false;  // less than seven days before it is needed
  std::uint64_t rows_without = 0;
};
Result<PartitionHealth> look_at_partitions(Connection& connection, UtcTime now, Deadline deadline);

}  // namespace chaveiro::clients::postgres
