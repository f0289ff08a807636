#include "base/atomic_rate.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/guarded.h"
#include "tests/contract/limit_property.h"

namespace chaveiro::limits {
namespace {

TEST(AtomicRate, decides_what_the_literal_model_decides) {
  for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
    Random random(seed);
    Limit limit{.algorithm = Algorithm::gcra,
                .amount = static_cast<std::int64_t>(1 + random.below(1'000)),
                .period = Micros{static_cast<std::int64_t>(1'000 + random.below(60'000'000))},
                .burst = static_cast<std::int64_t>(1 + random.below(50))};
    AtomicRate rate(limit.amount, limit.period, limit.burst);
    test::LiteralModel model(limit, 0);
    std::int64_t now = 0;
    for (int i = 0; i < 60; ++i) {
      now += static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(limit.period.count()) / 4 + 2));
      model.advance_to(now);
      const auto cost = static_cast<std::int64_t>(1 + random.below(4));
      const AtomicRate::Answer answer = rate.take(now, cost);
      ASSERT_EQ(answer.allowed, model.allows(cost)) << "seed " << seed << " step " << i;
      if (answer.allowed) {
        model.admit(cost);
        ASSERT_EQ(rate.remaining(answer), model.left());
      } else if (cost <= limit.burst) {
        const std::int64_t wait = rate.retry_after(answer, cost).count();
        ASSERT_TRUE(model.would_allow(cost, now + wait));
        ASSERT_FALSE(model.would_allow(cost, now + wait - 1));
      }
    }
  }
}

TEST(AtomicRate, threads_together_never_pass_the_burst) {
  AtomicRate rate(1, std::chrono::hours{1}, 10'000);
  Guarded<int> admitted(0);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        int mine = 0;
        for (int i = 0; i < 10'000; ++i) mine += rate.take(0).allowed ? 1 : 0;
        admitted.with([&](int& all) { all += mine; });
      });
  }
  EXPECT_EQ(*admitted.lock(), 10'000);
}

}  // namespace
}  // namespace chaveiro::limits
