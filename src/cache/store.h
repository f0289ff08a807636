// cache/store.h
//
// One shard of the memory level: entries, their index, their deadlines and the memory of all that. It stays below its budget
// of bytes, all counted: slots (also free ones of opened pages, and those that readers may still see), index, ghosts, boxes,
// declared weights.
//
// Threads: find() any, inside a Section. Everything else under lock().
// Time:    find O(1), lock-free and without a write; put O(1) amortised.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "cache/ghosts.h"
#include "cache/hash.h"
#include "cache/index.h"
#include "cache/reuse.h"
#include "cache/wheel.h"

namespace chaveiro::cache {

enum class Cause : std::uint8_t { expired, evicted, replaced, removed, cleared };
enum class Stored : std::uint8_t {
  fresh,      // the key was not there
  replaced,   // it was; its old value is gone
  too_large,  // key above 1,984 bytes, or entry above an eighth of the shard's budget; an old value is gone
  full,  // no room could be made (pinned entries, or readers that hold on to what was removed); an old value is gone
};

struct Item {
  std::string_view key;
  std::string_view value;  // or
  Box box;                 // …with an object; the store owns it from then on, whatever put() answers
  std::uint32_t ttl = 0;   // ticks; 0: for ever
  std::uint32_t soft = 0;  // ticks; 0: none
  bool sliding = false, pinned = false;
  std::uint32_t weight = 0;
  std::uint16_t tags[4] = {};
  std::uint32_t stamp = 0;
};

class Store {
 public:
  struct Settings {
    std::size_t bytes;
    std::size_t bytes_max;    // what resize() may reach
    std::size_t entries = 0;  // 0: only bytes bound
    HashSeed seed;
    std::uint32_t shard_bits = 0;  // how many of the hash chose this shard
    void (*drop)(Box) = nullptr;
    bool notify = false;
  };
  // What is told of an entry that was unlinked: where it lies, which holds while the one who tells stays in a Section; or a copy, where its
  // room is wanted at once. A copy has its box to itself until told() gives that back.
  enum class Telling : std::uint8_t { in_place, by_copy };
  struct Gone {
    const Entry* entry;
    std::unique_ptr<std::uint64_t[]> copy;
    Cause cause;
  };
  struct Counters {
    std::uint64_t by_cause[5] = {};
    std::uint64_t refused = 0, comebacks = 0;
  };

  Store(Settings settings, ReuseModel& model, const std::atomic<std::uint32_t>& tick);
  ~Store();

  std::mutex& lock() { return mutex_; }

  // The upper bits of a hash choose the shard, at most so many; the index goes by those below.
  static constexpr std::uint32_t shard_bits_max = 4;

  // `equal`: all keys have the same size. The first candidate is nearly always the one; the rest of the search is elsewhere.
  template <bool equal = false>
  [[gnu::always_inline]] const Entry* find(std::string_view key, std::uint64_t hash) const {
    const Index::Line& home = index_.home(hash << shard_bits_max);
    const std::uint32_t hits = home.places_of(Index::tag(hash << shard_bits_max));
    if (hits != 0) [[likely]] {
      const Entry* const entry = candidate<equal>(home, hits, key);
      if (entry != nullptr) [[likely]]
        return entry;
    } else if (!home.passed()) {
      return nullptr;
    }
    return search(key, hash);
  }
  // The first candidate if it is the one, else null: find() knows.
  template <bool equal = false>
  [[gnu::always_inline]] const Entry* first(std::string_view key, std::uint64_t hash) const {
    const Index::Line& home = index_.home(hash << shard_bits_max);
    const std::uint32_t hits = home.places_of(Index::tag(hash << shard_bits_max));
    return hits != 0 ? candidate<equal>(home, hits, key) : nullptr;
  }
  const Entry* search(std::string_view key, std::uint64_t hash) const;
  const void* line_of(std::uint64_t hash) const { return &index_.home(hash << shard_bits_max); }
  // The first candidate's entry, for prefetching.
  const Entry* guess(std::uint64_t hash) const {
    const Ref ref = index_.find(hash << shard_bits_max, [](Ref) { return true; });
    return ref == 0 ? nullptr : arena_.at<Entry>(ref);
  }

  Stored put(const Item& item, std::uint64_t hash, const Epochs::Reader& writer);
  bool remove(std::string_view key, std::uint64_t hash, Cause cause);
  void clear();
  void resize(std::size_t bytes, std::size_t entries, const Epochs::Reader& writer);
  void expire(std::uint32_t pages_max);  // gives back what the deadlines allow

  // Only with Settings::notify: what is unlinked from now on, until the next call, and what was since the last.
  void begin_telling(Telling telling) { telling_ = telling; }
  std::vector<Gone> take_gone() { return std::exchange(gone_, {}); }
  static bool holds_boxes(const std::vector<Gone>& gone);
  void told(const std::vector<Gone>& gone);

  std::size_t entries() const { return entries_; }
  std::size_t bytes() const {
    return arena_.bytes() + index_.bytes() + ghosts_.bytes() + wheel_.bytes() + outside_ + leaving_ +
           (field_.capacity() + chosen_.capacity()) * sizeof(Candidate);
  }
  std::size_t payload() const { return payload_; }
  std::size_t ghosts() const { return ghosts_.count(); }
  void kept_one_more() { kept_by_readers_.fetch_add(1, std::memory_order_relaxed); }
  const Counters& counters() const { return counters_; }
  // Calls each(entry, flags) for every live entry.
  template <class Each>
  void for_each(Each each) const {
    index_.for_each([&](Ref ref) {
      const Entry* entry = arena_.at<Entry>(ref);
      each(*entry, entry->flags());
    });
  }
  // CHECKs every invariant: index against slots, bytes against their sum, wheel against deadlines.
  void validate() const;

 private:
  static constexpr std::uint32_t sweep = 16;       // residents weighed for each one thrown out, in small caches
  static constexpr std::uint32_t sweep_large = 6;  // and in large ones, where many are thrown out at a time
  static constexpr std::size_t large = 16'384;     // entries
  static constexpr std::uint32_t pool_max = 32;
  static constexpr std::uint32_t batch_max = 256;
  static constexpr std::uint32_t slots_ahead = 8, lines_ahead = 4;  // evictions before which those are asked for
  struct Candidate {
    Ref ref = 0;
    float worth = 0;
  };
  struct Limbo {
    Ref ref;
    Box box;
    void* directory;
    std::uint64_t stamp;
  };

  template <bool equal = false>
  [[gnu::always_inline]] static bool same(const Entry& entry, std::string_view key) {
    return (equal || entry.key_bytes() == key.size()) && equal_bytes(entry.at(Entry::key_at), key.data(), key.size());
  }
  template <bool equal>
  [[gnu::always_inline]] const Entry* candidate(const Index::Line& line, std::uint32_t hits,
                                                std::string_view key) const {
    const Ref ref = line.refs[static_cast<std::uint32_t>(__builtin_ctz(hits))].load(std::memory_order_acquire);
    const Entry* const entry = index_.at(ref);
    if (!equal) __builtin_prefetch(entry->at(64));  // its lines come together, not one after the other
    return ref != 0 && same<equal>(*entry, key) ? entry : nullptr;
  }
  std::uint64_t hash_of(const Entry& entry) const { return hash_bytes(entry.key(), settings_.seed); }
  std::size_t weight_of(const Entry& entry, std::uint32_t flags) const;

  Ref allocate(std::size_t bytes, bool may_evict, const Epochs::Reader& writer);
  bool over(std::size_t more) const { return bytes() + more > settings_.bytes; }
  bool wait_for_readers(std::uint32_t slot, Ref& ref);
  void tell(const Entry& entry, Box box, Cause cause);
  Ref write(const Item& item, std::size_t bytes, bool with_extras, Use use, const Epochs::Reader& writer);
  void link(Ref ref, std::uint64_t hash, const Epochs::Reader& writer);
  void unlink(Ref ref, std::uint64_t hash, Cause cause);
  void retire(Ref ref, Box box, void* directory);
  void reclaim(bool stamp);
  void schedule(Ref ref);
  void expire_page(std::uint32_t page);
  void empty_cleared(std::uint32_t pages_max);
  void refresh_pool();
  void heed_policy();
  void offer(Ref ref, float worth);
  bool valid(Ref ref) const;
  std::uint32_t wheel_time(std::uint32_t deadline) const;
  bool evict_one(const Epochs::Reader& writer);
  bool evict_next(const Epochs::Reader& writer);
  void choose(const Epochs::Reader& writer);
  void forget_chosen();
  void make_room_ahead(std::uint32_t slot, const Epochs::Reader& writer);
  void prefetch_slot(Ref ref) const;
  void prefetch_lines(Ref ref) const;
  std::size_t batch() const { return std::clamp<std::size_t>(entries_ / 256, 1, batch_max); }
  bool evict_page(const Epochs::Reader& writer);
  template <class Weighed>
  void look_around(const Epochs::Reader& writer, std::uint32_t count, Weighed weighed);
  float worth(const Entry& entry, std::uint32_t flags, bool too_many_kept) const {
    std::size_t bytes = 12 + Entry::key_bytes(flags) + Entry::value_bytes(flags);
    if ((flags & (Entry::extras | std::uint32_t{Entry::boxed})) != 0) bytes += weight_of(entry, flags);
    return model_.worth(entry.use(flags), too_many_kept) / static_cast<float>(bytes);
  }
  float worth(const Entry& entry, std::uint32_t flags) const { return worth(entry, flags, too_many_kept()); }
  bool too_many_kept() const { return kept() > keep_limit(entries_); }
  std::size_t kept() const { return kept_ + kept_by_readers_.load(std::memory_order_relaxed); }

  // What look-ups read, on lines that writers leave alone.
  Arena arena_;
  alignas(128) Index index_;
  const std::atomic<std::uint32_t>& tick_;

  // Under the lock.
  alignas(128) std::mutex mutex_;
  std::atomic<std::size_t> kept_by_readers_{0};
  std::size_t kept_ = 0;  // with those: entries whose use says kept
  Settings settings_;
  ReuseModel& model_;
  Ghosts ghosts_;
  Wheel wheel_;
  std::vector<std::uint32_t> due_;      // pages whose time has come and that wait to be looked through
  std::vector<std::uint32_t> cleared_;  // detached pages whose entries are still to be given back
  std::deque<Limbo> limbo_;
  std::size_t unstamped_ = 0;  // at the end of limbo_
  Candidate pool_[pool_max] = {};
  std::uint32_t pooled_ = 0;
  bool pool_keeping_ = true;       // weighed under which policy
  float pool_worst_ = 0;           // of a full pool: nothing worth more is looked at twice
  std::vector<Candidate> field_;   // of choose(): what it left over, worth least of what it has seen
  std::vector<Candidate> chosen_;  // who goes in a large cache, from next_ on
  // Up to where the memory has been asked for slots, and for lines of index and ghosts.
  std::size_t next_ = 0, asked_ = 0, lines_asked_ = 0;
  bool chosen_too_many_ = false;  // the order under which they were weighed
  std::uint32_t hand_page_ = 1, hand_slot_ = 0;
  std::size_t entries_ = 0, payload_ = 0, outside_ = 0, pinned_ = 0;
  std::size_t leaving_ = 0;       // of boxes in limbo_
  std::uint64_t waited_for_ = 0;  // stamp of what readers held back when waiting for them was in vain
  std::uint64_t puts_ = 0;
  std::uint32_t last_tick_ = 0;
  std::uint64_t ticks_ = 0;  // like tick_, without wrapping
  Counters counters_;
  Telling telling_ = Telling::in_place;
  std::vector<Gone> gone_;
};

}  // namespace chaveiro::cache
