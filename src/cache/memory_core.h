// cache/memory_core.h
//
// The memory level over bytes: shards, time, policy, statistics. cache::Memory (cache/memory.h) gives it types; use that.
//
// Threads: any.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "cache/store.h"

namespace chaveiro::cache {

struct MemoryOptions {
  std::size_t bytes = std::size_t{100} << 20;  // bound on everything measured; at least 64 KiB
  std::size_t bytes_max = 0;                   // what resize() may reach; 0: four times `bytes`
  std::size_t entries = 0;                     // also bound on entries; 0: none
  Micros ttl = std::chrono::minutes{5};        // for entries that bring none; 0: for ever. At most 200 days
  double jitter = 0.1;       // share of the time to live that is taken off at random; 0: none, at most 1
  bool sliding = false;      // each use begins the time to live anew
  Micros soft_ttl{0};        // from then on a read is told that the value is stale; 0: never
  std::uint32_t shards = 0;  // power of two; 0: by size (one for each 16 MiB, at most 16)
  std::uint64_t seed = 0;    // of the hash; 0: random
};

struct PutOptions {
  std::optional<Micros> ttl = {};       // 0: for ever
  std::optional<Micros> soft_ttl = {};  // 0: never stale
  std::optional<bool> sliding = {};
  bool pinned = false;       // never thrown out for room (at most half of the budget); its deadline holds
  std::uint32_t weight = 0;  // bytes to charge beyond what is measured
  std::span<const std::string_view> tags = {};  // at most four
};

struct MemoryStats {
  std::uint64_t hits = 0, misses = 0, inserts = 0;
  std::uint64_t expired = 0, evicted = 0, replaced = 0, removed = 0, cleared = 0;
  std::uint64_t refused = 0;    // too large, or no room
  std::uint64_t comebacks = 0;  // misses of keys that were thrown out not long ago: a larger cache would have had them
  std::size_t entries = 0;
  std::size_t bytes = 0;  // everything measured that the budget bounds
  std::size_t tables =
      0;  // of the policy, beside the budget: about 100 KB, and 9 KB for each thread that reads; they do not grow
  std::size_t payload = 0;  // keys and values in it
  std::size_t ghosts = 0;   // of those that were thrown out, how many are remembered
};

// What a larger memory would do, as its ghosts tell.
struct Advice {
  double hit_ratio = 0;         // now
  double hit_ratio_larger = 0;  // with bytes_larger
  std::size_t bytes_larger = 0;
  std::size_t bytes_advised = 0;  // bytes_larger if that brings a hundredth or more, else what there is
};

class MemoryCore {
 public:
  using Told = std::function<void(const Entry&, Cause)>;

  MemoryCore(MemoryOptions options, const Clock& clock, void (*drop)(Box), Told told);

  [[gnu::always_inline]] std::uint64_t hash(std::string_view key) const { return hash_bytes(key, seed_); }

  struct Found {
    const Entry* entry;  // null: a miss
    std::uint32_t flags;
    bool plain;  // nothing stands between key and value
  };
  // The entry that holds now. Inside a Section or a Glance. `equal`: all keys have the same size.
  template <bool equal = false>
  [[gnu::always_inline]] Found look(std::string_view key, std::uint64_t hash, const Epochs::Reader& reader) {
    return settle(store(hash).find<equal>(key, hash), hash, reader);
  }
  // The two halves of look(): to find it, and to see whether it holds.
  template <bool equal = false>
  [[gnu::always_inline]] const Entry* find(std::string_view key, std::uint64_t hash) const {
    return store(hash).find<equal>(key, hash);
  }
  [[gnu::always_inline]] Found settle(const Entry* entry, std::uint64_t hash, const Epochs::Reader& reader) {
    ReuseModel::Tally& tally = model_.tally(reader);
    if (entry != nullptr) [[likely]] {
      const std::uint32_t flags = entry->flags();
      const std::uint32_t used = entry->used.load(std::memory_order_relaxed);
      if (!entry->expired(flags, now())) [[likely]] {
        const bool plain = (flags & special) == 0;
        if ((plain && ((used ^ model_.now()) & Use::time_mask) == 0) ||
            heed(const_cast<Entry&>(*entry), flags, hash, reader)) {
          ReuseModel::count(reader, tally.hits);
          return {entry, flags, plain};
        }
      }
    }
    ReuseModel::count(reader, tally.misses);
    return {nullptr, 0, false};
  }
  // Most hits: the first candidate is the one, it holds, and this use of it tells the policy nothing new.
  template <bool equal = false>
  [[gnu::always_inline]] const Entry* first(std::string_view key, std::uint64_t hash) const {
    return store(hash).first<equal>(key, hash);
  }
  [[gnu::always_inline]] bool as_before(const Entry& entry) const {
    return static_cast<std::int32_t>(now() - entry.deadline.load(std::memory_order_relaxed)) < 0 &&
           (entry.flags() & special) == 0 &&
           ((entry.used.load(std::memory_order_relaxed) ^ model_.now()) & Use::time_mask) == 0;
  }
  [[gnu::always_inline]] void count_hit(const Epochs::Reader& quick) {
    ReuseModel::count_own(model_.tally(quick).hits);
  }
  bool stale(const Entry& entry) const {
    return (entry.flags() & Entry::softened) != 0 && static_cast<std::int32_t>(now() - entry.more().soft_deadline) >= 0;
  }
  std::optional<Micros> left(const Entry& entry) const;  // none: for ever
  void prefetch_line(std::uint64_t hash) const { __builtin_prefetch(store(hash).line_of(hash)); }
  void prefetch_entry(std::uint64_t hash) const {
    if (const Entry* entry = store(hash).guess(hash)) {
      __builtin_prefetch(entry);
      __builtin_prefetch(entry->at(64));
    }
  }

  Stored put(std::string_view key, std::string_view value, Box box, const PutOptions& options);
  bool remove(std::string_view key);
  void invalidate(std::string_view tag);
  void clear();
  void resize(std::size_t bytes, std::size_t entries);
  void tick();

  // each(entry, flags) for what holds now, one shard after the other, under its lock.
  template <class Each>
  void for_each(Each each) const {
    for (const auto& shard : shards_) {
      const std::scoped_lock lock(shard->lock());
      shard->for_each([&](const Entry& entry, std::uint32_t flags) {
        if (!entry.expired(flags, now()) && ((flags & Entry::tagged) == 0 || !invalidated(entry))) each(entry, flags);
      });
    }
  }

  MemoryStats stats() const;
  Advice advise() const;
  void validate() const;
  std::size_t value_max() const { return options_.bytes / shards_.size() / 8; }

 private:
  static constexpr std::uint32_t special = Entry::tagged | std::uint32_t{Entry::sliding} | Entry::extras;
  static constexpr Micros tick_length = std::chrono::milliseconds{10};
  // One for each 256 bytes of the budget, in these bounds; of memory from the first tag on.
  static constexpr std::size_t tag_cells_min = 256, tag_cells_max = 65'536;

  std::uint32_t now() const { return tick_.load(std::memory_order_relaxed); }
  Store& store(std::uint64_t hash) const { return *direct_[hash >> (64 - Store::shard_bits_max)]; }
  bool invalidated(const Entry& entry) const;
  void make_tags();
  void share_room();
  std::size_t tag_bytes() const {
    return tags_.load(std::memory_order_acquire) == nullptr ? 0 : tag_cells_ * sizeof(std::uint32_t);
  }
  std::uint16_t cell_of(std::string_view tag) const {
    return static_cast<std::uint16_t>(1 + hash(tag) % (tag_cells_ - 1));
  }
  // Of an entry that was found, what is not the same at every hit: tags, sliding, the time of use. False: its tag was invalidated.
  bool heed(Entry& entry, std::uint32_t flags, std::uint64_t hash, const Epochs::Reader& reader);
  std::uint32_t ticks(Micros duration) const;
  template <class Change>
  auto changing(Store& store, Store::Telling telling, Change change);

  // Read by every look-up, written (nearly) never.
  std::array<Store*, 1 << Store::shard_bits_max> direct_{};
  HashSeed seed_;
  alignas(64) std::atomic<std::uint32_t> tick_{0};
  ReuseModel model_;
  std::vector<std::unique_ptr<Store>> shards_;
  MemoryOptions options_;
  const Clock& clock_;
  SteadyTime start_;
  Told told_;
  std::atomic<std::uint32_t> tag_sequence_{0};
  std::atomic<std::uint64_t> dice_{0};
  const std::size_t tag_cells_;
  mutable std::mutex room_;  // for the next three
  std::size_t bytes_now_ = 0, entries_now_ = 0;
  std::unique_ptr<std::atomic<std::uint32_t>[]> tags_owner_;
  std::atomic<std::atomic<std::uint32_t>*> tags_{nullptr};  // null: nothing has had a tag yet
};

}  // namespace chaveiro::cache
