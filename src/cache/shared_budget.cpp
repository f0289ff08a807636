#include "cache/shared_budget.h"

#include <algorithm>
#include <numeric>

namespace chaveiro::cache {
namespace {

// Below so much that is free the memory counts as taken: pages that are being filled are never quite full.
constexpr std::size_t taken_part = 50;
constexpr std::size_t least_part = 64;  // of the bound a cache keeps at least
constexpr std::size_t move_part = 100;  // moves at once

std::size_t sum_of(std::span<const BudgetUse> uses, std::size_t BudgetUse::* what) {
  return std::accumulate(uses.begin(), uses.end(), std::size_t{0},
                         [&](std::size_t sum, const BudgetUse& use) { return sum + use.*what; });
}

// Half of what is free to all alike, so that whoever begins to grow can; half to those that are growing.
std::vector<std::size_t> by_growth(std::size_t free, std::span<const BudgetUse> uses) {
  const std::size_t grown = sum_of(uses, &BudgetUse::grown);
  const std::size_t alike = (grown == 0 ? free : free / 2) / uses.size();
  std::vector<std::size_t> budgets;
  for (const BudgetUse& use : uses) {
    const double share = grown == 0 ? 0 : static_cast<double>(use.grown) / static_cast<double>(grown);
    budgets.push_back(use.used + alike + static_cast<std::size_t>(share * static_cast<double>(free / 2)));
  }
  return budgets;
}

// From the one that would miss it least to the one that would win most.
void move_one(std::size_t bytes, std::span<const BudgetUse> uses, std::vector<std::size_t>& budgets) {
  const std::size_t step = bytes / move_part, least = bytes / least_part;
  std::size_t to = 0, from = uses.size();
  for (std::size_t i = 0; i < uses.size(); ++i) {
    if (uses[i].worth > uses[to].worth) to = i;
    if (budgets[i] >= least + step && (from == uses.size() || uses[i].worth < uses[from].worth)) from = i;
  }
  if (from == uses.size() || from == to || uses[to].worth <= uses[from].worth * 1.1) return;
  budgets[from] -= step;
  budgets[to] += step;
}

}  // namespace

std::vector<std::size_t> share_budget(std::size_t bytes, std::span<const BudgetUse> uses, bool may_move) {
  if (uses.empty()) return {};
  const std::size_t used = sum_of(uses, &BudgetUse::used);
  const std::size_t free = bytes - std::min(bytes, used);
  if (free > bytes / taken_part) return by_growth(free, uses);
  std::vector<std::size_t> budgets;
  for (const BudgetUse& use : uses) budgets.push_back(use.budget);
  if (may_move) move_one(bytes, uses, budgets);
  return budgets;
}

SharedBudget::SharedBudget(SharedBudgetOptions options, const Clock& clock)
    : options_(options), clock_(clock), moved_(clock.steady()) {}

void SharedBudget::add(Administered& cache, double share) {
  const auto bytes = static_cast<std::size_t>(static_cast<double>(options_.bytes) * share);
  cache.resize_memory(bytes);
  const MemoryStats now = cache.memory();
  members_.push_back({&cache, bytes, now, now.comebacks});
}

std::vector<BudgetUse> SharedBudget::uses() const {
  std::vector<BudgetUse> uses;
  for (const Member& member : members_) {
    const MemoryStats now = member.cache->memory();
    const std::size_t one = now.bytes / std::max<std::size_t>(1, now.entries);
    const auto ghosts = static_cast<double>(std::max<std::size_t>(1, now.ghosts) * std::max<std::size_t>(1, one));
    uses.push_back(
        {.used = now.bytes,
         .budget = member.budget,
         .grown = now.bytes - std::min(now.bytes, member.before.bytes) + (now.evicted - member.before.evicted) * one,
         .worth = static_cast<double>(now.comebacks - member.comebacks_moved) / ghosts});
  }
  return uses;
}

void SharedBudget::step() {
  if (members_.empty()) return;
  const SteadyTime now = clock_.steady();
  const bool may_move = now - moved_ >= options_.move_every;
  const auto budgets = share_budget(options_.bytes, uses(), may_move);
  // Who gives does so before anybody takes.
  for (const bool giving : {true, false}) {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      Member& member = members_[i];
      if ((budgets[i] < member.budget) != giving || budgets[i] == member.budget) continue;
      member.cache->resize_memory(budgets[i]);
      member.budget = budgets[i];
    }
  }
  for (Member& member : members_) {
    member.before = member.cache->memory();
    if (may_move) member.comebacks_moved = member.before.comebacks;
  }
  if (may_move) moved_ = now;
}

}  // namespace chaveiro::cache
