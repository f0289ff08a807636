#include "limits/waiting.h"

#include <gtest/gtest.h>

#include <thread>

namespace chaveiro::limits {
namespace {

using namespace std::chrono_literals;

struct World {
  explicit World(WaitingOptions options = {})
      : store({}, clock),
        limiter({}, store, *RuleSet::read("rules: [{name: r, per: [ip], limit: {amount: 60, period: 60s, burst: 1}}]"),
                clock, metrics),
        waiting(options, limiter, clock) {}
  Result<Answer> acquire(Deadline deadline) { return waiting.acquire({{"ip", "x"}}, 1, deadline); }
  void later(Micros by) {
    clock.advance(by);
    waiting.poke();
  }
  ManualClock clock;
  Registry metrics;
  MemoryStore store;
  Limiter limiter;
  Waiting waiting;
};

TEST(Waiting, those_who_wait_are_served_in_the_order_in_which_they_came) {
  World world;
  ASSERT_TRUE(world.acquire(Deadline::never()));
  Guarded<std::vector<int>> served;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      ASSERT_TRUE(world.acquire(Deadline::in(60s)));
      served.with([&](auto& it) { it.push_back(i); });
      served.notify_all();
    });
    while (world.waiting.waiting() < static_cast<std::size_t>(i) + 1) std::this_thread::yield();
  }
  for (std::size_t i = 1; i <= 4; ++i) {
    world.clock.advance(1s);
    auto it = served.lock();
    while (it->size() < i) {  // the first may not have asked yet when the clock moved: it looks again
      world.waiting.poke();
      it.wait(Deadline::in(1ms), [&](const auto& all) { return all.size() >= i; });
    }
    EXPECT_EQ(it->size(), i) << "one token a second";
  }
  EXPECT_EQ(*served.lock(), (std::vector{0, 1, 2, 3}));
}

TEST(Waiting, who_would_wait_too_long_is_refused_at_once_and_used_nothing) {
  World world;
  ASSERT_TRUE(world.acquire(Deadline::never()));
  const auto refused = world.acquire(Deadline::in(100ms));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::exhausted);
  EXPECT_EQ(*refused.error().retry_after, 1s);
  EXPECT_EQ(world.waiting.waiting(), 0u);
  world.later(1s);
  EXPECT_TRUE(world.acquire(Deadline::in(100ms)));
}

TEST(Waiting, a_peek_consumes_nothing) {
  World world;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(world.waiting.peek({{"ip", "x"}}, 1, Deadline::never()).allowed);
  EXPECT_TRUE(world.acquire(Deadline::never()));
  EXPECT_FALSE(world.waiting.peek({{"ip", "x"}}, 1, Deadline::never()).allowed);
}

TEST(Waiting, nobody_waits_where_waiting_is_off) {
  World world({.waiting_max = 0});
  ASSERT_TRUE(world.acquire(Deadline::never()));
  EXPECT_EQ(world.acquire(Deadline::never()).error().code, Code::exhausted);
}

}  // namespace
}  // namespace chaveiro::limits
