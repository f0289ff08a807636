// The audit trail, read; and what is counted.
#include "clients/sqlite/impl.h"
#include "clients/sqlite/lists.h"

namespace chaveiro::clients::sqlite {

using namespace directory;

namespace {

// The position in the list for people ends with sequence and number (audit_position); the row is found again by them.
void begin_after(Where& where, const PageRequest& page) {
  if (!page.after) return;
  std::uint64_t sequence = 0, number = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    sequence = sequence << 8 | page.after->id.bytes()[i];
    number = number << 8 | page.after->id.bytes()[8 + i];
  }
  const std::uint64_t first = sequence * positions_per_commit;
  where.add(
      "(at, position) < (?, coalesce((SELECT same.position FROM audit AS same WHERE same.position BETWEEN ? AND ? AND "
      "same.number = ?), ?))",
      page.after->created_at, first, first + positions_per_commit - 1, number, first);
}

Result<std::vector<std::int64_t>> writers_in(Connection& connection) {
  TRY(const auto rows, connection.prepare_once("SELECT id FROM writers ORDER BY id"));
  std::vector<std::int64_t> ids;
  for (;;) {
    TRY(const bool row, rows->step());
    if (!row) return ids;
    ids.push_back(rows->number());
  }
}

}  // namespace

Result<std::vector<AuditRecord>> SqliteStore::audit_after(std::uint64_t sequence, std::size_t limit,
                                                          Deadline deadline) {
  static const std::string text = "SELECT " + std::string(audit_columns) + std::string(audit_from) +
                                  "WHERE position >= ? ORDER BY position LIMIT ?";
  TRY(const auto reader, impl_->readers->borrow(deadline));
  TRY(Statement* const found, reader->prepare(text));
  return all_rows(found->add((sequence + 1) * positions_per_commit).add(std::uint64_t{limit}), read_audit);
}

Result<Page<AuditRecord>> SqliteStore::audit(const AuditFilter& filter, const PageRequest& page, Deadline deadline) {
  TRY(const auto reader, impl_->readers->borrow(deadline));
  List list{audit_columns, audit_from, {}, {}, "at DESC, position DESC"};
  list.where.add(filter.resource ? "+ispb = ?" : "ispb = ?", filter.ispb.view());  // see lists.cpp
  if (filter.resource) list.where.add("resource = ?", *filter.resource);
  if (filter.actor) list.where.add("actor = ?", std::string_view(*filter.actor));
  if (filter.operation) list.where.add("operation = ?", std::string_view(*filter.operation));
  if (filter.from) list.where.add("at >= ?", *filter.from);
  if (filter.until) list.where.add("at < ?", *filter.until);
  begin_after(list.after, page);
  return page_of(*reader, list, page, read_audit, audit_position);
}

// In pieces, so that no read transaction lasts as long as the walk: the log could not be folded in meanwhile.
Result<void> SqliteStore::each_audit_record(const std::function<void(const AuditRecord&)>& visit, Deadline deadline) {
  static const std::string text = "SELECT " + std::string(audit_columns) + std::string(audit_from) +
                                  "WHERE audit.writer = ? AND position > ? ORDER BY position LIMIT 1000";
  TRY(const auto reader, impl_->readers->borrow(deadline));
  TRY(const auto writers, writers_in(*reader));
  for (const std::int64_t writer : writers) {
    std::int64_t last = 0;
    for (bool more = true; more;) {
      TRY(Statement* const rows, reader->prepare(text));
      rows->add(writer).add(last);
      for (more = false;; more = true) {
        TRY(const bool row, rows->step());
        if (!row) break;
        last = rows->number();
        rows->back();
        TRY(const AuditRecord record, read_audit(*rows));
        visit(record);
      }
    }
  }
  return {};
}

Result<std::optional<SealKey>> SqliteStore::seal_key(const Digest& person, Deadline deadline) {
  TRY(const auto reader, impl_->readers->borrow(deadline));
  TRY(Statement* const found, reader->prepare("SELECT key FROM seal_keys WHERE person = ?"));
  const auto read = [](Statement& row) -> Result<SealKey> { return bytes_of<32>(row); };
  return first_row<SealKey>(found->add(ByteView(person)), read);
}

Result<Statistics> SqliteStore::statistics(const Ispb& ispb, Deadline deadline) {
  TRY(const auto reader, impl_->readers->borrow(deadline));
  Statistics statistics;
  TRY(Statement* const entries, reader->prepare("SELECT key_type, status, count(*) FROM entries WHERE account_ispb = ? "
                                                "GROUP BY key_type, status ORDER BY key_type, status"));
  const auto read_entries = [](Statement& row) -> Result<Statistics::Entries> {
    return Statistics::Entries{static_cast<KeyType>(row.number()), static_cast<EntryStatus>(row.number()),
                               static_cast<std::uint64_t>(row.number())};
  };
  TRY(statistics.entries, all_rows<Statistics::Entries>(entries->add(ispb.view()), read_entries));
  TRY(Statement* const claims, reader->prepare("SELECT type, status, count(*) FROM claims WHERE donor = ?1 OR "
                                               "account_ispb = ?1 GROUP BY type, status ORDER BY type, status"));
  const auto read_claims = [](Statement& row) -> Result<Statistics::Claims> {
    return Statistics::Claims{static_cast<ClaimType>(row.number()), static_cast<ClaimStatus>(row.number()),
                              static_cast<std::uint64_t>(row.number())};
  };
  TRY(statistics.claims, all_rows<Statistics::Claims>(claims->add(ispb.view()), read_claims));
  const auto count = [&](std::string_view text) -> Result<std::uint64_t> {
    TRY(Statement* const counted, reader->prepare(text));
    TRY(const bool row, counted->add(ispb.view()).step());
    const std::int64_t number = row ? counted->number() : 0;
    counted->reset();
    return static_cast<std::uint64_t>(number);
  };
  TRY(statistics.accounts, count("SELECT count(*) FROM accounts WHERE ispb = ?"));
  TRY(statistics.audit_records, count("SELECT count(*) FROM audit WHERE ispb = ?"));
  return statistics;
}

}  // namespace chaveiro::clients::sqlite
