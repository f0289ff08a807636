// The audit trail, walked; and what is counted.
#include "clients/postgres/impl.h"

namespace chaveiro::clients::postgres {

using namespace directory;

namespace {

Result<std::vector<std::string>> writers_in(Connection& connection, const std::string& ispbs, Deadline deadline) {
  TRY(const Rows rows, connection.run_as(ispbs, "SELECT name FROM writers ORDER BY name", {}, deadline));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < rows.size(); ++i) names.emplace_back(rows[i].text());
  return names;
}

}  // namespace

Result<std::vector<AuditRecord>> PostgresStore::audit_after(std::uint64_t sequence, std::size_t limit,
                                                            Deadline deadline) {
  static const std::string text =
      "SELECT " + audit_table.list() + " FROM audit WHERE position >= $1 ORDER BY position LIMIT $2";
  TRY(const Pool::Lease connection, impl_->pool.borrow(deadline));
  const Params params = Params().add((sequence + 1) * positions_per_commit).add(std::uint64_t{limit});
  return all_rows(connection->run_as(impl_->ispbs, text, params, deadline), read_audit);
}

// In pieces, so that no transaction lasts as long as the walk.
Result<void> PostgresStore::each_audit_record(const std::function<void(const AuditRecord&)>& visit, Deadline deadline) {
  static const std::string text =
      "SELECT " + audit_table.list() + " FROM audit WHERE writer = $1 AND position > $2 ORDER BY position LIMIT 1000";
  TRY(const Pool::Lease connection, impl_->pool.borrow(deadline));
  TRY(const auto writers, writers_in(*connection, impl_->ispbs, deadline));
  for (const std::string& writer : writers) {
    std::int64_t last = 0;
    for (;;) {
      TRY(const Rows rows, connection->run_as(impl_->ispbs, text, Params().add(writer).add(last), deadline));
      for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(const AuditRecord record, read_audit(rows[i]));
        visit(record);
      }
      if (rows.empty()) break;
      last = rows[rows.size() - 1].number();
    }
  }
  return {};
}

Result<Statistics> PostgresStore::statistics(const Ispb& ispb, Deadline deadline) {
  TRY(const Pool::Lease connection, impl_->pool.borrow(deadline));
  const auto ask = [&](std::string_view text) {
    return connection->run_as(ispb.view(), text, Params().add(ispb.view()), deadline);
  };
  Statistics statistics;
  TRY(const Rows entries,
      ask("SELECT key_type, status, count(*) FROM entries WHERE account_ispb = $1 GROUP BY 1, 2 ORDER BY 1, 2"));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Row row = entries[i];
    Statistics::Entries one{};
    one.key_type = static_cast<KeyType>(row.number());
    one.status = static_cast<EntryStatus>(row.number());
    one.count = static_cast<std::uint64_t>(row.number());
    statistics.entries.push_back(one);
  }
  TRY(const Rows claims, ask("SELECT type, status, count(*) FROM claims WHERE donor = $1 OR account_ispb = $1 GROUP BY "
                             "1, 2 ORDER BY 1, 2"));
  for (std::size_t i = 0; i < claims.size(); ++i) {
    Row row = claims[i];
    Statistics::Claims one{};
    one.type = static_cast<ClaimType>(row.number());
    one.status = static_cast<ClaimStatus>(row.number());
    one.count = static_cast<std::uint64_t>(row.number());
    statistics.claims.push_back(one);
  }
  TRY(const Rows accounts, ask("SELECT count(*) FROM accounts WHERE ispb = $1"));
  TRY(const Rows records, ask("SELECT count(*) FROM audit WHERE ispb = $1"));
  statistics.accounts = static_cast<std::uint64_t>(accounts[0].number());
  statistics.audit_records = static_cast<std::uint64_t>(records[0].number());
  return statistics;
}

}  // namespace chaveiro::clients::postgres
