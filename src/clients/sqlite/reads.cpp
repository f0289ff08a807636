// Reads of one thing by its id or key.
#include "clients/sqlite/impl.h"

namespace chaveiro::clients::sqlite {

using namespace directory;

namespace {

const std::string select_entry = "SELECT " + std::string(entry_columns) + " FROM entries WHERE ";
const std::string select_account = "SELECT " + std::string(account_columns) + " FROM accounts WHERE ";
const std::string select_claim = "SELECT " + std::string(claim_columns) + " FROM claims WHERE ";

const std::string entry_by_key = select_entry + "key = ? AND key_type = ? AND status <> 4";
const std::string entry_by_id = select_entry + "id = ?";
const std::string account_by_id = select_account + "id = ?";
const std::string claim_by_id = select_claim + "id = ?";
const std::string claim_by_key = select_claim + "key = ? AND key_type = ? AND status < 4";

Result<StoredRequest> read_request(Statement& row) {
  StoredRequest request;
  request.id = {uuid_in(row)};
  request.body_hash = bytes_of<32>(row);
  request.operation = row.text();
  request.resource = uuid_in(row);
  request.sequence = static_cast<std::uint64_t>(row.number());
  return request;
}

}  // namespace

Result<std::optional<Entry>> SqliteStore::live_entry(const Key& key, Deadline deadline) {
  TRY(const auto reader, impl_->readers->borrow(deadline));
  TRY(Statement* const found, reader->prepare(entry_by_key));
  return first_row(found->add(key.value()).add(key.type()), read_entry);
}

Result<std::optional<Entry>> SqliteStore::entry(const EntryId& id, Deadline deadline) {
  TRY(const auto reader, impl_->readers->borrow(deadline));
  TRY(Statement* const found, reader->prepare(entry_by_id));
  return first_row(found->add(ByteView(id.uuid.bytes())), read_entry);
}

Result<std::uint32_t> SqliteStore::slots_taken(const AccountId& account, Deadline deadline) {
  TRY(const auto reader, impl_->readers->borrow(deadline));
  TRY(Statement* const found, reader->prepare("SELECT slot FROM entries WHERE account_id = ? AND status <> 4"));
  found->add(ByteView(account.uuid.bytes()));
  std::uint32_t taken = 0;
  for (;;) {
    TRY(const bool row, found->step());
    if (!row) return taken;
    taken |= std::uint32_t{1} << (found->number() & 31);
  }
}

Result<std::optional<Account>> SqliteStore::account(const AccountId& id, Deadline deadline) {
  TRY(const auto reader, impl_->readers->borrow(deadline));
  TRY(Statement* const found, reader->prepare(account_by_id));
  return first_row(found->add(ByteView(id.uuid.bytes())), read_account);
}

Result<std::optional<Claim>> SqliteStore::claim(const ClaimId& id, Deadline deadline) {
  TRY(const auto reader, impl_->readers->borrow(deadline));
  TRY(Statement* const found, reader->prepare(claim_by_id));
  return first_row(found->add(ByteView(id.uuid.bytes())), read_claim);
}

Result<std::optional<Claim>> SqliteStore::live_claim(const Key& key, Deadline deadline) {
  TRY(const auto reader, impl_->readers->borrow(deadline));
  TRY(Statement* const found, reader->prepare(claim_by_key));
  return first_row(found->add(key.value()).add(key.type()), read_claim);
}

Result<std::optional<StoredRequest>> SqliteStore::request(const Ispb& ispb, const RequestId& id, Deadline deadline) {
  TRY(const auto reader, impl_->readers->borrow(deadline));
  TRY(Statement* const found, reader->prepare("SELECT id, body_hash, operation, resource, sequence FROM requests "
                                              "WHERE ispb = ? AND id = ?"));
  return first_row(found->add(ispb.view()).add(ByteView(id.uuid.bytes())), read_request);
}

}  // namespace chaveiro::clients::sqlite
