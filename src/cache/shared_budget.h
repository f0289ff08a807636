// cache/shared_budget.h
//
// One bound on memory for many caches, shared by use: what is free goes to those that grow; when all of it is taken, room moves step by step
// from the cache that would miss it least to the one that would win most by it, as their ghosts tell (what comes back after it was
// thrown out would have been a hit).
//
// Guarantees: the budgets never add up to more than the bound (but for the least that a cache needs, 64 KiB each).
// Threads: add() before the first step(); step() by one at a time, while the caches are in use.
// Time:    step() a few microseconds a cache, more where one has to give room back.
// Source:  A. Cidon et al., Cliffhanger: Scaling Performance Cliffs in Web Memory Caches (NSDI 2016): hill climbing by shadow queues.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/clock.h"
#include "cache/administered.h"

namespace chaveiro::cache {

struct SharedBudgetOptions {
  std::size_t bytes = std::size_t{100} << 20;  // for all together
  Micros move_every =
      std::chrono::milliseconds{250};  // between two moves of room when nothing is free; 0: at each step
};

// One cache as the sharing sees it.
struct BudgetUse {
  std::size_t used = 0;
  std::size_t budget = 0;
  std::size_t grown = 0;  // bytes since the last step, with what had to leave for want of room
  double worth = 0;       // comebacks since the last move for each byte that its ghosts stand for
};

// The next budgets, in the order of `uses`. `may_move`: it is time to take from one for another.
std::vector<std::size_t> share_budget(std::size_t bytes, std::span<const BudgetUse> uses, bool may_move);

class SharedBudget {
 public:
  SharedBudget(SharedBudgetOptions options, const Clock& clock);

  // Borrowed; `share` of the bound is its own to begin with. The shares should add up to 1.
  void add(Administered& cache, double share);
  // Every 10 to 100 ms.
  void step();
  std::vector<BudgetUse> uses() const;

 private:
  struct Member {
    Administered* cache;
    std::size_t budget;
    MemoryStats before = {};            // at the last step
    std::uint64_t comebacks_moved = 0;  // at the last move
  };
  const SharedBudgetOptions options_;
  const Clock& clock_;
  std::vector<Member> members_;
  SteadyTime moved_;
};

}  // namespace chaveiro::cache
