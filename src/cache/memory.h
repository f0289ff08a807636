// cache/memory.h
//
// The memory level of the cache: a bounded map in this process, made for reading. It never holds more than `bytes`, everything
// counted (keys, values, metadata, index), and gives the room to the entries from which it expects most hits (cache/reuse.h).
//
// It promises: a read answers the latest value that was put before the read began or one put meanwhile, or a miss; never a
// removed, expired or half-written one. An entry may leave at any moment for room; a removal or a new value is seen by every
// read that begins after remove() or put() has returned. The time to live is kept to one tick of the clock word (see tick()).
//
//   Memory<std::string, std::string> cache({.bytes = 64 << 20}, clock);
//   cache.put("key", "value", {.ttl = 30s});
//   if (auto value = cache.get("key")) use(*value);
//
// Keys: std::string, or a trivially copyable type without padding; at most 1,984 bytes. Values: std::string and trivially
// copyable types lie in the entry; others (move-only too) are kept beside it and read under a View. The biggest entry is
// an eighth of a shard: value_max(). Metadata: 12 bytes an entry and about 8 of index, 2 to 16 of history.
//
// Threads: any, for everything. Reads take no lock and write nothing shared; writers of one shard take turns.
// Time:    get O(1), wait-free but for rare reuse of an index line; put O(1) amortised, a growing index costs one put some
//          tens of microseconds and no read anything; clear O(pages of 16 KiB); the rest O(1).
// Errors:  put() says what it did. Nothing throws except the constructor (no address space) and copying out of memory.
#pragma once

#include <concepts>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "cache/memory_core.h"

namespace chaveiro::cache {

template <class K>
concept MemoryKey =
    std::same_as<K, std::string> || (std::is_trivially_copyable_v<K> && std::has_unique_object_representations_v<K>);

template <class V>
struct ValueTraits {
  static constexpr bool text = std::same_as<V, std::string>;
  static constexpr bool flat = !text && std::is_trivially_copyable_v<V>;
  static constexpr bool boxed = !text && !flat;
  using Seen = std::conditional_t<text, std::string_view, const V&>;
};

// An entry's value, read where it lies. While it lives, what it shows does not change and is not freed, whatever happens to the
// key; hold it briefly: it keeps back the memory of everything that is removed meanwhile. Stays on its thread.
template <class V>
class View {
 public:
  explicit operator bool() const { return found_; }
  typename ValueTraits<V>::Seen operator*() const {
    if constexpr (ValueTraits<V>::boxed)
      return *static_cast<const V*>(object_);
    else if constexpr (ValueTraits<V>::text)
      return text_;
    else
      return flat_;
  }
  bool stale() const { return stale_; }                 // past its soft time to live
  std::optional<Micros> left() const { return left_; }  // time to live that remains; none: for ever

 private:
  template <MemoryKey K, class W>
  friend class Memory;
  struct Nothing {};
  View(MemoryCore& core, std::string_view key) {
    const auto [entry, flags, plain] = core.look(key, core.hash(key), section_.reader());
    if (entry == nullptr) return;
    found_ = true;
    stale_ = core.stale(*entry);
    left_ = core.left(*entry);
    const std::string_view bytes = content(*entry, flags);
    if constexpr (ValueTraits<V>::text)
      text_ = bytes;
    else if constexpr (ValueTraits<V>::boxed)
      object_ = bytes.data();
    else
      std::memcpy(&flat_, bytes.data(), sizeof(V));
  }
  Section section_;
  bool found_ = false, stale_ = false;
  std::string_view text_;
  const void* object_ = nullptr;
  std::conditional_t<ValueTraits<V>::flat, V, Nothing> flat_{};
  std::optional<Micros> left_;
};

template <MemoryKey K, class V>
class Memory {
  using Traits = ValueTraits<V>;

 public:
  using KeySeen = std::conditional_t<std::same_as<K, std::string>, std::string_view, const K&>;
  using Seen = typename Traits::Seen;
  // Called after the change, outside of locks, on the thread that caused it; it may call the cache.
  using Listener = std::function<void(KeySeen, Seen, Cause)>;

  explicit Memory(MemoryOptions options, const Clock& clock, Listener listener = nullptr)
      : core_(options, clock, &drop, listener ? tell(std::move(listener)) : MemoryCore::Told{}) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // Copies the value into `out`, whose memory is used again. True on a hit.
  bool get(KeySeen key, V& out)
    requires(!Traits::boxed)
  {
    const std::string_view bytes = bytes_of(key);
    if constexpr (in_place) {
      Epochs::Reader* const reader = Epochs::quick();
      if (reader != nullptr && Epochs::outside(*reader)) [[likely]] {
        Epochs::begin_quick(*reader);
        const std::uint64_t hash = core_.hash(bytes);
        const Entry* const entry = core_.template first<equal_keys>(bytes, hash);
        if (entry == nullptr || !core_.as_before(*entry)) [[unlikely]]
          return finish(bytes.data(), out, entry, hash, *reader);
        core_.count_hit(*reader);
        std::memcpy(&out, entry->at(Entry::after_key(sizeof(K))), sizeof(V));
        Epochs::end(*reader);
        return true;
      }
    }
    return get_guarded(bytes, out);
  }
  std::optional<V> get(KeySeen key)
    requires(std::copyable<V>)
  {
    const View<V> view = read(key);
    if (!view) return std::nullopt;
    return std::optional<V>(std::in_place, *view);
  }
  View<V> read(KeySeen key) { return View<V>(core_, bytes_of(key)); }
  // fn(Seen) with the value where it lies, as under a View; for those who need no more than the value. True on a hit.
  template <class Fn>
  bool peek(KeySeen key, Fn&& fn)
    requires(!Traits::flat)
  {
    Section section;
    const std::string_view bytes = bytes_of(key);
    const auto [entry, flags, plain] = core_.look<equal_keys>(bytes, core_.hash(bytes), section.reader());
    if (entry == nullptr) return false;
    if constexpr (Traits::text)
      fn(content(*entry, flags));
    else
      fn(*reinterpret_cast<const V*>(content(*entry, flags).data()));
    return true;
  }
  // A read of this key will follow: its line of the index is on its way from now on.
  void expect(KeySeen key) const {
    const Glance glance;
    core_.prefetch_line(core_.hash(bytes_of(key)));
  }
  // Reads all, their waits for memory overlapping. out[i] is written where the answer's bit i is set; at most 64 keys.
  std::uint64_t get_many(std::span<const K> keys, std::span<V> out)
    requires(!Traits::boxed)
  {
    constexpr std::size_t most = 64;
    const std::size_t count = std::min({keys.size(), out.size(), most});
    std::uint64_t hashes[most], found = 0;
    const Glance glance;
    for (std::size_t i = 0; i < count; ++i) core_.prefetch_line(hashes[i] = core_.hash(bytes_of(keys[i])));
    for (std::size_t i = 0; i < count; ++i) core_.prefetch_entry(hashes[i]);
    for (std::size_t i = 0; i < count; ++i) {
      if (copy(core_.look<equal_keys>(bytes_of(keys[i]), hashes[i], glance.reader()), out[i]))
        found |= std::uint64_t{1} << i;
    }
    return found;
  }

  Stored put(KeySeen key, V value, const PutOptions& options = {})
    requires(Traits::boxed)
  {
    return core_.put(bytes_of(key), {}, Box{new V(std::move(value)), sizeof(V) + 16}, options);
  }
  Stored put(KeySeen key, Seen value, const PutOptions& options = {})
    requires(!Traits::boxed)
  {
    if constexpr (Traits::text)
      return core_.put(bytes_of(key), value, {}, options);
    else
      return core_.put(bytes_of(key), {reinterpret_cast<const char*>(&value), sizeof(V)}, {}, options);
  }

  bool remove(KeySeen key) { return core_.remove(bytes_of(key)); }  // true: it was there
  // All entries that were put with this tag before now. O(1): they miss at once, their room comes back by eviction or deadline.
  // Tags share cells (one for each 256 bytes of the budget, at most 65,535): rarely, entries of another tag miss too.
  void invalidate(std::string_view tag) { core_.invalidate(tag); }
  void clear() { core_.clear(); }
  // New bounds, at once; bytes at most MemoryOptions::bytes_max. entries 0: none.
  void resize(std::size_t bytes, std::size_t entries = 0) { core_.resize(bytes, entries); }

  // Moves the coarse clock that deadlines are held against and gives expired memory back. Call it every 10 to 100 ms, from
  // anywhere: a value may be served that much longer than its time to live.
  void tick() { core_.tick(); }

  // fn(key, value) for each entry that holds, while writers of its shard wait: fn must be quick and not call the cache.
  template <class Fn>
  void for_each(Fn fn) const
    requires(std::same_as<K, std::string> && !Traits::flat)
  {
    core_.for_each([&](const Entry& entry, std::uint32_t flags) {
      if constexpr (Traits::boxed)
        fn(entry.key(), *reinterpret_cast<const V*>(content(entry, flags).data()));
      else
        fn(entry.key(), content(entry, flags));
    });
  }

  MemoryStats stats() const { return core_.stats(); }
  Advice advise() const { return core_.advise(); }
  std::size_t value_max() const { return core_.value_max(); }
  // CHECKs the invariants; no reader or writer is hindered longer than a look through its shard. For tests.
  void validate() const { core_.validate(); }

 private:
  static constexpr bool equal_keys = !std::same_as<K, std::string>;
  // No value is so large that it gets a box.
  static constexpr bool in_place =
      Traits::flat && equal_keys && Entry::bytes_for(sizeof(K), sizeof(V), true) <= Entry::inline_max;

  static std::string_view bytes_of(const std::string_view& key) { return key; }
  template <class T>
    requires(!std::convertible_to<const T&, std::string_view>)
  static std::string_view bytes_of(const T& key) {
    return {reinterpret_cast<const char*>(&key), sizeof(T)};
  }

  [[gnu::noinline]] bool get_guarded(std::string_view key, V& out) {
    const Glance glance;
    return copy(core_.look<equal_keys>(key, core_.hash(key), glance.reader()), out);
  }
  // What is left of a get() that did not go the short way to its end.
  [[gnu::noinline]] bool finish(const char* key, V& out, const Entry* entry, std::uint64_t hash,
                                Epochs::Reader& reader) {
    if (entry == nullptr) entry = core_.template find<equal_keys>({key, sizeof(K)}, hash);
    const bool hit = copy(core_.settle(entry, hash, reader), out);
    Epochs::end(reader);
    return hit;
  }
  [[gnu::always_inline]] static bool copy(MemoryCore::Found found, V& out) {
    const auto [entry, flags, plain] = found;
    if (entry == nullptr) return false;
    if constexpr (in_place) {
      if (plain) [[likely]] {
        std::memcpy(&out, entry->at(Entry::after_key(sizeof(K))), sizeof(V));
        return true;
      }
    }
    if constexpr (Traits::text)
      out.assign(content(*entry, flags));
    else if constexpr (in_place)
      std::memcpy(&out, entry->at(entry->value_at(flags, sizeof(K))), sizeof(V));
    else
      std::memcpy(&out, content(*entry, flags).data(), sizeof(V));
    return true;
  }
  static void drop(Box box) {
    if constexpr (Traits::boxed)
      delete static_cast<V*>(box.object);
    else
      ::operator delete(box.object);
  }
  static MemoryCore::Told tell(Listener listener) {
    return [listener = std::move(listener)](const Entry& entry, Cause cause) {
      const std::uint32_t flags = entry.flags();
      const auto with_key = [&](KeySeen key) {
        if constexpr (Traits::text)
          listener(key, content(entry, flags), cause);
        else if constexpr (Traits::boxed)
          listener(key, *reinterpret_cast<const V*>(content(entry, flags).data()), cause);
        else {
          V value;
          std::memcpy(&value, content(entry, flags).data(), sizeof value);
          listener(key, value, cause);
        }
      };
      if constexpr (std::same_as<K, std::string>)
        with_key(entry.key());
      else {
        K key;
        std::memcpy(&key, entry.key().data(), sizeof key);
        with_key(key);
      }
    };
  }

  MemoryCore core_;
};

}  // namespace chaveiro::cache
