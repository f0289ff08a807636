#include "clients/postgres/partitions.h"

#include <algorithm>

namespace chaveiro::clients::postgres {

using directory::Month;

namespace {

std::string name_of(Month month) { return "audit_" + std::to_string(month); }

std::string make_month(Month month) {
  const std::string name = name_of(month), first = std::to_string(month), last = std::to_string(next_month(month));
  return "BEGIN;"
         "CREATE TABLE " +
         name +
         " (LIKE audit INCLUDING DEFAULTS INCLUDING CONSTRAINTS);"
         "ALTER TABLE " +
         name +
         " ENABLE ROW LEVEL SECURITY;"
         "LOCK TABLE audit_rest IN SHARE ROW EXCLUSIVE MODE;"
         "WITH moved AS (DELETE FROM audit_rest WHERE month >= " +
         first + " AND month < " + last +
         " RETURNING *)"
         " INSERT INTO " +
         name +
         " SELECT * FROM moved;"
         "ALTER TABLE audit ATTACH PARTITION " +
         name + " FOR VALUES FROM (" + first + ") TO (" + last +
         ");"
         "COMMIT";
}

}  // namespace

Month next_month(Month month) { return month % 100 == 12 ? month + 89 : month + 1; }

Result<std::vector<Month>> partitions_of_audit(Connection& connection, Deadline deadline) {
  TRY(const Rows rows, connection.run("SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
                                      "WHERE inhparent = 'audit'::regclass AND relname ~ '^audit_[0-9]{6}$' ORDER BY 1",
                                      {}, deadline));
  std::vector<Month> months;
  for (std::size_t i = 0; i < rows.size(); ++i)
    months.push_back(static_cast<Month>(std::stoul(std::string(rows[i].text().substr(6)))));
  return months;
}

Result<std::size_t> make_partitions(Connection& connection, UtcTime now, int months_ahead, Deadline deadline) {
  TRY(const std::vector<Month> there, partitions_of_audit(connection, deadline));
  std::size_t made = 0;
  Month month = directory::month_of(now);
  for (int i = 0; i <= months_ahead; ++i, month = next_month(month)) {
    if (std::ranges::find(there, month) != there.end()) continue;
    TRY_VOID(connection.script("SET lock_timeout = '5s'", deadline));
    if (auto done = connection.script(make_month(month), deadline); !done) {
      if (!connection.broken()) (void)connection.script("ROLLBACK", deadline);
      return done.error();
    }
    ++made;
  }
  return made;
}

Result<PartitionHealth> look_at_partitions(Connection& connection, UtcTime now, Deadline deadline) {
  TRY(const std::vector<Month> there, partitions_of_audit(connection, deadline));
  PartitionHealth health;
  for (const UtcTime at : {now, now + std::chrono::days(7)})
    health.next_is_missing |= std::ranges::find(there, directory::month_of(at)) == there.end();
  TRY(const Rows rows, connection.run("SELECT count(*) FROM audit_rest", {}, deadline));
  health.rows_without = static_cast<std::uint64_t>(rows[0].number());
  return health;
}

}  // namespace chaveiro::clients::postgres
