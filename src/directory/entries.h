// directory/entries.h
//
// The operations on entries: register, read, change, delete, block.
//
// Idempotency: a creation carries a RequestId. The same id with the same body is answered with the first answer as long
// as the entry is unchanged since; otherwise, and with another body, with RequestIdAlreadyUsed. A caller without a
// RequestId gets a fresh one, so that its retry is told EntryAlreadyExists.
//
// The registry is asked before the commit. Should the commit then fail, the embedded registry has kept nothing, and the
// official one holds a registration that a repetition with the same RequestId is answered with and brings home.
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

// Only what the official update may change: the account (inside the same participant, open, of the same holder) and the
// names of the owner. Names are those of this key alone: the account and its other entries, each of which has a CID of
// its own, keep theirs until they are changed themselves. What is absent stays.
struct UpdateEntry {
  EntryId id;
  std::optional<AccountId> account;
  std::optional<std::string> name;
  std::optional<std::string> trade_name;  // "" removes it
  Reason reason = Reason::user_requested;
  std::optional<std::uint64_t> version;  // only where the entry is still this one; else conflict "EntryChanged"
};

struct EntryOptions {
  // May a donor change an entry while it is claimed? The manual says both (footnotes 4 and 5 of §4 against §5.3).
  bool update_under_claim = true;
};

class Entries {
 public:
  // `reads`: where get() reads; null: the store.
  Entries(Store& store, Registry& registry, const Clock& clock, KeyRules rules, EntryOptions options = {},
          Reads* reads = nullptr);
  ~Entries();

  Result<Entry> create(const Context& context, const CreateEntry& request);
  Result<Entry> get(const Context& context, const EntryId& id);
  Result<Entry> get(const Context& context, const Key& key);
  Result<Page<Entry>> list(const Context& context, EntryFilter filter, const PageRequest& page);
  Result<Entry> update(const Context& context, const UpdateEntry& request);
  // Writes the entry as it is under a new version, so that what was prepared for `version` no longer fits. Where it is another
  // one already, nothing is done. `operation` is what the audit calls it.
  Result<Entry> outdate(const Context& context, const EntryId& id, std::uint64_t version, std::string_view operation);
  // Answers the entry as it is afterwards. Deleting a deleted entry is NotFound, as with the official API.
  Result<Entry> remove(const Context& context, const EntryId& id, Reason reason);
  // Court orders (Manual §1.1). Repeat-safe.
  Result<Entry> block(const Context& context, const EntryId& id, std::string_view order);
  Result<Entry> unblock(const Context& context, const EntryId& id, std::string_view order);

 private:
  Result<Entry> changed(const Context& context, Entry entry, const UpdateEntry& request);
  Result<Entry> set_status(const Context& context, const EntryId& id, EntryStatus status, std::string_view operation,
                           std::string_view order);

  Store& store_;
  Reads& reads_;
  Registry& registry_;
  const Clock& clock_;
  KeyRules rules_;
  EntryOptions options_;
  struct Ids;
  std::unique_ptr<Ids> ids_;  // makes UUIDv7
};

}  // namespace chaveiro::directory
