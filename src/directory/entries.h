// directory/entries.h
//
// The operations on entries: register, read, change, delete, block.
//
// Idempotency: a creation carries a RequestId. The same id with the same body is answered with the first answer as long
// as the entry is unchanged since; otherwise, and with another body, with RequestIdAlreadyUsed. A caller without a
// RequestId gets a fresh one, so that its retry is told EntryAlreadyExists.
//
// Threads: any number at once; blocking, until the context's deadline.
// Errors:  the official ones of createEntry, updateEntry, deleteEntry as reasons (EntryInvalid, EntryLimitExceeded,
// EntryAlreadyExists,
//          EntryKeyInCustodyOfDifferentParticipant, EntryKeyOwnedByDifferentPerson, EntryTaxIdNumberByDifferentOwner,
//          EntryLockedByClaim, EntryBlocked, RequestIdAlreadyUsed, InvalidReason, NotFound, Forbidden), and those of
//          Store and Registry.
#pragma once

#include <memory>

#include "directory/caller.h"
#include "directory/registry.h"
#include "directory/store.h"

namespace chaveiro::directory {

struct CreateEntry {
  KeyType key_type = KeyType::evp;
  std::optional<std::string> key;  // absent for EVP, and only there
  AccountId account;
  Reason reason = Reason::user_requested;
  std::optional<RequestId> request_id;
};

// Only what the official update may change: the account (inside the same participant) and the names of the owner.
struct UpdateEntry {
  EntryId id;
  std::optional<AccountId> account;
  std::optional<std::string> name;
  std::optional<std::string> trade_name;  // "" removes it
  Reason reason = Reason::user_requested;
};

class Entries {
 public:
  Entries(Store& store, Registry& registry, const Clock& clock, KeyRules rules);
  ~Entries();

  Result<Entry> create(const Context& context, const CreateEntry& request);
  Result<Entry> get(const Context& context, const EntryId& id);
  Result<Entry> get(const Context& context, const Key& key);
  Result<Page<Entry>> list(const Context& context, EntryFilter filter, const PageRequest& page);
  Result<Entry> update(const Context& context, const UpdateEntry& request);
  // Answers the entry as it is afterwards. Deleting a deleted entry is NotFound, as with the official API.
  Result<Entry> remove(const Context& context, const EntryId& id, Reason reason);
  // Court orders (Manual §1.1). Repeat-safe.
  Result<Entry> block(const Context& context, const EntryId& id, std::string_view order);
  Result<Entry> unblock(const Context& context, const EntryId& id, std::string_view order);

 private:
  Store& store_;
  Registry& registry_;
  const Clock& clock_;
  KeyRules rules_;
  struct Ids;
  std::unique_ptr<Ids> ids_;  // makes UUIDv7
};

}  // namespace chaveiro::directory
