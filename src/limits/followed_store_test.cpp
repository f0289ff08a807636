#include "limits/followed_store.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/random.h"

namespace chaveiro::limits {
namespace {

using namespace std::chrono_literals;

// A shared store that can be away.
class Shared final : public Store {
 public:
  explicit Shared(const Clock& clock) : memory_({}, clock) {}
  Result<Verdict> take(std::span<const Ask> asks, Mode mode, Deadline deadline) override {
    if (const auto fault = *fault_.lock()) {
      if (*fault == Code::maybe_applied) static_cast<void>(memory_.take(asks, mode, deadline));
      return fail(*fault, "Away", "away");
    }
    return memory_.take(asks, mode, deadline);
  }
  Result<void> release(const Ask& ask, Deadline deadline) override { return memory_.release(ask, deadline); }
  Result<void> reset(std::string_view key, Deadline deadline) override {
    resets_.with([&](Resets& it) { it.keys.emplace_back(key); });
    return memory_.reset(key, deadline);
  }
  Result<Resets> resets(std::int64_t since, Deadline) override {
    if (const auto fault = *fault_.lock()) return fail(*fault, "Away", "away");
    const Resets all = *resets_.lock();
    const auto told = since == 0 ? all.keys.end() : all.keys.begin() + (since - 1);
    return Resets{static_cast<std::int64_t>(all.keys.size()) + 1, {told, all.keys.end()}};
  }
  Result<std::vector<BucketView>> busiest(std::string_view rule, std::size_t most, Deadline deadline) override {
    return memory_.busiest(rule, most, deadline);
  }
  void fails_with(std::optional<Code> code) { *fault_.lock() = code; }

 private:
  MemoryStore memory_;
  Guarded<Resets> resets_;
  Guarded<std::optional<Code>> fault_;
};

struct World {
  int admitted(FollowedStore& node, int calls, const std::string& key = "r|x") {
    int count = 0;
    for (int i = 0; i < calls; ++i) {
      const Ask ask{key, terms.get(), 1};
      const auto verdict = node.take({&ask, 1}, Mode::take, Deadline::never());
      count += verdict && verdict->allowed ? 1 : 0;
    }
    return count;
  }
  void round() {
    for (FollowedStore* node : {&one, &two}) ASSERT_TRUE(node->run_once(Deadline::never()));
  }

  ManualClock clock;
  Shared shared{clock};
  FollowedStore one{{}, shared, clock}, two{{}, shared, clock};
  std::shared_ptr<const Terms> terms = *make_terms("r", {.amount = 100, .period = 1h});
};

TEST(FollowedStore, what_one_process_admitted_another_knows_after_a_round) {
  World world;
  EXPECT_EQ(world.admitted(world.one, 60), 60);
  EXPECT_EQ(world.admitted(world.two, 10), 10);
  world.round();
  EXPECT_EQ(world.admitted(world.two, 100), 30);
  world.round();
  EXPECT_EQ(world.admitted(world.one, 1), 1) << "it has not asked since, and does not know yet";
  world.round();
  EXPECT_EQ(world.admitted(world.one, 100), 0);
}

TEST(FollowedStore, together_they_admit_the_limit_and_what_one_round_lets_pass) {
  World world;
  int all = 0;
  for (int round = 0; round < 30; ++round) {
    all += world.admitted(world.one, 4) + world.admitted(world.two, 3);
    world.round();
  }
  EXPECT_GE(all, 100);
  EXPECT_LE(all, 100 + 7);
  world.clock.advance(36min);  // 60 tokens come back, once for both
  all = 0;
  for (int round = 0; round < 30; ++round) {
    all += world.admitted(world.one, 4) + world.admitted(world.two, 3);
    world.round();
  }
  EXPECT_LE(all, 60 + 7);
  EXPECT_GE(all, 60 - 7) << "what was too much was taken off";
}

TEST(FollowedStore, says_that_the_store_is_away_and_hears_when_it_is_back) {
  World world;
  world.shared.fails_with(Code::unavailable);
  EXPECT_EQ(world.admitted(world.one, 5), 5);
  EXPECT_FALSE(world.one.run_once(Deadline::never()));
  EXPECT_EQ(world.admitted(world.one, 5), 5) << "not yet: it may be a blink";
  world.clock.advance(3s);
  EXPECT_FALSE(world.one.run_once(Deadline::never()));
  const Ask ask{"r|x", world.terms.get(), 1};
  EXPECT_EQ(world.one.take({&ask, 1}, Mode::take, Deadline::never()).error().reason, "StoreAway");
  world.shared.fails_with({});
  EXPECT_EQ(*world.one.run_once(Deadline::never()), 1u);
  EXPECT_EQ(world.admitted(world.one, 5), 5);
  world.round();
  EXPECT_EQ(world.admitted(world.two, 1), 1);
  world.round();
  EXPECT_EQ(world.admitted(world.two, 100), 84) << "nothing of what was admitted meanwhile is lost";
}

TEST(FollowedStore, what_may_have_arrived_is_not_told_twice) {
  World world;
  EXPECT_EQ(world.admitted(world.one, 50), 50);
  world.shared.fails_with(Code::maybe_applied);
  EXPECT_FALSE(world.one.run_once(Deadline::never()));
  world.shared.fails_with({});
  world.round();
  EXPECT_EQ(world.admitted(world.one, 1), 1);
  world.round();
  EXPECT_EQ(world.admitted(world.one, 100), 49);
}

TEST(FollowedStore, a_reset_holds_here_and_in_the_store) {
  World world;
  EXPECT_EQ(world.admitted(world.one, 200), 100);
  world.round();
  ASSERT_TRUE(world.one.reset("r|x", Deadline::never()));
  EXPECT_EQ(world.admitted(world.one, 200), 100);
}

TEST(FollowedStore, a_reset_reaches_the_other_processes_with_their_next_round) {
  World world;
  world.round();
  EXPECT_EQ(world.admitted(world.one, 60), 60);
  EXPECT_EQ(world.admitted(world.two, 40), 40);
  world.round();
  EXPECT_EQ(world.admitted(world.two, 1), 0);
  ASSERT_TRUE(world.one.reset("r|x", Deadline::never()));
  EXPECT_EQ(world.admitted(world.one, 25), 25);
  EXPECT_EQ(world.admitted(world.two, 1), 0) << "it has not heard yet";
  world.round();
  EXPECT_EQ(world.admitted(world.two, 1), 1);
  world.round();
  EXPECT_EQ(world.admitted(world.two, 200), 74) << "new, but for what the first has used since";
  world.round();
  EXPECT_EQ(world.admitted(world.two, 200), 0) << "and reset once only";
}

// The exact bound: each process may admit a whole bucket before it hears of the others, once; the debt is paid off first.
TEST(FollowedStore, eight_processes_pass_the_limit_by_seven_buckets_in_one_round_and_pay_them_back) {
  constexpr int processes = 8, capacity = 100;
  ManualClock clock;
  Shared shared{clock};
  const auto terms = *make_terms("r", {.amount = capacity, .period = 1h});
  std::vector<std::unique_ptr<FollowedStore>> all;
  for (int i = 0; i < processes; ++i)
    all.push_back(std::make_unique<FollowedStore>(FollowedStoreOptions{}, shared, clock));
  const auto second_of_calls = [&] {
    int count = 0;
    for (int round = 0; round < 10; ++round) {
      for (auto& node : all)
        for (int i = 0; i < capacity + 10; ++i) {
          const Ask ask{"r|x", terms.get(), 1};
          count += node->take({&ask, 1}, Mode::take, Deadline::never())->allowed ? 1 : 0;
        }
      for (auto& node : all) EXPECT_TRUE(node->run_once(Deadline::never()));
      clock.advance(100ms);
    }
    return count;
  };
  EXPECT_EQ(second_of_calls(), processes * capacity) << "in the first round; nothing in the nine others";
  int later = 0;
  for (int hour = 0; hour < 6; ++hour) {
    clock.advance(1h - 1s);
    later += second_of_calls();
  }
  EXPECT_EQ(later, 0) << "six of the seven buckets that were too many are paid back";
}

// However calls come and processes fall silent: never more than a bucket for each process, and what refills.
TEST(FollowedStore, the_debt_is_never_more_than_one_bucket_for_each_further_process) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    ManualClock clock;
    Shared shared{clock};
    MemoryStore truth({}, clock);
    constexpr std::int64_t capacity = 20;
    const auto terms = *make_terms("r", {.amount = capacity, .period = 1min});
    std::vector<std::unique_ptr<FollowedStore>> all;
    for (int i = 0; i < 4; ++i) all.push_back(std::make_unique<FollowedStore>(FollowedStoreOptions{}, shared, clock));
    const Ask ask{"r|x", terms.get(), 1}, look{"r|x", terms.get(), 0};
    for (int round = 0; round < 500; ++round) {
      for (auto& node : all)
        for (auto calls = random() % 3 == 0 ? random() % 40 : 0; calls > 0; --calls)
          if (node->take({&ask, 1}, Mode::take, Deadline::never())->allowed) {
            ASSERT_TRUE(truth.take({&ask, 1}, Mode::force, Deadline::never()));
          }
      ASSERT_LE(truth.take({&look, 1}, Mode::peek, Deadline::never())->decisions[0].count, 4 * capacity) << round;
      for (auto& node : all) ASSERT_TRUE(node->run_once(Deadline::never()));
      clock.advance(Micros{static_cast<std::int64_t>(random() % 20'000'000)});
    }
  }
}

TEST(FollowedStore, threads_that_take_while_rounds_run_lose_nothing) {
  World world;
  SystemClock clock;
  Shared shared(clock);
  FollowedStore node({}, shared, clock);
  Guarded<int> all(0);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 2; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 30; ++i) {
          const int count = world.admitted(node, 1);
          all.with([&](int& it) { it += count; });
        }
      });
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(node.run_once(Deadline::never()));
  }
  EXPECT_TRUE(node.run_once(Deadline::never()));
  EXPECT_EQ(*all.lock(), 60);
  const Ask ask{"r|x", world.terms.get(), 0};
  EXPECT_EQ(shared.take({&ask, 1}, Mode::peek, Deadline::never())->decisions[0].count, 60);
}

}  // namespace
}  // namespace chaveiro::limits
