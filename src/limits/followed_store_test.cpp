#include "limits/followed_store.h"

#include <gtest/gtest.h>

#include <thread>

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
  Result<void> reset(std::string_view key, Deadline deadline) override { return memory_.reset(key, deadline); }
  Result<std::vector<BucketView>> busiest(std::string_view rule, std::size_t most, Deadline deadline) override {
    return memory_.busiest(rule, most, deadline);
  }
  void fails_with(std::optional<Code> code) { *fault_.lock() = code; }

 private:
  MemoryStore memory_;
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
