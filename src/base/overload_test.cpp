#include "base/overload.h"

#include <gtest/gtest.h>

#include <deque>
#include <thread>
#include <vector>

namespace chaveiro {
namespace {

using namespace std::chrono_literals;

// A service with `servers` places, each busy for `service_time` with one request, and a queue without bound before them: what the
// limit is there to keep short. Time moves by steps of 1 ms.
class Simulation {
 public:
  explicit Simulation(AdaptiveLimitOptions options) : limit(options, clock) {}

  // `per_second` requests come, evenly spread, for so long.
  void run(double per_second, Micros duration) {
    for (Micros passed{0}; passed < duration; passed += 1ms) {
      clock.advance(1ms);
      finish();
      for (due_ += per_second / 1000; due_ >= 1; --due_) arrive();
      begin();
      ASSERT_GE(limit.limit(), min_seen);
    }
  }
  void arrive() {
    if (auto permit = limit.try_enter())
      queue_.push_back(std::move(*permit));
    else
      ++refused;
  }

  ManualClock clock;
  AdaptiveLimit limit;
  std::size_t servers = 10;
  Micros service_time = 10ms;
  std::uint32_t min_seen = 1;
  std::uint64_t refused = 0;
  std::uint64_t finished = 0;

 private:
  struct Busy {
    AdaptiveLimit::Permit permit;
    SteadyTime until;
  };
  void finish() {
    while (!busy_.empty() && busy_.front().until <= clock.steady()) busy_.pop_front(), ++finished;
  }
  void begin() {
    while (busy_.size() < servers && !queue_.empty()) {
      busy_.push_back({std::move(queue_.front()), clock.steady() + service_time});
      queue_.pop_front();
    }
  }
  std::deque<AdaptiveLimit::Permit> queue_;
  std::deque<Busy> busy_;
  double due_ = 0;
};

TEST(AdaptiveLimit, grows_while_latency_stays_low) {
  Simulation service({.initial = 8, .max = 200});
  service.servers = 150;
  service.run(10'000, 20s);
  EXPECT_GT(service.limit.limit(), 80u);
  EXPECT_EQ(service.limit.baseline(), 10ms);
}

TEST(AdaptiveLimit, shrinks_when_requests_queue_and_keeps_the_service_busy) {
  Simulation service({.initial = 500, .max = 1'000});
  service.run(800, 5s);  // four fifths of what ten servers can do: the baseline is learnt
  service.finished = 0;
  service.run(3'000, 20s);  // three times as much
  EXPECT_LT(service.limit.limit(), 60u);
  EXPECT_GT(service.refused, 30'000u);
  EXPECT_LT(service.limit.latency(), 50ms) << "500 inside would have taken 500 ms each";
  EXPECT_GT(service.finished, 19'000u) << "of the 20,000 that ten servers can do";
}

TEST(AdaptiveLimit, recovers_when_the_neighbour_does) {
  Simulation service({.initial = 100, .max = 100});
  service.run(900, 5s);
  service.service_time = 200ms;  // a neighbour is slow
  service.run(900, 5s);
  const std::uint32_t low = service.limit.limit();
  EXPECT_LT(low, 50u);
  service.service_time = 10ms;
  service.run(900, 2s);
  service.refused = 0;
  service.run(900, 10s);
  EXPECT_LT(service.refused, 90u) << "fewer than one in a hundred";
}

TEST(AdaptiveLimit, accepts_a_neighbour_that_has_become_slower_for_good) {
  Simulation service({.initial = 150, .max = 200});
  service.servers = 150;
  service.run(900, 5s);
  service.service_time = 100ms;  // ninety requests inside are now what the same work takes
  service.run(900, 60s);
  service.refused = 0;
  service.run(900, 20s);
  EXPECT_LT(service.refused, 180u) << "fewer than one in a hundred";
  EXPECT_GE(service.limit.baseline(), 99ms);
}

TEST(AdaptiveLimit, is_not_talked_into_a_long_queue_by_hours_of_overload) {
  Simulation service({.initial = 100, .max = 1'000});
  service.run(800, 5s);
  service.run(3'000, 600s);
  EXPECT_LT(service.limit.limit(), 60u);
  EXPECT_LT(service.limit.baseline(), 12ms);
}

TEST(AdaptiveLimit, does_not_refuse_for_a_queue_that_nobody_minds) {
  Simulation service({.initial = 64, .max = 1'000, .latency_fine = 100ms});
  service.service_time = 2ms;
  service.run(100, 5s);  // the baseline is 2 ms
  service.servers = 2;   // now 64 callers at once take 64 ms each, thirty times as much
  for (int i = 0; i < 64; ++i) service.arrive();
  for (int turn = 0; turn < 20'000; ++turn) {
    const std::uint64_t before = service.finished;
    service.run(0, 1ms);
    for (std::uint64_t i = before; i < service.finished; ++i) service.arrive();
  }
  EXPECT_EQ(service.refused, 0u);
  EXPECT_GE(service.limit.latency(), 60ms);
  EXPECT_GE(service.limit.limit(), 64u);
}

TEST(AdaptiveLimit, never_goes_below_its_minimum) {
  Simulation service({.min = 4, .initial = 50, .max = 50});
  service.min_seen = 4;
  service.run(900, 2s);
  service.service_time = 2s;
  service.run(900, 60s);
  EXPECT_GE(service.limit.limit(), 4u);
  EXPECT_LT(service.limit.limit(), 30u);
}

TEST(AdaptiveLimit, learns_nothing_from_an_idle_night) {
  Simulation service({.initial = 20, .max = 1'000});
  service.run(100, 60s);  // one in flight at a time
  EXPECT_EQ(service.limit.limit(), 20u);
}

TEST(AdaptiveLimit, refuses_with_a_time_to_come_back) {
  ManualClock clock;
  AdaptiveLimit limit({.min = 1, .initial = 2, .max = 2, .samples_min = 1}, clock);
  {
    auto first = limit.try_enter();
    clock.advance(400ms);
  }
  auto one = limit.try_enter();
  auto two = limit.try_enter();
  ASSERT_TRUE(one && two);
  EXPECT_FALSE(limit.try_enter());
  EXPECT_EQ(limit.refusal().code, Code::exhausted);
  EXPECT_EQ(limit.refusal().retry_after, 200ms);
  EXPECT_EQ(limit.refused(), 1u);
  two.reset();
  EXPECT_TRUE(limit.try_enter());
}

TEST(AdaptiveLimit, ignores_what_says_nothing_about_the_load) {
  ManualClock clock;
  AdaptiveLimit limit({.samples_min = 1}, clock);
  auto permit = limit.try_enter();
  clock.advance(10s);
  permit->ignore();
  permit.reset();
  EXPECT_EQ(limit.latency(), 0ns);
  EXPECT_EQ(limit.in_flight(), 0u);
}

TEST(AdaptiveLimit, never_lets_more_in_than_its_limit_and_forgets_nobody) {
  SystemClock clock;
  AdaptiveLimit limit({.min = 3, .initial = 3, .max = 3, .window = 1ms}, clock);
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 6; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 5'000; ++i) {
          if (auto permit = limit.try_enter()) {
            const int now = ++inside;
            int seen = most;
            while (now > seen && !most.compare_exchange_weak(seen, now)) {}
            --inside;
          }
        }
      });
    }
  }
  EXPECT_LE(most, 3);
  EXPECT_EQ(limit.in_flight(), 0u);
}

}  // namespace
}  // namespace chaveiro
