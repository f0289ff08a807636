#include "base/random.h"

#include <gtest/gtest.h>

#include <bit>
#include <set>
#include <thread>
#include <vector>

namespace chaveiro {
namespace {

TEST(RandomBytes, differ_between_calls_and_threads) {
  std::vector<std::set<std::uint64_t>> seen(4);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : seen) {
      threads.emplace_back([&mine] {
        for (int i = 0; i < 500; ++i) mine.insert(random_u64());
      });
    }
  }
  std::set<std::uint64_t> all;
  for (const auto& mine : seen) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 2'000u);
}

TEST(RandomBytes, fill_every_size_with_about_as_many_ones_as_zeros) {
  std::size_t ones = 0;
  std::size_t bits = 0;
  for (std::size_t size : {0, 1, 7, 16, 63, 64, 65, 600, 5'000}) {
    std::vector<std::uint8_t> bytes(size);
    for (int round = 0; round < 20; ++round) {
      random_bytes(bytes);
      for (const std::uint8_t byte : bytes) ones += static_cast<std::size_t>(std::popcount(byte));
      bits += size * 8;
    }
  }
  EXPECT_NEAR(static_cast<double>(ones) / static_cast<double>(bits), 0.5, 0.01);
}

TEST(Random, repeats_itself_from_the_same_seed) {
  Random a(1234567), b(1234567), c(7654321);
  EXPECT_EQ(a(), 6457827717110365317u) << "first value of the published SplitMix64 for this seed";
  EXPECT_EQ(a(), 3203168211198807973u);
  b(), b();
  EXPECT_EQ(a(), b());
  EXPECT_NE(a(), c());
}

TEST(Random, stays_within_its_bounds) {
  Random random(1);
  std::vector<int> hits(10);
  double sum = 0;
  for (int i = 0; i < 20'000; ++i) {
    ++hits[random.below(10)];
    const double unit = random.unit();
    ASSERT_GE(unit, 0.0);
    ASSERT_LT(unit, 1.0);
    sum += unit;
  }
  for (const int count : hits) EXPECT_NEAR(count, 2'000, 250);
  EXPECT_NEAR(sum / 20'000, 0.5, 0.02);
  EXPECT_EQ(random.below(0), 0u);
  EXPECT_EQ(random.below(1), 0u);
}

}  // namespace
}  // namespace chaveiro
