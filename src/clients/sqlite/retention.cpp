// Erasure of a person, and removal of what has been kept for long enough.
#include <set>

#include "clients/sqlite/impl.h"
#include "clients/sqlite/maintenance.h"
#include "directory/erasure.h"

namespace chaveiro::clients::sqlite {

using namespace directory;

namespace {

constexpr std::int64_t rows_per_purge = 5'000;

// Jumps from one participant to the next along the index: as fast with a million accounts as with ten.
constexpr std::string_view next_participant = "SELECT min(ispb) FROM accounts WHERE ispb > ?";

Result<std::set<Ispb>> participants_in(Connection& connection) {
  std::set<Ispb> found;
  std::string last;
  for (;;) {
    TRY(Statement* const next, connection.prepare(next_participant));
    TRY(const bool row, next->add(last).step());
    std::string text = row && !next->null() ? std::string(next->text()) : std::string();
    next->reset();
    if (text.empty()) return found;
    last = std::move(text);
    TRY(const Ispb ispb, Ispb::parse(last));
    found.insert(ispb);
  }
}

// The rows of a table that `condition` (one parameter: the tax id) names.
template <class T>
Result<std::vector<T>> rows_about(Connection& connection, std::string_view table, std::string_view columns,
                                  std::string_view condition, std::string_view tax_id, Result<T> (*read)(Statement&)) {
  TRY(const auto rows, connection.prepare_once("SELECT " + std::string(columns) + " FROM " + std::string(table) +
                                               " WHERE " + std::string(condition)));
  return all_rows(rows->add(tax_id), read);
}

template <class T>
Result<void> replace_rows(Connection& connection, std::string_view table, std::string_view columns,
                          std::vector<T>& rows, std::uint64_t version) {
  TRY(const auto update,
      connection.prepare_once("UPDATE " + std::string(table) + " SET " + assignments(columns) + " WHERE id = ?"));
  for (T& row : rows) {
    blank(row, version);
    add(*update, row);
    add(*update, row.id.uuid);
    TRY_VOID(update->run());
  }
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
Result<AboutPerson> everything_about(Connection& connection, std::string_view tax_id) {
  AboutPerson about;
  TRY(about.accounts, rows_about(connection, "accounts", account_columns, "holder_tax_id = ?", tax_id, read_account));
  const std::string of_accounts = " account_id IN (SELECT id FROM accounts WHERE holder_tax_id = ?)";
  TRY(about.entries,
      rows_about(connection, "entries", entry_columns, "status = 4 AND" + of_accounts, tax_id, read_entry));
  TRY(const auto live,
      rows_about(connection, "entries", entry_columns, "status <> 4 AND" + of_accounts, tax_id, read_entry));
  TRY(about.claims, rows_about(connection, "claims", claim_columns, "account_holder_tax_id = ?", tax_id, read_claim));
  const auto used = [](const auto& rows) {
    return std::any_of(rows.begin(), rows.end(), [](const auto& row) { return in_use(row); });
  };
  if (!live.empty()) return person_in_use("a live entry");
  if (used(about.claims)) return person_in_use("a live claim");
  if (used(about.accounts)) return person_in_use("an open account");
  return about;
}

Result<std::uint64_t> erase(Group& group, std::string_view tax_id, const Digest& person, const Note& note) {
  Connection& connection = group.connection();
  TRY(AboutPerson about, everything_about(connection, tax_id));
  std::set<Ispb> participants = about.participants();
  const std::uint64_t version = group.sequence() + 1;
  TRY_VOID(replace_rows(connection, "accounts", account_columns, about.accounts, version));
  TRY_VOID(replace_rows(connection, "entries", entry_columns, about.entries, version));
  TRY_VOID(replace_rows(connection, "claims", claim_columns, about.claims, version));
  TRY(Statement* const forget, connection.prepare("DELETE FROM seal_keys WHERE person = ?"));
  TRY(const std::uint64_t forgotten, forget->add(ByteView(person)).run());
  group.forget_seal_keys();
  if (forgotten != 0 && participants.empty()) {
    TRY(participants, participants_in(connection));
  }
  for (const Ispb& ispb : participants) {
    Note its = note;
    its.ispb = ispb;
    TRY_VOID(group.note(its, person));
  }
  return about.accounts.size() + about.entries.size() + about.claims.size();
}

// Deletes at most `rows_per_purge` rows; 0: there were none left.
Result<std::uint64_t> purge_some(Group& group, UtcTime before, const Note& note) {
  Connection& connection = group.connection();
  const std::int64_t first_kept = std::min(month_of(before), group.month());
  const std::int64_t until = before.time_since_epoch().count();
  const std::pair<std::string_view, std::int64_t> deletions[] = {
      {"DELETE FROM audit WHERE position IN (SELECT position FROM audit WHERE month < ? ORDER BY position LIMIT ?)",
       first_kept},
      {"DELETE FROM entries WHERE row IN (SELECT row FROM entries WHERE status = 4 AND "
       "coalesce(deleted_at, updated_at) < ? LIMIT ?)",
       until},
      {"DELETE FROM claims WHERE row IN (SELECT row FROM claims WHERE status >= 4 AND "
       "coalesce(ended_at, updated_at) < ? LIMIT ?)",
       until},
  };
  std::uint64_t gone = 0;
  for (const auto& [text, limit] : deletions) {
    TRY(Statement* const some, connection.prepare(text));
    TRY(const std::uint64_t rows, some->add(limit).add(rows_per_purge - static_cast<std::int64_t>(gone)).run());
    gone += rows;
  }
  if (gone == 0) return gone;
  TRY(const auto participants, participants_in(connection));
  for (const Ispb& ispb : participants) {
    Note its = note;
    its.ispb = ispb;
    its.text = purge_text(before, gone);
    TRY_VOID(group.note(its, Digest{}));
  }
  return gone;
}

}  // namespace

Result<std::uint64_t> SqliteStore::erase_person(std::string_view tax_id, const Actor& actor, UtcTime at,
                                                Deadline deadline) {
  if (tax_id.empty()) return fail_field("tax_id", "must not be empty");
  const Digest person = person_of(impl_->installation_key, tax_id);
  const Note note{"erase_person", "person", {}, actor, at, ""};
  TRY(const std::uint64_t blanked,
      impl_->writer->run([=, wanted = std::string(tax_id)](Group& group) { return erase(group, wanted, person, note); },
                         deadline));
  // What was deleted still stands in the write-ahead log until that is folded in and cut.
  TRY_VOID(impl_->writer->cut_log(deadline));
  return blanked;
}

Result<std::uint64_t> SqliteStore::purge(UtcTime before, const Actor& actor, UtcTime at, Deadline deadline) {
  const Note note{"purge", "store", {}, actor, at, ""};
  std::uint64_t gone = 0;
  for (;;) {
    TRY(const std::uint64_t some,
        impl_->writer->run([=](Group& group) { return purge_some(group, before, note); }, deadline));
    gone += some;
    if (some < static_cast<std::uint64_t>(rows_per_purge)) return gone;
  }
}

}  // namespace chaveiro::clients::sqlite
