#include "limits/leased_store.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/random.h"
#include "limits/memory_store.h"

namespace chaveiro::limits {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<const Terms> leased(std::int64_t amount, Micros period, std::int64_t burst = 0) {
  Limit limit;
  limit.amount = amount;
  limit.period = period;
  limit.burst = burst;
  return *make_terms("hot", limit, OnChange::as_is, Lease::yes);
}

class CountingStore final : public Store {
 public:
  explicit CountingStore(Store& behind) : behind_(behind) {}
  Result<Verdict> take(std::span<const Ask> asks, Mode mode, Deadline deadline) override {
    questions.with([](int& it) { ++it; });
    if (*away.lock()) return fail(Code::unavailable, "StoreAway", "away");
    return behind_.take(asks, mode, deadline);
  }
  Result<void> release(const Ask& ask, Deadline deadline) override { return behind_.release(ask, deadline); }
  Result<void> reset(std::string_view key, Deadline deadline) override { return behind_.reset(key, deadline); }
  Result<std::vector<BucketView>> busiest(std::string_view rule, std::size_t most, Deadline deadline) override {
    return behind_.busiest(rule, most, deadline);
  }
  Guarded<int> questions{0};
  Guarded<bool> away{false};

 private:
  Store& behind_;
};

struct World {
  World() : memory({}, clock), store(memory) {
    for (int i = 0; i < 8; ++i) nodes.push_back(std::make_unique<LeasedStore>(LeasedStoreOptions{}, store, clock));
  }
  bool take(std::size_t node, const std::shared_ptr<const Terms>& terms, std::int64_t cost = 1) {
    const Ask ask{"hot|x", terms.get(), cost};
    const auto verdict = nodes[node]->take({&ask, 1}, Mode::take, Deadline::never());
    return verdict && verdict->allowed;
  }
  ManualClock clock;
  MemoryStore memory;
  CountingStore store;
  std::vector<std::unique_ptr<LeasedStore>> nodes;
};

TEST(LeasedStore, eight_nodes_admit_no_more_than_the_bucket_and_strand_at_most_one_percent) {
  World world;
  const auto terms = leased(10'000, 1h);
  int admitted = 0;
  // Half of the nodes stop in the middle of a share.
  for (int i = 0; i < 80'000; ++i) {
    const auto node = static_cast<std::size_t>(i * 7 % 8);
    if (node >= 4 || i < 100) admitted += world.take(node, terms) ? 1 : 0;
  }
  EXPECT_LE(admitted, 10'000);
  EXPECT_GE(admitted, 9'900);
}

TEST(LeasedStore, in_no_stretch_of_time_more_is_admitted_than_burst_and_rate_allow) {
  World world;
  const auto terms = leased(60'000, 60s, 20'000);  // 1 a ms
  std::vector<std::pair<std::int64_t, int>> admitted;
  Random random(3);
  std::int64_t now = 0;
  for (int i = 0; i < 3'000; ++i) {
    const auto pause =
        static_cast<std::int64_t>(random.below(10) == 0 ? random.below(4'000'000) : random.below(20'000));
    world.clock.advance(Micros{pause});
    now += pause;
    int count = 0;
    const auto tries = random.below(200);
    for (std::uint64_t t = 0; t < tries; ++t) count += world.take(random.below(8), terms) ? 1 : 0;
    if (random.below(50) == 0)
      for (auto& node : world.nodes) node->give_back(Deadline::never());
    admitted.emplace_back(now, count);
  }
  for (std::size_t from = 0; from < admitted.size(); from += 7) {
    std::int64_t sum = 0;
    for (std::size_t to = from; to < admitted.size(); ++to) {
      sum += admitted[to].second;
      ASSERT_LE(sum, 20'000 + (admitted[to].first - admitted[from].first) / 1'000);
    }
  }
}

TEST(LeasedStore, asks_the_store_once_for_a_share) {
  World world;
  const auto terms = leased(160'000, 1h);
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(world.take(0, terms));
  EXPECT_EQ(*world.store.questions.lock(), 10);
}

TEST(LeasedStore, what_was_not_spent_goes_back_and_what_is_held_outlives_the_store) {
  World world;
  const auto terms = leased(160'000, 1h);
  ASSERT_TRUE(world.take(0, terms));
  EXPECT_EQ(world.nodes[0]->held(), 99);
  *world.store.away.lock() = true;
  EXPECT_TRUE(world.take(0, terms));
  EXPECT_FALSE(world.take(1, terms));
  *world.store.away.lock() = false;
  world.clock.advance(1s);
  EXPECT_EQ(world.nodes[0]->give_back(Deadline::never()), 98);
  EXPECT_EQ(world.nodes[0]->held(), 0);
}

TEST(LeasedStore, small_limits_are_asked_directly) {
  World world;
  const auto terms = leased(100, 1h);
  int admitted = 0;
  for (int i = 0; i < 300; ++i) admitted += world.take(static_cast<std::size_t>(i % 8), terms) ? 1 : 0;
  EXPECT_EQ(admitted, 100);
}

// Of the larger one each thread holds a share of its own.
TEST(LeasedStore, threads_of_one_node_together_never_pass_the_bound) {
  for (const std::int64_t amount : {20'000, 500'000}) {
    World world;
    const auto terms = leased(amount, 24h);
    Guarded<std::int64_t> admitted(0);
    {
      std::vector<std::jthread> threads;
      for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
          std::int64_t mine = 0;
          for (std::int64_t i = 0; i < amount / 2; ++i)
            mine += world.take(static_cast<std::size_t>(t % 2), terms) ? 1 : 0;
          admitted.with([&](std::int64_t& all) { all += mine; });
        });
    }
    EXPECT_LE(*admitted.lock(), amount);
    EXPECT_GE(*admitted.lock(), amount - amount / 100);
    std::int64_t held = 0;
    for (const auto& node : world.nodes) held += node->held();
    EXPECT_LE(held, amount / 100);
    world.clock.advance(2s);
    for (const auto& node : world.nodes) held -= node->give_back(Deadline::never());
    EXPECT_EQ(held, 0) << "of every thread";
  }
}

}  // namespace
}  // namespace chaveiro::limits
