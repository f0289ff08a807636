// clients/postgres/partitions.h
//
// The months of the audit as partitions: made ahead, looked after, and taken away once they have been kept for long enough. For the role
// that owns the tables.
//
// What lies in `audit_rest`, because its month was not made in time, is moved when the month is made.
//
// Threads: one caller, with the connection.
// Errors:  those of errors.h; unavailable "DatabaseLocked" where the table is in long use (try again).
#pragma once

#include <vector>

#include "clients/postgres/connection.h"
#include "directory/audit.h"

namespace chaveiro::clients::postgres {

directory::Month next_month(directory::Month month);

// The months that have a partition, oldest first.
Result<std::vector<directory::Month>> partitions_of_audit(Connection& connection, Deadline deadline);
// This month and so many after it. Answers how many were made.
Result<std::size_t> make_partitions(Connection& connection, UtcTime now, int months_ahead, Deadline deadline);

struct PartitionHealth {
  bool next_is_missing = false;  // less than seven days before it is needed
  std::uint64_t rows_without = 0;
};
Result<PartitionHealth> look_at_partitions(Connection& connection, UtcTime now, Deadline deadline);

}  // namespace chaveiro::clients::postgres
