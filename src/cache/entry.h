// cache/entry.h
//
// How an entry lies in memory:
//
//   entry  = deadline(4) used(4) shape(4) key pad8 [extras] value
//   used   = what the policy remembers (see use.h), but for `kept`, which is a flag
//   shape  = key bytes (11 bits) | value bytes (12 bits) | flags (9 bits)
//   value  = the bytes, or {pointer, bytes} where flag `boxed` is set
//
// Twelve bytes stand before the key, always, so that a look-up compares it without a further look at the shape; extras exist
// only in entries that use them. From the moment the entry can be found until no reader can see it any more, this changes: deadline
// (sliding entries) and used, by plain stores of readers, of which the last one holds; and the flags `live` (cleared by the writer) and `kept`.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "cache/use.h"

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
    live = 1U << 23,
    kept = 1U << 24,
    pinned = 1U << 25,
    extras = 1U << 26,
    boxed = 1U << 27,
    sliding = 1U << 28,
    tagged = 1U << 29,
    softened = 1U << 30,
    endless = 1U << 31,
  };
  static constexpr std::uint32_t key_bits = 11, value_bits = 12;
  static constexpr std::size_t key_at = 12;
  static constexpr std::size_t key_max = 1984;
  static constexpr std::size_t inline_max = 2048;  // larger entries keep their value outside, in a box

  std::atomic<std::uint32_t> deadline;  // in a free slot: the next free one
  std::atomic<std::uint32_t> used;
  std::atomic<std::uint32_t> shape;

  static constexpr std::size_t bytes_for(std::size_t key, std::size_t value, bool with_extras) {
    return after_key(key) + (with_extras ? sizeof(Extras) : 0) + ((value + 7) & ~std::size_t{7});
  }
  static constexpr std::size_t after_key(std::size_t key) { return (key_at + key + 7) & ~std::size_t{7}; }
  std::uint32_t flags() const { return shape.load(std::memory_order_relaxed); }
  static std::uint32_t sizes(std::size_t key, std::size_t value) {
    return static_cast<std::uint32_t>(key | value << key_bits);
  }
  static std::size_t key_bytes(std::uint32_t shape) { return shape & ((1U << key_bits) - 1); }
  static std::size_t value_bytes(std::uint32_t shape) { return shape >> key_bits & ((1U << value_bits) - 1); }
  std::size_t key_bytes() const { return key_bytes(flags()); }
  std::size_t value_bytes() const { return value_bytes(flags()); }
  Use use(std::uint32_t flags) const {
    return {used.load(std::memory_order_relaxed) | ((flags & kept) != 0 ? Use::kept_bit : 0)};
  }
  void use(Use now) { used.store(now.bits & ~Use::kept_bit, std::memory_order_relaxed); }
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
static_assert(Entry::key_max < 1U << Entry::key_bits && Entry::inline_max < 1U << Entry::value_bits);

// The value's bytes, wherever they lie.
inline std::string_view content(const Entry& entry, std::uint32_t flags) {
  if ((flags & Entry::boxed) == 0) [[likely]]
    return entry.value(flags);
  const Box box = entry.box(flags);
  return {static_cast<const char*>(box.object), box.bytes};
}

}  // namespace chaveiro::cache
