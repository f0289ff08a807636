#include "cache/duel.h"

#include <gtest/gtest.h>

#include <random>

namespace chaveiro::cache {
namespace {

// The least recently used goes first: what a policy that has learnt nothing but recency would do.
struct Recency {
  std::uint32_t now;
  float operator()(Use use) const { return 1.0F / static_cast<float>(use.age(now) + 1); }
};

class Requests {
 public:
  explicit Requests(std::uint64_t residents) : residents_(residents) { duel_.fit(residents); }
  void operator()(std::uint64_t key) {
    ++time_;
    duel_.request(key * 0xD6E8FEB86659FD93, time_ & Use::time_mask, static_cast<std::uint32_t>(residents_),
                  Recency{time_ & Use::time_mask});
  }
  bool keeping() const { return duel_.keeping(); }
  std::size_t bytes() const { return duel_.bytes(); }
  std::uint32_t reach() const { return duel_.reach(); }

 private:
  Duel duel_;
  std::uint64_t residents_;
  std::uint32_t time_ = 0;
};

TEST(Duel, keeps_what_is_there_while_a_round_larger_than_the_cache_goes_on) {
  Requests request(200);
  for (int round = 0; round < 40; ++round) {
    for (std::uint64_t key = 0; key < 300; ++key) request(key);
  }
  EXPECT_TRUE(request.keeping());
  EXPECT_GT(request.reach(), 0U);
}

TEST(Duel, leaves_keeping_where_the_newest_are_wanted) {
  Requests request(200);
  std::mt19937_64 random(3);
  for (std::uint64_t newest = 0; newest < 20'000; ++newest) {  // uses die out with age
    request(newest);
    request(newest - std::min<std::uint64_t>(newest, random() % 150));
  }
  EXPECT_FALSE(request.keeping());
}

TEST(Duel, comes_back_to_keeping_when_rounds_begin) {
  Requests request(200);
  for (std::uint64_t newest = 0; newest < 20'000; ++newest) {
    request(newest);
    request(newest - std::min<std::uint64_t>(newest, 100));
  }
  ASSERT_FALSE(request.keeping());
  for (int round = 0; round < 60; ++round) {
    for (std::uint64_t key = 1'000'000; key < 1'000'300; ++key) request(key);
  }
  EXPECT_TRUE(request.keeping());
}

TEST(Duel, tells_the_same_from_a_sample_of_a_large_cache) {
  Requests loop(20'000), aging(20'000);
  for (int round = 0; round < 12; ++round) {
    for (std::uint64_t key = 0; key < 30'000; ++key) loop(key);
  }
  EXPECT_TRUE(loop.keeping());
  std::mt19937_64 random(3);
  for (std::uint64_t newest = 0; newest < 400'000; ++newest) {
    aging(newest);
    aging(newest - std::min<std::uint64_t>(newest, random() % 15'000));
  }
  EXPECT_FALSE(aging.keeping());
}

TEST(Duel, stays_small_however_large_the_cache_is) {
  Requests request(50'000'000);
  std::mt19937_64 random(5);
  for (int i = 0; i < 2'000'000; ++i) request(random() % 1'000'000'000);
  EXPECT_LE(request.bytes(), 70U << 10);
}

TEST(Miniature, follows_a_cache_that_grows_and_shrinks) {
  Miniature one;
  std::mt19937_64 random(9);
  std::uint32_t now = 0;
  for (const std::uint32_t capacity : {3U, 40U, 300U, 41U, 2U, 384U, 1U}) {
    one.fit(capacity, 0);
    for (int i = 0; i < 5'000; ++i) {
      ++now;
      one.request(static_cast<std::uint32_t>(random() % 1'000) << 8, now, capacity, capacity,
                  [&](Use use) { return one.rank(use, now); });
      ASSERT_LE(one.residents(), capacity);
    }
    EXPECT_EQ(one.residents(), capacity);
  }
}

TEST(Miniature, holds_less_of_a_loop_where_few_are_weighed_as_the_cache_does) {
  const auto hits = [](std::uint32_t weighed) {
    Miniature one;
    one.fit(300, 0, weighed);
    int sum = 0;
    for (std::uint32_t now = 0; now < 20 * 400; ++now) {
      sum += one.request(now % 400 << 8, now, 300, 300, [&](Use use) { return one.rank(use, now); }) ? 1 : 0;
      EXPECT_LE(one.residents(), 300U);
    }
    return sum;
  };
  EXPECT_GT(hits(0), hits(6) * 3 / 2);
  EXPECT_EQ(hits(0), hits(300));
}

TEST(Miniature, forgets_what_is_outside_a_smaller_sample) {
  Miniature one;
  one.fit(300, 0);
  const auto rank = [&](Use use) { return one.rank(use, 1); };
  for (std::uint32_t key = 0; key < 200; ++key) one.request(key << 8, 1, 300, 0, rank);
  one.fit(150, 1);
  EXPECT_EQ(one.residents(), 100U);
  EXPECT_TRUE(one.request(42U << 8, 2, 300, 0, rank));
  EXPECT_FALSE(one.request(43U << 8, 2, 300, 0, rank));
}

}  // namespace
}  // namespace chaveiro::cache
