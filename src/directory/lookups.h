// directory/lookups.h
//
// Who holds this key? Our own base first, then the registry. Every look-up that is answered, also with "not found", has
// left its record before the answer leaves (lookup_log.h).
//
// cached() never waits: it answers where the entry lies in memory, so that an edge can answer on the calling thread.
// lookup() may wait for the store and the registry, until the context's deadline.
//
// Threads: any number at once.
// Errors:  invalid (a foreign key without payer: the violation names PI-PayerId), not_found "NotFound", conflict
// "EntryBlocked",
//          exhausted (log full, registry's limits), forbidden, and those of Store and Registry.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/hash.h"
#include "directory/caller.h"
#include "directory/lookup_log.h"
#include "directory/registry.h"
#include "directory/store.h"

namespace chaveiro::directory {

struct LookupRequest {
  Key key;
  std::optional<std::string> payer_id;  // PI-PayerId: CPF or CNPJ of the payer, digits only; needed for foreign keys
  std::optional<std::string> end_to_end_id;  // PI-EndToEndId: needed for foreign keys
  Urgency urgency = Urgency::interactive;
};

enum class LookupSource : std::uint8_t { memory = 1, store, registry };
std::string_view to_string(LookupSource source);  // memory store registry

struct LookupAnswer {
  std::shared_ptr<const Entry> entry;  // never null
  LookupSource source = LookupSource::store;
  bool masked = false;  // true: names and tax id are shown as the regulator allows for people; see masked_for_people
};

// What a person may see of a payee (Manual §8.1): names, the CPF masked (***.777.888-**) or the CNPJ, which is public, the
// key and the participant; no account, no dates, no ids.
Entry masked_for_people(Entry entry);

// How the look-up log names a key: HMAC-SHA-256 of "TYPE:value" (LookupRecord::key_hash; payers are named by the HMAC of
// the bare tax id).
Digest lookup_hash_of(const HmacKey& installation_key, const Key& key);

// Entries that lie in memory, as the look-up sees them. The cache implements it. `hash` is lookup_hash_of the key, which the
// look-up has at hand.
class EntryMemory {
 public:
  using Shared = std::shared_ptr<const Entry>;

  virtual ~EntryMemory() = default;
  // peek() of this key will follow: memory may be asked for it ahead.
  virtual void expect(const Key&, const Digest&) {}
  // Never waits. nullopt: not in memory. Inside: the live entry, or null where memory knows that there is none.
  virtual std::optional<Shared> peek(const Key& key, const Digest& hash) = 0;
  // Through memory to the store. Null: there is none.
  virtual Result<Shared> get(const Key& key, const Digest& hash, Deadline deadline) = 0;
  // Entries of other participants, as far as the regulator lets them be kept. Null: not kept.
  virtual Shared foreign(const Digest& hash) = 0;
  virtual void keep_foreign(const Digest& hash, Shared entry, std::string_view cache_control,
                            std::chrono::seconds age) = 0;
};

class Lookups {
 public:
  // `memory` may be null: then every look-up goes to the store.
  Lookups(Store& store, EntryMemory* memory, Registry& registry, LookupLog& log, const Clock& clock,
          const Secret& installation_key);

  std::optional<Result<LookupAnswer>> cached(const Context& context, const LookupRequest& request);
  Result<LookupAnswer> lookup(const Context& context, const LookupRequest& request);

 private:
  using Shared = EntryMemory::Shared;
  struct Asked {
    const Context& context;
    const LookupRequest& request;
    const Digest& hash;  // of the key
    Digest payer_hash;   // zeros where there is none
  };

  Digest payer_hash_of(const LookupRequest& request) const;
  Result<void> admitted(const Context& context, const LookupRequest& request) const;
  Result<Shared> from_base(const Asked& asked);
  Result<Shared> from_registry(const Asked& asked, LookupSource& source);
  // Writes the record, then makes the answer: a look-up that cannot be recorded is not answered.
  Result<LookupAnswer> recorded(const Asked& asked, Result<Shared> found, LookupSource source);

  Store& store_;
  EntryMemory* memory_;
  Registry& registry_;
  LookupLog& log_;
  const Clock& clock_;
  HmacKey installation_key_;
};

}  // namespace chaveiro::directory
