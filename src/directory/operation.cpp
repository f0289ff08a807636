#include "directory/operation.h"

#include <algorithm>
#include <bit>

#include "base/hash.h"

namespace chaveiro::directory {

Digest body_hash(std::initializer_list<std::optional<std::string_view>> fields) {
  Sha256 hash;
  for (const auto& field : fields) {
    hash.update(field ? std::to_string(field->size()) + ":" : "-:");
    if (field) hash.update(*field);
  }
  return hash.digest();
}

Result<std::optional<Entry>> replayed(Store& store, const Ispb& ispb, const RequestUse& request, Deadline deadline) {
  TRY(const auto stored, store.request(ispb, request.id, deadline));
  if (!stored) return std::optional<Entry>{};
  const Error used = fail(Code::conflict, "RequestIdAlreadyUsed",
                          "this request id was used before: with other fields, or the entry has changed since");
  if (stored->body_hash != request.body_hash) return used;
  TRY(auto entry, store.entry(EntryId{stored->resource}, deadline));
  if (!entry || entry->version != stored->sequence) return used;
  return entry;
}

Result<RequestId> request_id_or_fresh(const std::optional<RequestId>& given) {
  if (!given) return RequestId{uuid_v4()};
  if (given->uuid.is_nil()) return fail_field("request_id", "must not be the nil UUID");
  return *given;
}

Result<Account> open_account(Store& store, const Ispb& ispb, const AccountId& id, Deadline deadline) {
  TRY(auto account, store.account(id, deadline));
  if (!account || account->ispb != ispb) return fail(Code::not_found, "AccountNotFound", "no account with this id");
  if (account->status != AccountStatus::open) return fail(Code::conflict, "AccountClosed", "the account is closed");
  return std::move(*account);
}

Result<std::uint8_t> free_slot(Store& store, const Account& account, Deadline deadline) {
  TRY(const std::uint32_t taken, store.slots_taken(account.id, deadline));
  const std::uint32_t slots = keys_max(account.holder.type);
  const auto slot = static_cast<std::uint32_t>(std::countr_one(taken));
  if (slot >= slots) {
    return fail(Code::conflict, "EntryLimitExceeded",
                "the account has its " + std::to_string(slots) + " keys already; delete one first");
  }
  return static_cast<std::uint8_t>(slot);
}

bool sees_account(const Caller& caller, Permission permission, const AccountId& account) {
  return authorise(caller, permission, caller.ispb, account).has_value();
}

std::optional<std::vector<AccountId>> accounts_seen(const Caller& caller, Permission permission,
                                                    std::optional<std::vector<AccountId>> wanted) {
  if (wanted) {
    std::erase_if(*wanted, [&](const AccountId& account) { return !sees_account(caller, permission, account); });
    return wanted;
  }
  if (caller.accounts) return caller.accounts;
  // Without a list of accounts a user has none, and every other role the whole participant.
  if (!sees_account(caller, permission, AccountId{})) return std::vector<AccountId>{};
  return std::nullopt;
}

Change change_of(const Context& context, std::string operation, const Ispb& ispb, UtcTime at) {
  return Change{.operation = std::move(operation),
                .ispb = ispb,
                .actor = {context.caller.subject, context.correlation_id},
                .at = at,
                .writes = {},
                .request = {},
                .mark = context.mark};
}

Entry deleted(Entry entry, Reason reason, UtcTime at) {
  entry.status = EntryStatus::deleted;
  entry.open_claim.reset();
  entry.deleted_at = at;
  entry.delete_reason = reason;
  entry.updated_at = at;
  return entry;
}

}  // namespace chaveiro::directory
