// app/record_cache.h
//
// Entries, accounts and claims in the cache, in front of the store: read on a miss, written through by every commit, under the keys and
// for the times of cache/keys.h. Beside them, apart, what the regulator lets be kept of other participants' entries, and that keys exist.
//
// An entry is kept once, packed, under its key; under its id stands that key (or the whole of an entry that is deleted and has none).
//
// A read that begins after a change was answered sees that change or a newer one: commits reach the cache before their callers are
// answered, and a read of the store that began before a commit cannot bring back what it found (cache/tiered.h). A write to
// the cache that fails leaves nothing of the record in it.
//
// Threads: any number at once; committed() and forget() by the store's writer, tick() by one worker.
// Time:    peek() a few hundred nanoseconds; the others one read of the store on a miss.
// Errors:  make(): forbidden "RegulatorForbids", naming the rule; reads: those of the store.
#pragma once

#include <memory>
#include <span>

#include "base/log.h"
#include "base/metrics.h"
#include "cache/keys.h"
#include "cache/regulated.h"
#include "cache/shared_budget.h"
#include "cache/tiered.h"
#include "directory/change.h"
#include "directory/lookups.h"
#include "directory/reads.h"

namespace chaveiro::app {

struct RecordCacheOptions {
  bool memory = true;                  // false: slower levels only
  std::size_t bytes_max = 100u << 20;  // of memory, for all of them together, shared by use
  Micros memory_ttl_max{0};            // nothing stays longer in memory; 0: as long as its own time
  bool l3_shared = false;              // the third level is one that all nodes write
  cache::KeyTimes times;
  cache::PersonalKeys personal = cache::PersonalKeys::hidden;
};

// What it works with; borrowed, and outliving it.
struct RecordCacheParts {
  directory::Reads& store;
  const Secret& installation_key;  // the one that look-ups name keys with
  const Clock& clock;
  Registry& metrics;
  Logger log = {};
  cache::Tier* l2 = nullptr;
  cache::Tier* l3 = nullptr;
};

class RecordCache final : public directory::EntryMemory, public directory::Reads {
 public:
  static Result<std::unique_ptr<RecordCache>> make(const RecordCacheOptions& options, const RecordCacheParts& parts);
  ~RecordCache() override;

  // For look-ups.
  void expect(const directory::Key& key, const directory::Digest& hash) override;
  std::optional<Shared> peek(const directory::Key& key, const directory::Digest& hash) override;
  Result<Shared> get(const directory::Key& key, const directory::Digest& hash, Deadline deadline) override;
  Shared foreign(const directory::Digest& hash) override;
  void keep_foreign(const directory::Digest& hash, Shared entry, std::string_view cache_control,
                    std::chrono::seconds age) override;

  // For everything else that is shown.
  Result<std::optional<directory::Entry>> live_entry(const directory::Key& key, Deadline deadline) override;
  Result<std::optional<directory::Entry>> entry(const directory::EntryId& id, Deadline deadline) override;
  Result<std::optional<directory::Account>> account(const directory::AccountId& id, Deadline deadline) override;
  Result<std::optional<directory::Claim>> claim(const directory::ClaimId& id, Deadline deadline) override;
  Result<std::optional<directory::ClaimStatus>> claim_status(const directory::ClaimId& id, Deadline deadline);
  // The claim that is open on an entry.
  Result<std::optional<directory::ClaimId>> open_claim_of(const directory::EntryId& id, Deadline deadline);

  // For Store::on_commit and Store::on_forget.
  void committed(std::uint64_t sequence, const directory::Change& change);
  void forget();
  // Hears what either of them changed, after our own levels were told: for the other nodes (cache/invalidator.h). Set once, before the
  // first commit; it must not wait.
  using Tell = std::function<void(std::span<const cache::Invalidation>)>;
  void tell_others(Tell tell) { tell_ = std::move(tell); }
  // The same of what somebody made our caches forget by hand.
  void tell(const cache::Invalidation& one) {
    if (tell_) tell_({&one, 1});
  }
  // Another process has committed: what memory has of this key from before `version` is forgotten. Levels that are shared were told
  // by that process.
  void changed_elsewhere(const directory::Key& key, std::uint64_t version);
  // The same of a record as it is now.
  void changed_elsewhere(const directory::Write& write);
  void forget_elsewhere(cache::Forget what);
  // Every 10 to 100 ms. `shared`: another process changes the store too, and we are not told; then everything is forgotten, so that
  // nothing is served that is older than one tick.
  void tick(bool shared);

  // Brings an entry in, under its key, ahead of need. True: it was not there.
  Result<bool> warm(const directory::Key& key, Deadline deadline);

  // That keys exist anywhere: claims tell it, and checkKeys. For services inside only.
  cache::ExistenceCache& existence() { return *existence_; }

  const cache::KeyBuilder& keys() const { return keys_; }
  const cache::Catalogue& catalogue() const { return catalogue_; }

 private:
  using Entries = cache::Tiered<directory::Entry>;
  using Names = cache::Tiered<std::string>;  // the key of an entry by its id
  using Accounts = cache::Tiered<directory::Account>;
  using Claims = cache::Tiered<directory::Claim>;
  using States = cache::Tiered<std::string>;  // status of a claim, claim of an entry
  using Foreign = cache::ForeignAnswers<directory::Entry>;

  class ById;
  RecordCache(const RecordCacheOptions& options, const RecordCacheParts& parts);
  Result<void> build(const RecordCacheOptions& options, const RecordCacheParts& parts);

  Result<cache::Answer<directory::Entry>> by_key(const std::string& name, const directory::Key& key, Deadline deadline);
  using News = std::vector<cache::Invalidation>;
  void changed(const directory::Entry& entry, std::uint64_t sequence, News& news);
  void changed(const directory::Account& account, std::uint64_t sequence, News& news);
  void changed(const directory::Claim& claim, std::uint64_t sequence, News& news);
  void clear(News& news);
  template <class Fn>
  void each(Fn fn);

  directory::Reads& store_;
  const cache::KeyBuilder keys_;
  std::unique_ptr<Entries> entries_;  // by key
  std::unique_ptr<Names> names_;
  std::unique_ptr<Accounts> accounts_;
  std::unique_ptr<Claims> claims_;
  std::unique_ptr<States> states_;
  std::unique_ptr<Foreign> foreign_;  // null: nothing of others is kept
  std::unique_ptr<cache::ExistenceCache> existence_;
  std::unique_ptr<ById> by_id_;
  cache::Catalogue catalogue_;
  Tell tell_;                                  // none: there are no others
  std::optional<cache::SharedBudget> budget_;  // of the memory; none where nothing is kept in it
};

}  // namespace chaveiro::app
