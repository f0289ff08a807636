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
    while (cells_.size() < wanted) grow();
  }
  std::optional<Use> take(std::uint64_t hash) {
    if (cells_.empty()) return std::nullopt;
    std::uint32_t* bucket = home(hash);
    for (std::uint32_t i = 0; i < ways; ++i) {
      if (bucket[i] != 0 && bucket[i] >> 21 == mark(hash)) {
        const Use use{bucket[i] & Use::mask};
        bucket[i] = 0;
        --count_;
        return use;
      }
    }
    return std::nullopt;
  }
  // The oldest of a full bucket makes room.
  void add(std::uint64_t hash, Use use, std::uint32_t now) {
    if (cells_.empty()) return;
    std::uint32_t* bucket = home(hash);
    std::uint32_t oldest = 0, age_max = 0;
    for (std::uint32_t i = 0; i < ways; ++i) {
      if (bucket[i] == 0) {
        ++count_;
        oldest = i;
        break;
      }
      const std::uint32_t age = Use{bucket[i]}.age(now);
      if (age >= age_max) age_max = age, oldest = i;
    }
    bucket[oldest] = mark(hash) << 21 | use.bits;
  }
  // The next of an endless round over all of them.
  std::optional<Use> next() {
    if (cells_.empty()) return std::nullopt;
    hand_ = (hand_ + 1) & (cells_.size() - 1);
    if (cells_[hand_] == 0) return std::nullopt;
    return Use{cells_[hand_] & Use::mask};
  }
  void clear() {
    std::fill(cells_.begin(), cells_.end(), 0);
    count_ = 0;
  }
  std::size_t count() const { return count_; }
  std::size_t bytes() const { return cells_.capacity() * sizeof(std::uint32_t); }
  const void* line(std::uint64_t hash) const {
    return cells_.empty() ? nullptr : &cells_[(hash >> 11 & (cells_.size() / ways - 1)) * ways];
  }

 private:
  static constexpr std::uint32_t ways = 16;
  static constexpr std::size_t small = 16'384;

  static std::uint32_t mark(std::uint64_t hash) { return std::max<std::uint32_t>(1, hash & 0x7FF); }
  std::uint32_t* home(std::uint64_t hash) { return &cells_[(hash >> 11 & (cells_.size() / ways - 1)) * ways]; }
  void grow() {
    const std::size_t before = cells_.size();
    cells_.resize(before == 0 ? ways * 4 : before * 2);
    std::copy(cells_.begin(), cells_.begin() + static_cast<std::ptrdiff_t>(before),
              cells_.end() - static_cast<std::ptrdiff_t>(before));
    if (before == 0) return;
    count_ *= 2;  // each is in both of its possible places until one is overwritten
  }

  std::vector<std::uint32_t> cells_;
  std::size_t count_ = 0, hand_ = 0;
};

}  // namespace chaveiro::cache
