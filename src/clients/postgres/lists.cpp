// Pages of rows and how many there are, from a table and the conditions that a filter makes.
#include "clients/postgres/errors.h"
#include "clients/postgres/impl.h"
#include "directory/chronicle.h"

namespace chaveiro::clients::postgres {

using namespace directory;

namespace {

constexpr std::int64_t total_max = 10'000;
constexpr std::string_view oldest_first = "created_at, id";

struct List {
  const Table& table;
  std::string_view order_by;
  std::string where = {};  // of the filter: what is counted
  Params params = {};
  std::string after = {};  // where the page begins; empty: at the start
  Params after_params = {};

  // `condition` names its value as `?`.
  template <class Value>
  void add(std::string_view condition, const Value& value) {
    params.add(value);
    std::string text(condition);
    text.replace(text.find('?'), 1, "$" + std::to_string(params.size()));
    where += (where.empty() ? "" : " AND ") + text;
  }
  void add_ids(std::string_view column, const std::vector<AccountId>& ids) {
    constexpr Oid type[] = {oid::uuid};
    Columns array(type);
    for (const AccountId& id : ids) array.add(id.uuid);
    array.add_to(params);
    where += " AND " + std::string(column) + " = ANY ($" + std::to_string(params.size()) + "::uuid[])";
  }
  void begin_after(const PageRequest& page) {
    if (!page.after) return;
    const std::size_t n = params.size();
    after = " AND (created_at, id) > ($" + std::to_string(n + 1) + ", $" + std::to_string(n + 2) + ")";
    after_params = params;
    after_params.add(page.after->created_at).add(page.after->id);
  }
};

template <class T>
Position by_creation(const T& item) {
  return {item.created_at, item.id.uuid};
}

// Both statements in one trip and one transaction, so that they see the same rows.
template <class T>
Result<Page<T>> page_from(Pool& pool, const Ispb& ispb, const List& list, const PageRequest& request,
                          Result<T> (*read)(Row), Position (*position_of)(const T&), Deadline deadline) {
  if (request.limit < 1 || request.limit > page_limit_max)
    return fail_field("page_size", "must lie between 1 and " + std::to_string(page_limit_max));
  TRY(const Pool::Lease connection, pool.borrow(deadline));
  const std::string from = " FROM " + std::string(list.table.name) + " WHERE " + list.where;
  connection->send("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", {});
  connection->send(set_ispbs, Params().add(ispb.view()));
  connection->send("SELECT count(*) FROM (SELECT 1" + from + " LIMIT " + std::to_string(total_max + 1) + ") AS counted",
                   list.params);
  connection->send("SELECT " + list.table.list() + from + list.after + " ORDER BY " + std::string(list.order_by) +
                       " LIMIT " + std::to_string(request.limit + 1),
                   list.after.empty() ? list.params : list.after_params);
  connection->send("COMMIT", {});
  connection->end();
  std::vector<Result<Rows>> answers;
  for (int i = 0; i < 5; ++i) answers.push_back(connection->receive(deadline));
  if (!connection->broken()) TRY_VOID(connection->receive_end(deadline));
  for (const auto& answer : answers)
    if (!answer) return answer.error();
  Page<T> page;
  const std::int64_t counted = (*answers[2])[0].number();
  page.total = counted <= total_max ? static_cast<std::uint64_t>(counted) : 0;
  TRY(page.items, all_rows(answers[3], read));
  if (page.items.size() > request.limit) {
    page.items.pop_back();
    page.next = position_of(page.items.back());
  }
  return page;
}

// From the replica where the caller lets it and it keeps up; what fails there is asked of the primary.
template <class T>
Result<Page<T>> page_of(PostgresStore::Impl& store, const Ispb& ispb, const List& list, const PageRequest& request,
                        Result<T> (*read)(Row), Position (*position_of)(const T&), Deadline deadline) {
  if (request.from == PageRequest::From::may_lag && store.replica != nullptr) {
    if (Pool* const pool = store.replica->pool(); pool != nullptr) {
      auto page = page_from(*pool, ispb, list, request, read, position_of, deadline);
      if (page || page.error().code == Code::invalid || page.error().code == Code::deadline) return page;
      store.replica->failed();
    }
  }
  return page_from(store.pool, ispb, list, request, read, position_of, deadline);
}

}  // namespace

Result<Page<Entry>> PostgresStore::entries(const EntryFilter& filter, const PageRequest& page, Deadline deadline) {
  List list{entries_table, oldest_first};
  list.add("account_ispb = ?", filter.ispb.view());
  if (filter.accounts) list.add_ids("account_id", *filter.accounts);
  if (filter.key_type) list.add("key_type = ?", *filter.key_type);
  if (filter.status) list.add("status = ?", *filter.status);
  list.where +=
      filter.status == EntryStatus::deleted ? " AND status = 4" : " AND status <> 4";  // names the partial indexes
  list.begin_after(page);
  return page_of(*impl_, filter.ispb, list, page, read_entry, by_creation<Entry>, deadline);
}

Result<Page<Account>> PostgresStore::accounts(const AccountFilter& filter, const PageRequest& page, Deadline deadline) {
  List list{accounts_table, oldest_first};
  list.add("ispb = ?", filter.ispb.view());
  if (filter.accounts) list.add_ids("id", *filter.accounts);
  if (filter.holder_tax_id) list.add("holder_tax_id = ?", std::string_view(*filter.holder_tax_id));
  list.begin_after(page);
  return page_of(*impl_, filter.ispb, list, page, read_account, by_creation<Account>, deadline);
}

Result<Page<Claim>> PostgresStore::claims(const ClaimFilter& filter, const PageRequest& page, Deadline deadline) {
  List list{claims_table, oldest_first};
  const bool donor = filter.role == ClaimRole::donor;
  list.add(donor ? "donor = ?" : "account_ispb = ?", filter.ispb.view());
  if (filter.accounts)
    list.add_ids(donor ? "(SELECT e.account_id FROM entries AS e WHERE e.id = donor_entry)" : "account_id",
                 *filter.accounts);
  if (filter.status) list.add("status = ?", *filter.status);
  list.begin_after(page);
  return page_of(*impl_, filter.ispb, list, page, read_claim, by_creation<Claim>, deadline);
}

Result<std::vector<Claim>> PostgresStore::claims_past_a_period(UtcTime now, std::size_t limit, Deadline deadline) {
  static const std::string text = "SELECT " + claims_table.list() +
                                  " FROM claims WHERE status < 4 AND (resolution_end <= $1 OR completion_end <= $1 OR "
                                  "claimer_deadline <= $1) ORDER BY created_at, id LIMIT $2";
  TRY(const Pool::Lease connection, impl_->pool.borrow(deadline));
  return all_rows(connection->run_as(impl_->ispbs, text, Params().add(now).add(std::uint64_t{limit}), deadline),
                  read_claim);
}

Result<Page<AuditRecord>> PostgresStore::audit(const AuditFilter& filter, const PageRequest& page, Deadline deadline) {
  List list{audit_table, "at DESC, position DESC"};
  list.add("ispb = ?", filter.ispb.view());
  if (filter.resource) list.add("resource = ?", *filter.resource);
  if (filter.actor) list.add("actor = ?", std::string_view(*filter.actor));
  if (filter.operation) list.add("operation = ?", std::string_view(*filter.operation));
  if (filter.from) list.add("at >= ?", *filter.from);
  if (filter.until) list.add("at < ?", *filter.until);
  if (page.after) {
    // The position ends with sequence and number (audit_position); the row is found again by them.
    std::uint64_t sequence = 0, number = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      sequence = sequence << 8 | page.after->id.bytes()[i];
      number = number << 8 | page.after->id.bytes()[8 + i];
    }
    const std::uint64_t first = sequence * positions_per_commit;
    const auto n = [&](std::size_t more) { return "$" + std::to_string(list.params.size() + more); };
    list.after = " AND (at, position) < (" + n(1) +
                 ", coalesce((SELECT s.position FROM audit AS s WHERE s.position BETWEEN " + n(2) + " AND " + n(3) +
                 " AND s.number = " + n(4) + "), " + n(2) + "))";
    list.after_params = list.params;
    list.after_params.add(page.after->created_at).add(first).add(first + positions_per_commit - 1).add(number);
  }
  return page_of(*impl_, filter.ispb, list, page, read_audit, audit_position, deadline);
}

}  // namespace chaveiro::clients::postgres
