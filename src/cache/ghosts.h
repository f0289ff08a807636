// cache/ghosts.h
//
// What was thrown out not long ago: 11 bits of hash and the policy's 21 bits, 4 bytes each, sixteen to a line of memory. A key
// that comes back gets its history back; a wrong match (16 in 2,048) only gives a stranger's.
//
// Threads: one at a time (it lies inside a shard's lock).
// Time:    every call O(1), one line of memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "cache/use.h"

namespace chaveiro::cache {

class Ghosts {
 public:
  // Room for as many as `residents` asks: four for one in a small cache, a quarter in a large one.
  void fit(std::size_t residents) {
    const std::size_t wanted = std::max(std::min(residents * 4, small), residents / 4);
    while (buckets_.size() * ways < wanted) grow();
  }
  std::optional<Use> take(std::uint64_t hash) {
    if (buckets_.empty()) return std::nullopt;
    Bucket& bucket = home(hash);
    if (!bucket.may_hold(mark(hash))) [[likely]]
      return std::nullopt;
    for (std::uint32_t i = 0; i < ways; ++i) {
      if (bucket.at(i) >> 21 != mark(hash)) continue;
      const Use use{bucket.at(i) & Use::mask};
      bucket.set(i, 0);
      --count_;
      return use;
    }
    return std::nullopt;
  }
  // The oldest of a full bucket makes room.
  void add(std::uint64_t hash, Use use, std::uint32_t now) {
    if (buckets_.empty()) return;
    Bucket& bucket = home(hash);
    const std::uint32_t place = bucket.oldest(now);
    count_ += bucket.at(place) == 0 ? 1 : 0;
    bucket.set(place, mark(hash) << 21 | use.bits);
  }
  // The next of an endless round over all of them.
  std::optional<Use> next() {
    if (buckets_.empty()) return std::nullopt;
    hand_ = (hand_ + 1) & (buckets_.size() * ways - 1);
    const std::uint32_t cell = buckets_[hand_ / ways].at(hand_ % ways);
    if (cell == 0) return std::nullopt;
    return Use{cell & Use::mask};
  }
  void clear() {
    std::fill(buckets_.begin(), buckets_.end(), Bucket{});
    count_ = 0;
  }
  std::size_t count() const { return count_; }
  std::size_t bytes() const { return buckets_.capacity() * sizeof(Bucket); }
  const void* line(std::uint64_t hash) const { return buckets_.empty() ? nullptr : &buckets_[place(hash)]; }

 private:
  static constexpr std::uint32_t ways = 16;
  static constexpr std::size_t small = 16'384;

  // Four cells at a time: the compiler makes what the processor has for that of it.
  using Four [[gnu::vector_size(16)]] = std::uint32_t;
  struct alignas(64) Bucket {
    Four cells[ways / 4] = {};

    std::uint32_t at(std::uint32_t i) const { return cells[i / 4][i % 4]; }
    void set(std::uint32_t i, std::uint32_t cell) { cells[i / 4][i % 4] = cell; }
    bool may_hold(std::uint32_t mark) const {
      auto same = cells[0] >> 21 == mark;
      for (std::uint32_t i = 1; i < ways / 4; ++i) same |= cells[i] >> 21 == mark;
      return (same[0] | same[1] | same[2] | same[3]) != 0;
    }
    // An empty one, or else the one with the longest age.
    std::uint32_t oldest(std::uint32_t now) const {
      Ranks most = ranks(0, now);
      for (std::uint32_t i = 1; i < ways / 4; ++i) {
        const Ranks here = ranks(i, now);
        most = here > most ? here : most;
      }
      return static_cast<std::uint32_t>(std::max(std::max(most[0], most[1]), std::max(most[2], most[3]))) % ways;
    }

   private:
    using Ranks [[gnu::vector_size(16)]] = std::int32_t;
    Ranks ranks(std::uint32_t i, std::uint32_t now) const {  // empty(1) age(15) place(4)
      const Four age = (now - cells[i]) & Use::time_mask, place = Four{0, 1, 2, 3} + i * 4;
      const Ranks empty = cells[i] == 0;
      return (empty & 1 << 20) | reinterpret_cast<Ranks>(age << 4 | place);
    }
  };

  static std::uint32_t mark(std::uint64_t hash) { return std::max<std::uint32_t>(1, hash & 0x7FF); }
  std::size_t place(std::uint64_t hash) const { return hash >> 11 & (buckets_.size() - 1); }
  Bucket& home(std::uint64_t hash) { return buckets_[place(hash)]; }
  void grow() {
    const std::size_t before = buckets_.size();
    buckets_.resize(before == 0 ? 4 : before * 2);
    std::copy(buckets_.begin(), buckets_.begin() + static_cast<std::ptrdiff_t>(before),
              buckets_.end() - static_cast<std::ptrdiff_t>(before));
    if (before == 0) return;
    count_ *= 2;  // each is in both of its possible places until one is overwritten
  }

  std::vector<Bucket> buckets_;  // a power of two of them
  std::size_t count_ = 0, hand_ = 0;
};

}  // namespace chaveiro::cache
