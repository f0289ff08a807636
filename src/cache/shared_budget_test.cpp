#include "cache/shared_budget.h"

#include <gtest/gtest.h>

#include <memory>

#include "base/random.h"
#include "cache/tiered.h"

namespace chaveiro::cache {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t mib = std::size_t{1} << 20;

struct Sharing {
  explicit Sharing(std::size_t bound) : bytes(bound), budget({.bytes = bound}, clock) {}
  Tiered<std::string>& add(std::string name, double share) {
    caches.push_back(Tiered<std::string>::make({.name = std::move(name),
                                                .ttl = 1h,
                                                .l1 = {.bytes_max = bytes, .bytes_limit = bytes, .ttl_max = Micros{0}}},
                                               {.clock = clock, .metrics = metrics})
                         .value());
    budget.add(*caches.back(), share);
    return *caches.back();
  }
  void step() {
    clock.advance(50ms);
    for (const auto& cache : caches) cache->tick();
    budget.step();
    std::size_t budgets = 0, used = 0;
    for (const BudgetUse& use : budget.uses()) budgets += use.budget, used += use.used;
    EXPECT_LE(budgets, bytes);
    EXPECT_LE(used, bytes + bytes / 50) << "pages that are being emptied count until no reader can see them";
  }
  static void put(Tiered<std::string>& cache, std::uint64_t number) {
    (void)cache.put("key " + std::to_string(number), std::string(200, 'v'), {}, Deadline::never());
  }
  // A read that brings in what is missing; true: it was there.
  static bool read(Tiered<std::string>& cache, std::uint64_t number) {
    if (cache.peek("key " + std::to_string(number))) return true;
    put(cache, number);
    return false;
  }

  const std::size_t bytes;
  ManualClock clock;
  Registry metrics;
  std::vector<std::unique_ptr<Tiered<std::string>>> caches;
  SharedBudget budget;
};

TEST(SharedBudget, one_that_grows_gets_what_the_others_do_not_need) {
  Sharing sharing(16 * mib);
  auto& busy = sharing.add("busy", 0.25);
  sharing.add("idle", 0.5);
  sharing.add("idle too", 0.25);
  for (std::uint64_t number = 0; number < 20'000; ++number) {
    Sharing::put(busy, number);
    if (number % 250 == 0) sharing.step();
  }
  EXPECT_EQ(busy.memory().evicted, 0u);
  EXPECT_EQ(busy.memory().entries, 20'000u);
  EXPECT_GT(busy.memory().bytes, 8 * mib) << "more than twice its own share";
}

TEST(SharedBudget, room_goes_to_what_comes_back_and_not_to_what_is_only_written) {
  Sharing sharing(8 * mib);
  auto& written = sharing.add("written", 0.5);
  auto& read = sharing.add("read", 0.5);
  Random random(3);
  std::uint64_t next = 0;
  const auto rounds = [&](int count) {
    int hits = 0;
    for (int i = 0; i < count; ++i) {
      for (int n = 0; n < 100; ++n) Sharing::put(written, next++);
      for (int n = 0; n < 400; ++n) hits += Sharing::read(read, random.below(12'000));
      sharing.step();
    }
    return hits / (4.0 * count);
  };
  rounds(100);
  const auto early = sharing.budget.uses();
  rounds(1'500);
  const auto late = sharing.budget.uses();
  EXPECT_GT(late[1].budget, early[1].budget);
  EXPECT_GT(late[1].budget, late[0].budget * 2);
  EXPECT_GE(late[0].budget, 8 * mib / 64) << "nobody is left without any";
}

TEST(SharedBudget, shares_never_add_up_to_more_than_there_is) {
  Random random(4);
  for (int i = 0; i < 2'000; ++i) {
    const std::size_t bytes = mib + random.below(100 * mib), count = 1 + random.below(8);
    std::vector<BudgetUse> uses(count);
    std::size_t left = bytes;
    for (BudgetUse& use : uses) {
      use.budget = random.below(left + 1);
      left -= use.budget;
      use.used = random.below(use.budget + 1);
      use.grown = random.below(2) == 0 ? 0 : random.below(mib);
      use.worth = random.unit();
    }
    std::size_t sum = 0;
    for (const std::size_t budget : share_budget(bytes, uses, random.below(2) == 0)) sum += budget;
    ASSERT_LE(sum, bytes);
  }
}

}  // namespace
}  // namespace chaveiro::cache
