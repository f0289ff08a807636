#include "directory/entries.h"

#include "base/hash.h"
#include "directory/operation.h"

namespace chaveiro::directory {
namespace {

Error not_found() { return fail(Code::not_found, "NotFound", "no entry with this key or id"); }

Error blocked_error() { return fail(Code::conflict, "EntryBlocked", "the entry is blocked by a court order"); }

// The key as the request names it: absent for an EVP, which only the registry makes, and present otherwise.
Result<std::optional<Key>> key_of(const CreateEntry& request, const KeyRules& rules) {
  if (request.key_type == KeyType::evp) {
    if (request.key) {
      return fail_field("key", "must be absent: the registry makes the key of an EVP", "EntryInvalid");
    }
    return std::optional<Key>{};
  }
  if (!request.key) return fail_field("key", "must be given", "EntryInvalid");
  TRY(Key key, Key::parse(request.key_type, *request.key, rules));
  return std::optional<Key>{std::move(key)};
}

Result<void> check_own_tax_id(const Key& key, const Person& owner) {
  const bool tax_id = key.type() == KeyType::cpf || key.type() == KeyType::cnpj;
  if (tax_id && key.value() != owner.tax_id) {
    return fail_field("key", "is the tax id of another person than the account's holder",
                      "EntryTaxIdNumberByDifferentOwner");
  }
  return {};
}

// What stands in the way of registering the key for this account, most telling first: an entry of the same owner here
// (nothing to do), a claim (wait), the same owner elsewhere (portability), another owner (ownership).
Result<void> check_key_is_free(Store& store, const Key& key, const Account& account, Deadline deadline) {
  TRY(const auto held, store.who_holds(key, deadline));
  const bool same_owner = held && held->owner == sha256(account.holder.tax_id);
  if (same_owner && held->ispb == account.ispb) {
    return fail(Code::exists, "EntryAlreadyExists", "this owner has registered the key at this participant already");
  }
  TRY(const auto claim, store.live_claim(key, deadline));
  if (claim) return fail(Code::conflict, "EntryLockedByClaim", "a claim for this key has not ended yet");
  if (same_owner) {
    return fail(Code::exists, "EntryKeyInCustodyOfDifferentParticipant",
                "the same owner has the key at another participant: ask for its portability");
  }
  if (held) {
    return fail(Code::exists, "EntryKeyOwnedByDifferentPerson",
                "the key belongs to another person: the ownership of a phone can be claimed");
  }
  return {};
}

// The caller's own view: entries of other participants and of accounts that are not his do not exist for him.
Result<Entry> seen(const Context& context, Permission permission, Result<std::optional<Entry>> read) {
  TRY(auto entry, std::move(read));
  if (!entry || entry->ispb() != context.caller.ispb) return not_found();
  if (!sees_account(context.caller, permission, entry->account.id)) return not_found();
  return std::move(*entry);
}

Result<Entry> seen_live(const Context& context, Permission permission, Result<std::optional<Entry>> read) {
  TRY(Entry entry, seen(context, permission, std::move(read)));
  if (!entry.live()) return not_found();
  return entry;
}

Result<Entry> commit_entry(Store& store, const Context& context, std::string operation, Entry before, Entry after,
                           UtcTime now) {
  Change change = change_of(context, std::move(operation), after.ispb(), now);
  change.writes.push_back(Put<Entry>{std::move(before), after});
  TRY(const Committed committed, store.commit(change, context.deadline));
  after.version = committed.sequence;
  return after;
}

}  // namespace

struct Entries::Ids {
  UuidV7 maker;
};

Entries::Entries(Store& store, Registry& registry, const Clock& clock, KeyRules rules, EntryOptions options,
                 Reads* reads)
    : store_(store),
      reads_(reads != nullptr ? *reads : store),
      registry_(registry),
      clock_(clock),
      rules_(rules),
      options_(options),
      ids_(std::make_unique<Ids>()) {}

Entries::~Entries() = default;

Result<Entry> Entries::create(const Context& context, const CreateEntry& request) {
  const Ispb& ispb = context.caller.ispb;
  TRY_VOID(authorise(context.caller, Permission::write_entries, ispb, request.account));
  TRY_VOID(check_reason(EntryOperation::create, request.key_type, request.reason));
  TRY(const std::optional<Key> key, key_of(request, rules_));
  TRY(const RequestId request_id, request_id_or_fresh(request.request_id));
  const RequestUse use{request_id, body_hash({"create_entry", to_string(request.key_type), request.key,
                                              to_string(request.account), to_string(request.reason)})};
  // Asked once, also when the decision has to be made again: an EVP stays the same.
  std::optional<Registry::Registered> registered;

  return decide_until_fresh([&]() -> Result<Entry> {
    TRY(auto repeated, replayed(store_, ispb, use, context.deadline));
    if (repeated) return std::move(*repeated);
    TRY(Account account, open_account(store_, ispb, request.account, context.deadline));
    if (key) {
      TRY_VOID(check_own_tax_id(*key, account.holder));
      TRY_VOID(check_key_is_free(store_, *key, account, context.deadline));
    }
    TRY(const std::uint8_t slot, free_slot(store_, account, context.deadline));
    if (!registered) {
      TRY(registered, registry_.register_entry({.request = request_id,
                                                .key_type = request.key_type,
                                                .key = key,
                                                .account = account,
                                                .completes = {},
                                                .owned_since = {}},
                                               context.deadline));
    }
    const UtcTime now = clock_.now();
    Entry entry{.id = EntryId{ids_->maker.make(now)},
                .key = registered->key,
                .account = std::move(account),
                .status = EntryStatus::active,
                .request_id = request_id,
                .slot = slot,
                .created_at = registered->created_at,
                .owned_since = registered->owned_since,
                .updated_at = now};
    Change change = change_of(context, "create_entry", ispb, now);
    change.writes.push_back(Put<Entry>{std::nullopt, entry});
    change.request = use;
    TRY(const Committed committed, store_.commit(change, context.deadline));
    entry.version = committed.sequence;
    return entry;
  });
}

Result<Entry> Entries::get(const Context& context, const EntryId& id) {
  TRY_VOID(authorise(context.caller, Permission::read_entries, context.caller.ispb));
  return seen(context, Permission::read_entries, reads_.entry(id, context.deadline));
}

Result<Entry> Entries::get(const Context& context, const Key& key) {
  TRY_VOID(authorise(context.caller, Permission::read_entries, context.caller.ispb));
  return seen(context, Permission::read_entries, reads_.live_entry(key, context.deadline));
}

Result<Page<Entry>> Entries::list(const Context& context, EntryFilter filter, const PageRequest& page) {
  TRY_VOID(authorise(context.caller, Permission::read_entries, filter.ispb));
  filter.accounts = accounts_seen(context.caller, Permission::read_entries, std::move(filter.accounts));
  return store_.entries(filter, that_may_lag(page), context.deadline);
}

Result<Entry> Entries::update(const Context& context, const UpdateEntry& request) {
  TRY_VOID(authorise(context.caller, Permission::write_entries, context.caller.ispb));
  if (!request.account && !request.name && !request.trade_name) {
    return fail_field("account", "nothing to change: give an account, a name or a trade name", "EntryInvalid");
  }
  return decide_until_fresh([&]() -> Result<Entry> {
    TRY(const Entry before, seen_live(context, Permission::write_entries, store_.entry(request.id, context.deadline)));
    TRY_VOID(check_reason(EntryOperation::update, before.key.type(), request.reason));
    if (request.version && before.version != *request.version)
      return fail(Code::conflict, "EntryChanged", "the entry has changed since: read it again");
    if (before.status == EntryStatus::blocked) return blocked_error();
    if (before.open_claim && !options_.update_under_claim) {
      return fail(Code::conflict, "EntryLockedByClaim", "a claim for this key has not ended yet");
    }
    TRY(Entry after, changed(context, before, request));
    if (after == before) return after;
    const UtcTime now = clock_.now();
    after.updated_at = now;
    return commit_entry(store_, context, "update_entry", before, std::move(after), now);
  });
}

Result<Entry> Entries::outdate(const Context& context, const EntryId& id, std::uint64_t version,
                               std::string_view operation) {
  TRY_VOID(authorise(context.caller, Permission::write_entries, context.caller.ispb));
  return decide_until_fresh([&]() -> Result<Entry> {
    TRY(const Entry before, seen_live(context, Permission::write_entries, store_.entry(id, context.deadline)));
    if (before.version != version) return before;
    return commit_entry(store_, context, std::string(operation), before, before, clock_.now());
  });
}

Result<Entry> Entries::changed(const Context& context, Entry entry, const UpdateEntry& request) {
  if (request.account && *request.account != entry.account.id) {
    TRY_VOID(authorise(context.caller, Permission::write_entries, entry.ispb(), *request.account));
    TRY(Account account, open_account(store_, entry.ispb(), *request.account, context.deadline));
    if (account.holder.type != entry.owner().type || account.holder.tax_id != entry.owner().tax_id) {
      return fail_field("account", "is held by another person than the owner of the key", "EntryInvalid");
    }
    TRY(entry.slot, free_slot(store_, account, context.deadline));
    // The names are the owner's as registered with this key; they change only where the request says so.
    account.holder = entry.account.holder;
    entry.account = std::move(account);
  }
  if (request.name) entry.account.holder.name = *request.name;
  if (request.trade_name) {
    entry.account.holder.trade_name = request.trade_name->empty() ? std::nullopt : request.trade_name;
  }
  if (request.name || request.trade_name) {
    TRY_VOID(validate(entry.owner(), PersonRules{rules_.check_digits}, "owner."));
  }
  return entry;
}

Result<Entry> Entries::remove(const Context& context, const EntryId& id, Reason reason) {
  TRY_VOID(authorise(context.caller, Permission::write_entries, context.caller.ispb));
  return decide_until_fresh([&]() -> Result<Entry> {
    TRY(const Entry before, seen_live(context, Permission::write_entries, store_.entry(id, context.deadline)));
    TRY_VOID(check_reason(EntryOperation::remove, before.key.type(), reason));
    if (before.status == EntryStatus::blocked) return blocked_error();
    if (before.open_claim) {
      return fail(Code::conflict, "EntryLockedByClaim", "a claim for this key has not ended yet");
    }
    const UtcTime now = clock_.now();
    return commit_entry(store_, context, "delete_entry", before, deleted(before, reason, now), now);
  });
}

Result<Entry> Entries::block(const Context& context, const EntryId& id, std::string_view order) {
  return set_status(context, id, EntryStatus::blocked, "block_entry", order);
}

Result<Entry> Entries::unblock(const Context& context, const EntryId& id, std::string_view order) {
  return set_status(context, id, EntryStatus::active, "unblock_entry", order);
}

Result<Entry> Entries::set_status(const Context& context, const EntryId& id, EntryStatus status,
                                  std::string_view operation, std::string_view order) {
  TRY_VOID(authorise(context.caller, Permission::block_entries, context.caller.ispb));
  TRY_VOID(check_block_order(order));
  return decide_until_fresh([&]() -> Result<Entry> {
    TRY(const Entry before, seen_live(context, Permission::block_entries, store_.entry(id, context.deadline)));
    if (before.status == status) return before;
    const UtcTime now = clock_.now();
    Entry after = before;
    after.status = status;
    after.block_order = std::string(order);
    after.updated_at = now;
    return commit_entry(store_, context, std::string(operation), before, std::move(after), now);
  });
}

}  // namespace chaveiro::directory
