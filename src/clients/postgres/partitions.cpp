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

Result<void> in_transaction(Connection& connection, const std::string& script, Deadline deadline) {
  TRY_VOID(connection.script("SET lock_timeout = '5s'", deadline));
  auto done = connection.script(script, deadline);
  if (!done && !connection.broken()) (void)connection.script("ROLLBACK", deadline);
  return done;
}

Result<std::vector<Month>> months_of(Connection& connection, std::string_view sql, Deadline deadline) {
  TRY(const Rows rows, connection.run(sql, {}, deadline));
  std::vector<Month> months;
  for (std::size_t i = 0; i < rows.size(); ++i) months.push_back(static_cast<Month>(rows[i].number()));
  return months;
}

}  // namespace

Month next_month(Month month) { return month % 100 == 12 ? month + 89 : month + 1; }

Month first_month_kept(UtcTime now, std::uint32_t months_before) {
  const Month month = directory::month_of(now);
  const auto months = static_cast<std::uint32_t>(month / 100 * 12 + month % 100 - 1);
  const std::uint32_t first = months - std::min(months, months_before);
  return static_cast<Month>(first / 12 * 100 + first % 12 + 1);
}

Result<std::vector<Month>> partitions_of_audit(Connection& connection, Deadline deadline) {
  return months_of(connection,
                   "SELECT substr(relname, 7)::int FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE "
                   "inhparent = 'audit'::regclass AND relname ~ '^audit_[0-9]{6}$' ORDER BY 1",
                   deadline);
}

Result<std::size_t> make_partitions(Connection& connection, UtcTime now, int months_ahead, Deadline deadline) {
  TRY(const std::vector<Month> there, partitions_of_audit(connection, deadline));
  std::size_t made = 0;
  Month month = directory::month_of(now);
  for (int i = 0; i <= months_ahead; ++i, month = next_month(month)) {
    if (std::ranges::find(there, month) != there.end()) continue;
    TRY_VOID(in_transaction(connection, make_month(month), deadline));
    ++made;
  }
  return made;
}

Result<std::uint64_t> detach_months(Connection& connection, Month first_kept, Deadline deadline) {
  TRY(const auto late, months_of(connection, "SELECT DISTINCT month FROM audit_rest ORDER BY 1", deadline));
  for (const Month month : late)
    if (month < first_kept) TRY_VOID(in_transaction(connection, make_month(month), deadline));
  TRY(const auto there, partitions_of_audit(connection, deadline));
  std::uint64_t records = 0;
  for (const Month month : there) {
    if (month >= first_kept) break;
    const std::string name = name_of(month);
    TRY_VOID(in_transaction(connection,
                            "BEGIN; ALTER TABLE audit DETACH PARTITION " + name + "; ALTER TABLE " + name +
                                " RENAME TO audit_detached_" + std::to_string(month) + "; COMMIT",
                            deadline));
    TRY(const Rows counted,
        connection.run("SELECT count(*) FROM audit_detached_" + std::to_string(month), {}, deadline));
    records += static_cast<std::uint64_t>(counted[0].number());
  }
  return records;
}

Result<std::vector<DetachedMonth>> detached_months(Connection& connection, Deadline deadline) {
  TRY(const auto months, months_of(connection,
                                   "SELECT substr(relname, 16)::int FROM pg_class WHERE relnamespace = "
                                   "'public'::regnamespace AND relkind = 'r' AND relname ~ '^audit_detached_[0-9]{6}$' "
                                   "ORDER BY 1",
                                   deadline));
  std::vector<DetachedMonth> found;
  for (const Month month : months) {
    found.push_back({month, 0});
    TRY(const Rows counted, connection.run("SELECT count(*) FROM " + found.back().table(), {}, deadline));
    found.back().records = static_cast<std::uint64_t>(counted[0].number());
  }
  return found;
}

Result<void> drop_month(Connection& connection, const DetachedMonth& month, Deadline deadline) {
  return in_transaction(connection, "DROP TABLE " + month.table(), deadline);
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
