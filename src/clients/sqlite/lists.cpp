#include "clients/sqlite/lists.h"

#include "clients/sqlite/impl.h"

// A `+` before a column keeps SQLite from choosing an index by it: without statistics it takes the index in the list's
// order, and would walk a million entries to find the five of one account.
namespace chaveiro::clients::sqlite {

using namespace directory;

namespace {

constexpr std::string_view oldest_first = "created_at, id";

template <class T>
Position by_creation(const T& item) {
  return {item.created_at, item.id.uuid};
}

void begin_after(Where& where, const PageRequest& page) {
  if (page.after) where.add("(created_at, id) > (?, ?)", page.after->created_at, page.after->id);
}

}  // namespace

void Where::add_ids(std::string_view column, const std::vector<AccountId>& ids) {
  std::string marks;
  for (std::size_t i = 0; i < ids.size(); ++i) marks += i == 0 ? "?" : ", ?";
  add(std::string(column) + " IN (" + marks + ")");
  values_.back() = [ids](Statement& statement) {
    for (const AccountId& id : ids) statement.add(ByteView(id.uuid.bytes()));
  };
}

Result<void> check_page(const PageRequest& page) {
  if (page.limit >= 1 && page.limit <= page_limit_max) return {};
  return fail_field("page_size", "must lie between 1 and " + std::to_string(page_limit_max));
}

Result<std::uint64_t> count(Connection& connection, const List& list) {
  TRY(const auto rows, connection.prepare_once("SELECT count(*) FROM (SELECT 1" + std::string(list.from) + "WHERE " +
                                               list.where.text() + " LIMIT " + std::to_string(total_max + 1) + ")"));
  list.where.bind(*rows);
  TRY(const bool row, rows->step());
  const std::int64_t counted = row ? rows->number() : 0;
  return counted <= total_max ? static_cast<std::uint64_t>(counted) : 0;
}

Result<Page<Entry>> SqliteStore::entries(const EntryFilter& filter, const PageRequest& page, Deadline deadline) {
  TRY(const auto reader, impl_->readers->borrow(deadline));
  List list{entry_columns, " FROM entries ", {}, {}, oldest_first};
  list.where.add(filter.accounts ? "+account_ispb = ?" : "account_ispb = ?", filter.ispb.view());
  if (filter.accounts) list.where.add_ids("account_id", *filter.accounts);
  if (filter.key_type) list.where.add("+key_type = ?", *filter.key_type);
  if (filter.status) list.where.add("+status = ?", *filter.status);
  list.where.add(filter.status == EntryStatus::deleted ? "status = 4" : "status <> 4");  // names the partial indexes
  begin_after(list.after, page);
  return page_of(*reader, list, page, read_entry, by_creation<Entry>);
}

Result<Page<Account>> SqliteStore::accounts(const AccountFilter& filter, const PageRequest& page, Deadline deadline) {
  TRY(const auto reader, impl_->readers->borrow(deadline));
  List list{account_columns, " FROM accounts ", {}, {}, oldest_first};
  list.where.add(filter.accounts || filter.holder_tax_id ? "+ispb = ?" : "ispb = ?", filter.ispb.view());
  if (filter.accounts) list.where.add_ids("id", *filter.accounts);
  if (filter.holder_tax_id) list.where.add("holder_tax_id = ?", std::string_view(*filter.holder_tax_id));
  begin_after(list.after, page);
  return page_of(*reader, list, page, read_account, by_creation<Account>);
}

Result<Page<Claim>> SqliteStore::claims(const ClaimFilter& filter, const PageRequest& page, Deadline deadline) {
  TRY(const auto reader, impl_->readers->borrow(deadline));
  List list{claim_columns, " FROM claims ", {}, {}, oldest_first};
  const bool donor = filter.role == ClaimRole::donor;
  list.where.add(donor ? "donor = ?" : "account_ispb = ?", filter.ispb.view());
  if (filter.accounts && donor) {
    list.where.add_ids("(SELECT entries.account_id FROM entries WHERE entries.id = donor_entry)", *filter.accounts);
  } else if (filter.accounts) {
    list.where.add_ids("account_id", *filter.accounts);
  }
  if (filter.status) list.where.add("status = ?", *filter.status);
  begin_after(list.after, page);
  return page_of(*reader, list, page, read_claim, by_creation<Claim>);
}

Result<std::vector<Claim>> SqliteStore::claims_past_a_period(UtcTime now, std::size_t limit, Deadline deadline) {
  static const std::string text = "SELECT " + std::string(claim_columns) +
                                  " FROM claims WHERE status < 4 AND "
                                  "(resolution_end <= ?1 OR completion_end <= ?1 OR claimer_deadline <= ?1) "
                                  "ORDER BY created_at, id LIMIT ?2";
  TRY(const auto reader, impl_->readers->borrow(deadline));
  TRY(Statement* const found, reader->prepare(text));
  return all_rows(found->add(now).add(std::uint64_t{limit}), read_claim);
}

}  // namespace chaveiro::clients::sqlite
