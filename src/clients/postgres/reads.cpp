// Reads of one thing by its id or key.
#include "clients/postgres/impl.h"

namespace chaveiro::clients::postgres {

using namespace directory;

namespace {

const std::string select_entry = "SELECT " + entries_table.list() + " FROM entries WHERE id = $1";
const std::string select_account = "SELECT " + accounts_table.list() + " FROM accounts WHERE id = $1";
const std::string select_claim = "SELECT " + claims_table.list() + " FROM claims WHERE ";
const std::string claim_by_id = select_claim + "id = $1";
const std::string claim_by_key = select_claim + "key = $1 AND key_type = $2 AND status < 4";
const std::string select_request = "SELECT " + requests_table.list() + " FROM requests WHERE ispb = $1 AND id = $2";

}  // namespace

Result<std::optional<Entry>> PostgresStore::live_entry(const Key& key, Deadline deadline) {
  return impl_->keys.find(key, deadline);
}

Result<std::optional<Entry>> PostgresStore::entry(const EntryId& id, Deadline deadline) {
  return first_row(impl_->pipeline.run(select_entry, Params().add(id.uuid), impl_->ispbs, deadline), read_entry);
}

Result<std::uint32_t> PostgresStore::slots_taken(const AccountId& account, Deadline deadline) {
  TRY(const Rows rows, impl_->pipeline.run("SELECT slot FROM entries WHERE account_id = $1 AND status <> 4",
                                           Params().add(account.uuid), impl_->ispbs, deadline));
  std::uint32_t taken = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) taken |= std::uint32_t{1} << (rows[i].number() & 31);
  return taken;
}

Result<std::optional<Account>> PostgresStore::account(const AccountId& id, Deadline deadline) {
  return first_row(impl_->pipeline.run(select_account, Params().add(id.uuid), impl_->ispbs, deadline), read_account);
}

Result<std::optional<Claim>> PostgresStore::claim(const ClaimId& id, Deadline deadline) {
  return first_row(impl_->pipeline.run(claim_by_id, Params().add(id.uuid), impl_->ispbs, deadline), read_claim);
}

Result<std::optional<Claim>> PostgresStore::live_claim(const Key& key, Deadline deadline) {
  return first_row(impl_->pipeline.run(claim_by_key, Params().add(key.value()).add(key.type()), impl_->ispbs, deadline),
                   read_claim);
}

Result<std::optional<StoredRequest>> PostgresStore::request(const Ispb& ispb, const RequestId& id, Deadline deadline) {
  return first_row(
      impl_->pipeline.run(select_request, Params().add(ispb.view()).add(id.uuid), std::string(ispb.view()), deadline),
      read_request);
}

Result<std::optional<SealKey>> PostgresStore::seal_key(const Digest& person, Deadline deadline) {
  const auto read = [](Row row) -> Result<SealKey> { return bytes_of<32>(row); };
  return first_row<SealKey>(impl_->pipeline.run("SELECT key FROM seal_keys WHERE person = $1",
                                                Params().add(ByteView(person)), impl_->ispbs, deadline),
                            read);
}

Result<std::optional<Holder>> PostgresStore::who_holds(const Key& key, Deadline deadline) {
  const auto read = [](Row row) -> Result<Holder> {
    Holder holder;
    TRY(holder.ispb, Ispb::parse(row.text()));
    holder.owner = bytes_of<32>(row);
    return holder;
  };
  return first_row<Holder>(impl_->pipeline.run("SELECT ispb, owner FROM who_holds($1, $2)",
                                               Params().add(key.type()).add(key.value()), impl_->ispbs, deadline),
                           read);
}

}  // namespace chaveiro::clients::postgres
