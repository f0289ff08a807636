// cache/entry.h
//
// How an entry lies in memory:
//
//   entry  = deadline(4) state(4) sizes(4) key pad8 [extras] value
//   sizes  = key bytes (12 bits) | value bytes (20 bits)
//   state  = use (21 bits, see reuse.h) | flags
//   value  = the bytes, or {pointer, bytes} where flag `boxed` is set
//
// Twelve bytes stand before the key, always, so that a look-up compares it without a further look at the state; extras exist
// only in entries that use them. Everything but deadline and state is immutable from the moment the entry can be found until no reader can see it any more.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace chaveiro::cache {

using Ref = std::uint32_t;  // place in a shard's arena, in steps of 8 bytes; 0: none

struct Extras {
  std::uint32_t soft_deadline = 0;  // tick from which the value is stale
  std::uint32_t slide = 0;          // ticks that each use adds anew
  std::uint32_t weight = 0;         // bytes charged beyond what is measured
  std::uint32_t stamp = 0;          // sequence of tag invalidations when it was stored
  std::uint16_t tags[4] = {};       // cells; 0: none
};

struct Box {
  void* object = nullptr;
  std::uint64_t bytes = 0;
};

struct Entry {
  enum Flag : std::uint32_t {
    live = 1U << 21,
    pinned = 1U << 22,
    extras = 1U << 23,
    boxed = 1U << 24,
    sliding = 1U << 25,
    tagged = 1U << 26,
    softened = 1U << 27,
    endless = 1U << 28,
  };
  static constexpr std::size_t key_at = 12;
  static constexpr std::size_t key_max = 1984;
  static constexpr std::size_t inline_max = 2048;  // larger entries keep their value outside, in a box

  std::atomic<std::uint32_t> deadline;  // in a free slot: the next free one
  std::atomic<std::uint32_t> state;
  std::uint32_t sizes;

  static constexpr std::size_t bytes_for(std::size_t key, std::size_t value, bool with_extras) {
    return after_key(key) + (with_extras ? sizeof(Extras) : 0) + ((value + 7) & ~std::size_t{7});
  }
  static constexpr std::size_t after_key(std::size_t key) { return (key_at + key + 7) & ~std::size_t{7}; }
  std::uint32_t flags() const { return state.load(std::memory_order_relaxed); }
  std::size_t key_bytes() const { return sizes & 0xFFF; }
  std::size_t value_bytes() const { return sizes >> 12; }
  const char* at(std::size_t offset) const { return reinterpret_cast<const char*>(this) + offset; }
  char* at(std::size_t offset) { return reinterpret_cast<char*>(this) + offset; }
  std::string_view key() const { return {at(key_at), key_bytes()}; }
  // `key`: its bytes, where they are known.
  std::size_t value_at(std::uint32_t flags, std::size_t key) const {
    if ((flags & extras) != 0) [[unlikely]]
      return after_key(key) + sizeof(Extras);
    return after_key(key);
  }
  std::string_view value(std::uint32_t flags) const { return {at(value_at(flags, key_bytes())), value_bytes()}; }
  Extras more() const {
    Extras copy;
    std::memcpy(&copy, at(after_key(key_bytes())), sizeof copy);
    return copy;
  }
  Box box(std::uint32_t flags) const {
    Box copy;
    std::memcpy(&copy, value(flags).data(), sizeof copy);
    return copy;
  }
  // Ticks wrap after 497 days; differences up to half of that are told right.
  bool expired(std::uint32_t flags, std::uint32_t tick) const {
    if (static_cast<std::int32_t>(tick - deadline.load(std::memory_order_relaxed)) < 0) [[likely]]
      return false;
    return (flags & endless) == 0;
  }
};
static_assert(sizeof(Entry) == 12);

// The value's bytes, wherever they lie.
inline std::string_view content(const Entry& entry, std::uint32_t flags) {
  if ((flags & Entry::boxed) == 0) [[likely]]
    return entry.value(flags);
  const Box box = entry.box(flags);
  return {static_cast<const char*>(box.object), box.bytes};
}

}  // namespace chaveiro::cache
