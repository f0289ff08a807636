#include "clients/sqlite/rows.h"

#include <algorithm>

namespace chaveiro::clients::sqlite {

using namespace directory;

namespace {

Error damaged(std::string_view what) {
  return fail(Code::corrupt, "DatabaseCorrupt",
              "a stored " + std::string(what) + " cannot be read: stop the server and restore the last backup");
}

void add_person(Statement& statement, const Person& person) {
  statement.add(person.type).add(person.tax_id).add(person.name).add(person.trade_name);
}

template <class Tag>
void add_id(Statement& statement, const std::optional<Id<Tag>>& id) {
  id ? add(statement, id->uuid) : static_cast<void>(statement.add_null());
}

template <class T, class Read>
std::optional<T> optional_in(Statement& row, Read read) {
  if (!row.null()) return read(row);
  row.skip();
  return std::nullopt;
}
std::optional<std::string> text_if(Statement& row) {
  return optional_in<std::string>(row, [](Statement& r) { return std::string(r.text()); });
}
std::optional<UtcTime> time_if(Statement& row) { return optional_in<UtcTime>(row, time_in); }

// An enumeration whose values are 1 … last; 0 where the column holds something else, which no enumeration has.
template <class Enum>
Enum enum_in(Statement& row, Enum last) {
  const std::int64_t number = row.number();
  return number >= 1 && number <= static_cast<std::int64_t>(last) ? static_cast<Enum>(number) : Enum{};
}
template <class Enum>
std::optional<Enum> enum_if(Statement& row, Enum last) {
  return optional_in<Enum>(row, [&](Statement& r) { return enum_in(r, last); });
}
template <class IdType>
std::optional<IdType> id_if(Statement& row) {
  return optional_in<IdType>(row, [](Statement& r) { return IdType{uuid_in(r)}; });
}
Ispb ispb_in(Statement& row) {
  Ispb ispb;
  if (const std::string_view text = row.text(); text.size() == ispb.text.size())
    std::copy(text.begin(), text.end(), ispb.text.begin());
  return ispb;
}

Account account_in(Statement& row) {
  Account account;
  account.id = {uuid_in(row)};
  account.ispb = ispb_in(row);
  account.branch = text_if(row);
  account.number = row.text();
  account.type = enum_in(row, AccountType::slry);
  account.opened_at = time_in(row);
  account.holder.type = enum_in(row, PersonType::legal);
  account.holder.tax_id = row.text();
  account.holder.name = row.text();
  account.holder.trade_name = text_if(row);
  account.status = enum_in(row, AccountStatus::closed);
  account.created_at = time_in(row);
  account.updated_at = time_in(row);
  account.version = static_cast<std::uint64_t>(row.number());
  return account;
}

Result<Key> key_in(Statement& row) {
  const KeyType type = enum_in(row, KeyType::evp);
  return Key::parse(type, row.text(), KeyRules{.check_digits = false});
}

bool good(const Account& account) {
  return account.type != AccountType{} && account.holder.type != PersonType{} && account.status != AccountStatus{};
}

std::size_t count_columns(std::string_view columns) {
  return static_cast<std::size_t>(std::count(columns.begin(), columns.end(), ',')) + 1;
}

}  // namespace

std::string placeholders(std::string_view columns) {
  std::string text = "?";
  for (std::size_t i = 1; i < count_columns(columns); ++i) text += ", ?";
  return text;
}

std::string assignments(std::string_view columns) {
  std::string text;
  for (const char c : columns) {
    if (c == ',') text += " = ?";
    text += c;
  }
  return text + " = ?";
}

void add(Statement& statement, const Account& account) {
  add(statement, account.id.uuid);
  statement.add(account.ispb.view()).add(account.branch).add(account.number).add(account.type).add(account.opened_at);
  add_person(statement, account.holder);
  statement.add(account.status).add(account.created_at).add(account.updated_at).add(account.version);
}

void add(Statement& statement, const Entry& entry) {
  add(statement, entry.id.uuid);
  statement.add(entry.key.type()).add(entry.key.value());
  add(statement, entry.account);
  statement.add(entry.status);
  add(statement, entry.request_id.uuid);
  statement.add(std::int64_t{entry.slot}).add(entry.created_at).add(entry.owned_since).add(entry.updated_at);
  if (entry.open_claim) {
    add(statement, entry.open_claim->id.uuid);
    statement.add(entry.open_claim->created_at).add(std::int64_t{entry.open_claim->portability});
  } else {
    statement.add_null().add_null().add_null();
  }
  statement.add(entry.block_order).add(entry.deleted_at).add(entry.delete_reason).add(entry.version);
}

void add(Statement& statement, const Claim& claim) {
  add(statement, claim.id.uuid);
  statement.add(claim.registry_id).add(claim.type).add(claim.key.type()).add(claim.key.value());
  add(statement, claim.donor_entry.uuid);
  statement.add(claim.donor.view());
  add(statement, claim.claimer_account);
  statement.add(claim.status).add(claim.created_at).add(claim.resolution_end).add(claim.completion_end);
  statement.add(claim.claimer_deadline).add(claim.updated_at).add(claim.donor_owned_since);
  statement.add(claim.confirm_reason).add(claim.cancel_reason).add(claim.cancelled_by).add(claim.ended_at);
  add_id(statement, claim.complete_request);
  add_id(statement, claim.completed_entry);
  statement.add(claim.version);
}

Result<Account> read_account(Statement& row) {
  Account account = account_in(row);
  if (!good(account)) return damaged("account");
  return account;
}

Result<Entry> read_entry(Statement& row) {
  const EntryId id{uuid_in(row)};
  auto key = key_in(row);
  if (!key) return damaged("entry");
  Entry entry{.id = id, .key = std::move(*key), .account = account_in(row)};
  entry.status = enum_in(row, EntryStatus::deleted);
  entry.request_id = {uuid_in(row)};
  entry.slot = static_cast<std::uint8_t>(row.number());
  entry.created_at = time_in(row);
  entry.owned_since = time_in(row);
  entry.updated_at = time_in(row);
  if (!row.null()) {
    entry.open_claim = OpenClaim{{uuid_in(row)}, time_in(row), row.number() != 0};
  } else {
    for (int i = 0; i < 3; ++i) row.skip();
  }
  entry.block_order = text_if(row);
  entry.deleted_at = time_if(row);
  entry.delete_reason = enum_if(row, Reason::default_operation);
  entry.version = static_cast<std::uint64_t>(row.number());
  if (!good(entry.account) || entry.status == EntryStatus{}) return damaged("entry");
  return entry;
}

Result<Claim> read_claim(Statement& row) {
  const ClaimId id{uuid_in(row)};
  auto registry_id = text_if(row);
  const ClaimType type = enum_in(row, ClaimType::ownership);
  auto key = key_in(row);
  if (!key) return damaged("claim");
  Claim claim{.id = id, .registry_id = std::move(registry_id), .type = type, .key = std::move(*key)};
  claim.donor_entry = {uuid_in(row)};
  claim.donor = ispb_in(row);
  claim.claimer_account = account_in(row);
  claim.status = enum_in(row, ClaimStatus::completed);
  claim.created_at = time_in(row);
  claim.resolution_end = time_in(row);
  claim.completion_end = time_if(row);
  claim.claimer_deadline = time_in(row);
  claim.updated_at = time_in(row);
  claim.donor_owned_since = time_in(row);
  claim.confirm_reason = enum_if(row, Reason::default_operation);
  claim.cancel_reason = enum_if(row, Reason::default_operation);
  claim.cancelled_by = enum_if(row, ClaimRole::claimer);
  claim.ended_at = time_if(row);
  claim.complete_request = id_if<RequestId>(row);
  claim.completed_entry = id_if<EntryId>(row);
  claim.version = static_cast<std::uint64_t>(row.number());
  if (!good(claim.claimer_account) || claim.status == ClaimStatus{} || claim.type == ClaimType{})
    return damaged("claim");
  return claim;
}

Result<AuditRecord> read_audit(Statement& row) {
  AuditRecord record;
  record.sequence = static_cast<std::uint64_t>(row.number()) / positions_per_commit;
  record.writer = row.text();
  record.month = static_cast<Month>(row.number());
  record.number = static_cast<std::uint64_t>(row.number());
  record.at = time_in(row);
  record.ispb = ispb_in(row);
  record.actor = row.text();
  record.correlation_id = row.text();
  record.operation = row.text();
  record.resource_type = row.text();
  record.resource = uuid_in(row);
  record.person = bytes_of<32>(row);
  record.before = as_text(row.bytes());
  record.after = as_text(row.bytes());
  record.previous = bytes_of<32>(row);
  record.hash = bytes_of<32>(row);
  return record;
}

Result<vsync::SyncAnswer> read_sync_answer(Statement& row) {
  vsync::SyncAnswer answer;
  answer.participant = ispb_in(row);
  answer.key_type = enum_in(row, KeyType::evp);
  answer.agreement = enum_in(row, vsync::Agreement::diverging);
  answer.vsync = bytes_of<32>(row);
  answer.verified_at = time_in(row);
  if (answer.key_type == KeyType{} || answer.agreement == vsync::Agreement{}) return damaged("answer");
  return answer;
}

}  // namespace chaveiro::clients::sqlite
