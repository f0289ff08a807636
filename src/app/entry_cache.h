// app/entry_cache.h
//
// The entries of look-ups in memory, in front of the store: read on a miss, written through on every commit.
//
// A look-up that begins after a change was answered sees that change or a newer one: commits reach the cache before their callers are
// answered, and a read of the store that began before a commit cannot bring back what it found (cache/tiered.h).
//
// Threads: any number at once; tick() by one worker.
// Time:    peek() under a microsecond, most of it the copy of the entry; get() one read of the store on a miss.
#pragma once

#include <memory>

#include "base/log.h"
#include "base/metrics.h"
#include "cache/tiered.h"
#include "directory/change.h"
#include "directory/lookups.h"

namespace chaveiro::app {

struct EntryCacheOptions {
  std::size_t bytes_max = 100u << 20;      // of keys, entries and metadata
  Micros ttl = std::chrono::seconds{300};  // 0: nothing is kept
};

class EntryCache final : public directory::EntryMemory {
 public:
  static Result<std::unique_ptr<EntryCache>> make(const EntryCacheOptions& options, directory::Store& store,
                                                  const Clock& clock, Registry& metrics, Logger log);

  std::optional<std::optional<directory::Entry>> peek(const directory::Key& key) override;
  Result<std::optional<directory::Entry>> get(const directory::Key& key, Deadline deadline) override;

  // For Store::on_commit.
  void committed(std::uint64_t sequence, const directory::Change& change);
  // Every 10 to 100 ms. `shared`: another process changes the store too, and we are not told; then memory is emptied, so that nothing is
  // served that is older than one tick.
  void tick(bool shared);

 private:
  using Entries = cache::Tiered<directory::Entry>;
  EntryCache(std::unique_ptr<Entries> entries, directory::Store& store) : entries_(std::move(entries)), store_(store) {}
  std::unique_ptr<Entries> entries_;
  directory::Store& store_;
};

}  // namespace chaveiro::app
