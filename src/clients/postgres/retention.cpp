// Erasure of a person, and removal of what has been kept for long enough.
#include <algorithm>
#include <set>

#include "clients/postgres/errors.h"
#include "clients/postgres/impl.h"
#include "clients/postgres/partitions.h"
#include "directory/erasure.h"

namespace chaveiro::clients::postgres {

using namespace directory;

namespace {

constexpr std::int64_t rows_per_purge = 5'000;

// Jumps from one participant to the next along the index: as fast with a million accounts as with ten.
Result<std::set<Ispb>> participants_in(Connection& connection, Deadline deadline) {
  std::set<Ispb> found;
  std::string last;
  for (;;) {
    TRY(const Rows rows,
        connection.run("SELECT min(ispb) FROM accounts WHERE ispb > $1", Params().add(last), deadline));
    if (rows.empty() || rows[0].null()) return found;
    last = rows[0].text();
    TRY(const Ispb ispb, Ispb::parse(last));
    found.insert(ispb);
  }
}

template <class T>
Result<std::vector<T>> rows_about(Connection& connection, const Table& table, std::string_view condition,
                                  std::string_view tax_id, Result<T> (*read)(Row), Deadline deadline) {
  return all_rows(
      connection.run("SELECT " + table.list() + " FROM " + std::string(table.name) + " WHERE " + std::string(condition),
                     Params().add(tax_id), deadline),
      read);
}

template <class T>
Result<void> replace_rows(Connection& connection, const Table& table, std::vector<T>& rows, std::uint64_t version,
                          Deadline deadline) {
  if (rows.empty()) return {};
  Columns columns(table.types());
  for (T& row : rows) {
    blank(row, version);
    add(columns, row);
  }
  std::string assigned, values;
  for (const Column& column : table.columns.subspan(1)) {
    assigned += (assigned.empty() ? "" : ", ") + std::string(column.name);
    values += (values.empty() ? "d." : ", d.") + std::string(column.name);
  }
  Params params;
  columns.add_to(params);
  TRY_VOID(connection.run("UPDATE " + std::string(table.name) + " AS t SET (" + assigned + ") = (" + values +
                              ") FROM " + table.unnested(1) + " WHERE t.id = d.id",
                          params, deadline));
  return {};
}

struct AboutPerson {
  std::vector<Account> accounts;
  std::vector<Entry> entries;
  std::vector<Claim> claims;

  std::set<Ispb> participants() const {
    std::set<Ispb> found;
    for (const Account& account : accounts) found.insert(account.ispb);
    for (const Entry& entry : entries) found.insert(entry.ispb());
    for (const Claim& claim : claims) found.insert(claim.claimer());
    return found;
  }
};

// Entries are found by the accounts, whose holder never changes.
Result<AboutPerson> everything_about(Connection& connection, std::string_view tax_id, Deadline deadline) {
  AboutPerson about;
  TRY(about.accounts, rows_about(connection, accounts_table, "holder_tax_id = $1", tax_id, read_account, deadline));
  const std::string of_accounts = " account_id IN (SELECT a.id FROM accounts AS a WHERE a.holder_tax_id = $1)";
  TRY(about.entries,
      rows_about(connection, entries_table, "status = 4 AND" + of_accounts, tax_id, read_entry, deadline));
  TRY(const auto live,
      rows_about(connection, entries_table, "status <> 4 AND" + of_accounts, tax_id, read_entry, deadline));
  TRY(about.claims, rows_about(connection, claims_table, "account_holder_tax_id = $1", tax_id, read_claim, deadline));
  const auto used = [](const auto& rows) {
    return std::ranges::any_of(rows, [](const auto& row) { return in_use(row); });
  };
  if (!live.empty()) return person_in_use("a live entry");
  if (used(about.claims)) return person_in_use("a live claim");
  if (used(about.accounts)) return person_in_use("an open account");
  return about;
}

Result<std::uint64_t> erase(Group& group, std::string_view tax_id, const Digest& person, const Note& note,
                            Deadline deadline) {
  Connection& connection = group.connection();
  TRY(AboutPerson about, everything_about(connection, tax_id, deadline));
  std::set<Ispb> participants = about.participants();
  const std::uint64_t version = group.sequence() + 1;
  TRY_VOID(replace_rows(connection, accounts_table, about.accounts, version, deadline));
  TRY_VOID(replace_rows(connection, entries_table, about.entries, version, deadline));
  TRY_VOID(replace_rows(connection, claims_table, about.claims, version, deadline));
  TRY(const Rows forgotten,
      connection.run("DELETE FROM seal_keys WHERE person = $1", Params().add(ByteView(person)), deadline));
  if (forgotten.affected() != 0) {
    group.forget_seal_keys();
    group.count_erasure();
    if (participants.empty()) {
      TRY(participants, participants_in(connection, deadline));
    }
  }
  for (const Ispb& ispb : participants) {
    Note its = note;
    its.ispb = ispb;
    group.note(its, person);
  }
  return about.accounts.size() + about.entries.size() + about.claims.size();
}

// In the audit of every participant.
Result<void> note_for_all(Group& group, const Note& note, const std::string& text, Deadline deadline) {
  TRY(const auto participants, participants_in(group.connection(), deadline));
  for (const Ispb& ispb : participants) {
    Note its = note;
    its.ispb = ispb;
    its.text = text;
    group.note(its, Digest{});
  }
  return {};
}

// Deletes at most `rows_per_purge` rows; `more`: of the audit, gone already.
Result<std::uint64_t> purge_some(Group& group, UtcTime before, const Note& note, std::uint64_t more,
                                 Deadline deadline) {
  Connection& connection = group.connection();
  std::uint64_t gone = more;
  for (const std::string_view text : {"DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE status = 4 AND "
                                      "coalesce(deleted_at, updated_at) < $1 LIMIT $2)",
                                      "DELETE FROM claims WHERE id IN (SELECT id FROM claims WHERE status >= 4 AND "
                                      "coalesce(ended_at, updated_at) < $1 LIMIT $2)"}) {
    TRY(const Rows rows, connection.run(text, Params().add(before).add(rows_per_purge), deadline));
    gone += rows.affected();
  }
  if (gone == 0) return gone;
  TRY_VOID(note_for_all(group, note, purge_text(before, gone), deadline));
  return gone;
}

}  // namespace

Result<std::uint64_t> PostgresStore::erase_person(std::string_view tax_id, const Actor& actor, UtcTime at,
                                                  Deadline deadline) {
  if (tax_id.empty()) return fail_field("tax_id", "must not be empty");
  const Digest person = person_of(impl_->installation_key, tax_id);
  const Note note{"erase_person", "person", {}, actor, at, ""};
  return impl_->writer.run([=, wanted = std::string(tax_id)](
                               Group& group, Deadline limit) { return erase(group, wanted, person, note, limit); },
                           deadline);
}

// Never the month that is being written. Answers how many records went.
Result<std::uint64_t> PostgresStore::detach_months_of_audit(Month first_kept, Deadline deadline) {
  TRY(const std::uint64_t written,
      impl_->writer.run([](Group& group, Deadline) -> Result<std::uint64_t> { return group.month(); }, deadline));
  TRY(const auto connection, Connection::open(impl_->maintenance(), deadline));
  return detach_months(*connection, std::min(first_kept, static_cast<Month>(written)), deadline);
}

Result<void> PostgresStore::detach_before(Month first_kept, UtcTime now, Deadline deadline) {
  TRY(const std::uint64_t records, detach_months_of_audit(first_kept, deadline));
  if (records == 0) return {};
  const Note note{"detach_months", "store", {}, {"system", ""}, now, ""};
  const std::string text =
      R"({"first_kept":)" + std::to_string(first_kept) + R"(,"rows":)" + std::to_string(records) + "}";
  const auto tell = [=](Group& group, Deadline limit) -> Result<std::uint64_t> {
    TRY_VOID(note_for_all(group, note, text, limit));
    return std::uint64_t{0};
  };
  TRY_VOID(impl_->writer.run(tell, deadline));
  return {};
}

Result<std::uint64_t> PostgresStore::purge(UtcTime before, const Actor& actor, UtcTime at, Deadline deadline) {
  if (deadline.expired()) return too_late();
  const Note note{"purge", "store", {}, actor, at, ""};
  std::uint64_t audit_rows = 0;
  if (!impl_->options.maintenance_url.empty()) {
    TRY(audit_rows, detach_months_of_audit(month_of(before), deadline));
  }
  std::uint64_t gone = 0;
  for (std::uint64_t more = audit_rows;; more = 0) {
    TRY(const std::uint64_t some,
        impl_->writer.run([=](Group& group, Deadline limit) { return purge_some(group, before, note, more, limit); },
                          deadline));
    gone += some;
    if (some - more < static_cast<std::uint64_t>(rows_per_purge)) return gone;
  }
}

}  // namespace chaveiro::clients::postgres
