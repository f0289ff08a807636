#include "base/histogram.h"

#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "base/random.h"

namespace chaveiro {
namespace {

using namespace std::chrono_literals;

TEST(Histogram, keeps_every_time_within_its_promised_error) {
  Random random(9);
  for (int round = 0; round < 20'000; ++round) {
    const std::uint64_t time = random() >> (24 + random.below(40));
    const std::size_t bucket = Histogram::bucket_of(time);
    ASSERT_LT(bucket, Histogram::bucket_count);
    ASSERT_LE(time, Histogram::bucket_end(bucket)) << time;
    ASSERT_LE(static_cast<double>(Histogram::bucket_end(bucket)), static_cast<double>(time) * 1.0625) << time;
    ASSERT_TRUE(bucket == 0 || time > Histogram::bucket_end(bucket - 1)) << time;
  }
  EXPECT_EQ(Histogram::bucket_of(std::numeric_limits<std::uint64_t>::max()), Histogram::bucket_count - 1);
  EXPECT_GT(std::chrono::nanoseconds{Histogram::bucket_end(Histogram::bucket_count - 1)}, 18min);
}

TEST(Histogram, gives_quantiles_of_what_many_threads_recorded) {
  Histogram histogram;
  EXPECT_EQ(histogram.snapshot().quantile(0.5), 0ns);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 1; i <= 1'000; ++i) histogram.record(std::chrono::microseconds{i});
      });
    }
  }
  histogram.record(-5ns);
  const auto now = histogram.snapshot();
  EXPECT_EQ(now.count, 4'001u);
  EXPECT_EQ(now.sum, 4 * 500'500us);
  EXPECT_NEAR(static_cast<double>(now.quantile(0.5).count()), 500e3, 500e3 * 0.0625);
  EXPECT_NEAR(static_cast<double>(now.quantile(0.99).count()), 990e3, 990e3 * 0.0625);
  EXPECT_GE(now.quantile(1), 1'000us);
  EXPECT_EQ(now.quantile(0), 0ns) << "the least of all";
  EXPECT_EQ(now.at_most(20ms), 4'001u);
  EXPECT_EQ(now.at_most(0ns), 1u);
}

}  // namespace
}  // namespace chaveiro
