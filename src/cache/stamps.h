// cache/stamps.h
//
// Stamps: invalidation of everything, or of everything with a tag, in O(1). A value carries the stamp of the moment when its load
// began; invalidating moves the clock of stamps on and notes the new moment for all or for the tag. What carries an earlier stamp
// does not hold any more, also what is still being loaded.
//
// Tags share 16,384 cells: an invalidation may rarely hit values of another tag, which then miss.
//
// Threads: any; no locks. A stamp is read before the source is asked, an invalidation made after the source was changed: whichever
//          order the two come in, an old value with a holding stamp is impossible.
// Time:    holds() one load, and one for each tag.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

namespace chaveiro::cache {

class Stamps {
 public:
  using Cell = std::uint16_t;

  std::uint64_t now() const { return sequence_.load(std::memory_order_acquire); }
  static Cell cell_of(std::string_view tag) {
    return static_cast<Cell>((std::hash<std::string_view>{}(tag) * 0x9e3779b97f4a7c15) >> (64 - cell_bits));
  }
  bool holds(std::uint64_t stamp, std::span<const Cell> cells) const {
    if (stamp < floor_.load(std::memory_order_acquire)) return false;
    for (const Cell cell : cells) {
      if (stamp < cells_[cell].load(std::memory_order_acquire)) return false;
    }
    return true;
  }
  void invalidate(std::string_view tag) { raise(cells_[cell_of(tag)]); }
  void invalidate_all() { raise(floor_); }

 private:
  void raise(std::atomic<std::uint64_t>& bound) {
    const std::uint64_t moment = sequence_.fetch_add(1, std::memory_order_acq_rel) + 1;
    std::uint64_t before = bound.load(std::memory_order_relaxed);
    while (before < moment && !bound.compare_exchange_weak(before, moment, std::memory_order_acq_rel)) {}
  }

  static constexpr int cell_bits = 14;
  std::atomic<std::uint64_t> sequence_{1};
  std::atomic<std::uint64_t> floor_{0};
  std::unique_ptr<std::atomic<std::uint64_t>[]> cells_ =
      std::make_unique<std::atomic<std::uint64_t>[]>(1U << cell_bits);
};

}  // namespace chaveiro::cache
