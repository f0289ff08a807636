// tests/contract/tier_contract.h
//
// What cache/tier.h promises, as sentences that every level must fulfil. A program includes this, says how its level is made and
// how time passes there (a TierMaker), and instantiates the suite.
//
// Threads: one test at a time; the one about many callers starts its own.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <thread>

#include "cache/tier.h"

namespace chaveiro::contract {

using cache::Tier;
using cache::TierPut;
using cache::TierStored;
using cache::TierValue;

// Where a level lives during one test, empty at its beginning.
class TierHome {
 public:
  virtual ~TierHome() = default;
  virtual Tier& tier() = 0;
  // So much time passes for the level. Real servers may wait for it or move their expiry: then `coarse` says how far they may err.
  virtual void pass(Micros time) = 0;
  virtual Micros coarse() const { return Micros{0}; }
};
struct TierMaker {
  std::string name;
  std::function<std::unique_ptr<TierHome>()> make;
};

class TierContract : public testing::TestWithParam<TierMaker> {
 protected:
  TierContract() : home(GetParam().make()), tier(home->tier()) {}

  static Deadline soon() { return Deadline::in(std::chrono::seconds(30)); }
  static constexpr Micros minute = std::chrono::minutes(1);

  TierStored put(std::string_view key, std::string_view bytes, std::uint64_t version = 0,
                 std::vector<std::string> tags = {}, Micros ttl = minute) {
    const auto stored = tier.put({.key = key, .bytes = bytes, .ttl = ttl, .version = version, .tags = tags}, soon());
    EXPECT_TRUE(stored) << (stored ? "" : stored.error().message);
    return stored ? *stored : TierStored::superseded;
  }
  std::optional<TierValue> get(std::string_view key) {
    auto found = tier.get(key, soon());
    EXPECT_TRUE(found) << (found ? "" : found.error().message);
    return found ? *found : std::nullopt;
  }
  std::string text(std::string_view key) {
    const auto found = get(key);
    return found ? found->bytes : "(none)";
  }

  std::unique_ptr<TierHome> home;
  Tier& tier;
};

TEST_P(TierContract, gives_back_every_byte) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  put("k", all);
  put("key with spaces\xc3\xa9 and \n", "");
  put("large", std::string(1U << 20, 'x'));
  EXPECT_EQ(text("k"), all);
  EXPECT_EQ(text("key with spaces\xc3\xa9 and \n"), "");
  EXPECT_EQ(text("large").size(), 1U << 20);
  EXPECT_EQ(get("nothing here"), std::nullopt);
}

TEST_P(TierContract, replaces_a_value_and_its_time) {
  put("k", "one");
  home->pass(minute / 2);
  put("k", "two");
  home->pass(minute * 3 / 4);
  EXPECT_EQ(text("k"), "two");
}

TEST_P(TierContract, tells_the_time_left_by_its_own_clock) {
  put("k", "v", 0, {}, minute);
  home->pass(std::chrono::seconds(20));
  const auto found = get("k");
  ASSERT_TRUE(found);
  EXPECT_LE(found->ttl_left, std::chrono::seconds(40) + home->coarse());
  EXPECT_GE(found->ttl_left, std::chrono::seconds(39) - home->coarse());
}

TEST_P(TierContract, answers_no_longer_when_the_time_is_up) {
  put("k", "v", 0, {}, std::chrono::seconds(2));
  home->pass(std::chrono::seconds(2) + home->coarse());
  EXPECT_EQ(get("k"), std::nullopt);
}

TEST_P(TierContract, takes_no_time_to_live_as_an_erasure) {
  put("k", "v");
  put("k", "w", 0, {}, Micros{0});
  EXPECT_EQ(get("k"), std::nullopt);
}

TEST_P(TierContract, keeps_the_version_and_never_goes_back) {
  EXPECT_EQ(put("k", "five", 5), TierStored::stored);
  EXPECT_EQ(put("k", "four", 4), TierStored::superseded);
  EXPECT_EQ(text("k"), "five");
  EXPECT_EQ(get("k")->version, 5U);
  EXPECT_EQ(put("k", "five again", 5), TierStored::stored);
  EXPECT_EQ(put("k", "six", 6), TierStored::stored);
  EXPECT_EQ(text("k"), "six");
}

TEST_P(TierContract, compares_versions_as_whole_numbers) {
  const std::uint64_t large = (1ULL << 53) + 1;  // no double holds it
  EXPECT_EQ(put("k", "new", large), TierStored::stored);
  EXPECT_EQ(put("k", "old", large - 1), TierStored::superseded);
  EXPECT_EQ(get("k")->version, large);
}

TEST_P(TierContract, fences_what_is_older_than_an_erasure) {
  put("k", "four", 4);
  ASSERT_TRUE(tier.erase("k", 5, soon()));
  EXPECT_EQ(get("k"), std::nullopt);
  EXPECT_EQ(put("k", "four", 4), TierStored::superseded);
  EXPECT_EQ(get("k"), std::nullopt);
  home->pass(minute * 30);  // half of fence_time
  EXPECT_EQ(put("k", "four", 4), TierStored::superseded);
  EXPECT_EQ(put("k", "six", 6), TierStored::stored);
  EXPECT_EQ(text("k"), "six");
}

TEST_P(TierContract, leaves_what_is_newer_than_an_erasure) {
  put("k", "six", 6);
  ASSERT_TRUE(tier.erase("k", 5, soon()));
  EXPECT_EQ(text("k"), "six");
}

TEST_P(TierContract, erases_again_without_complaint) {
  put("k", "v");
  EXPECT_TRUE(tier.erase("k", 0, soon()));
  EXPECT_TRUE(tier.erase("k", 0, soon()));
  EXPECT_EQ(get("k"), std::nullopt);
}

TEST_P(TierContract, reads_writes_and_erases_many_in_their_order) {
  std::vector<std::string> keys;
  for (int i = 0; i < 300; ++i) keys.push_back("k" + std::to_string(i));
  std::vector<TierPut> puts;
  for (int i = 0; i < 300; i += 2)
    puts.push_back({.key = keys[static_cast<std::size_t>(i)],
                    .bytes = keys[static_cast<std::size_t>(i)],
                    .ttl = minute,
                    .version = 2});
  put("k4", "newer", 3);
  const auto stored = tier.put_many(puts, soon());
  ASSERT_TRUE(stored);
  ASSERT_EQ(stored->size(), puts.size());
  EXPECT_EQ((*stored)[0], TierStored::stored);
  EXPECT_EQ((*stored)[2], TierStored::superseded);

  const auto found = tier.get_many(keys, soon());
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ((*found)[i].has_value(), i % 2 == 0) << i;
    if ((*found)[i]) {
      EXPECT_EQ((*found)[i]->bytes, i == 4 ? "newer" : keys[i]);
    }
  }
  ASSERT_TRUE(tier.erase_many(keys, soon()));
  const auto left = tier.get_many(keys, soon());
  ASSERT_TRUE(left);
  for (const auto& value : *left) EXPECT_EQ(value, std::nullopt);
}

TEST_P(TierContract, takes_empty_batches) {
  EXPECT_TRUE(tier.get_many({}, soon())->empty());
  EXPECT_TRUE(tier.put_many({}, soon())->empty());
  EXPECT_TRUE(tier.erase_many({}, soon()));
}

TEST_P(TierContract, erases_by_tag) {
  put("a", "1", 0, {"account:1", "all"});
  put("b", "2", 0, {"account:2", "all"});
  put("c", "3");
  ASSERT_TRUE(tier.erase_tag("account:1", soon()));
  EXPECT_EQ(text("a"), "(none)");
  EXPECT_EQ(text("b"), "2");
  ASSERT_TRUE(tier.erase_tag("all", soon()));
  EXPECT_EQ(text("b"), "(none)");
  EXPECT_EQ(text("c"), "3");
  put("a", "again", 0, {"all"});
  EXPECT_EQ(text("a"), "again");
  ASSERT_TRUE(tier.erase_tag("nobody has it", soon()));
}

TEST_P(TierContract, forgets_the_tags_of_a_value_that_was_replaced) {
  put("a", "1", 0, {"old"});
  put("a", "2", 0, {"new"});
  ASSERT_TRUE(tier.erase_tag("old", soon()));
  EXPECT_EQ(text("a"), "2");
}

TEST_P(TierContract, clears_everything_and_goes_on) {
  for (int i = 0; i < 50; ++i) put("k" + std::to_string(i), "v", 9, {"t"});
  ASSERT_TRUE(tier.clear(soon()));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(get("k" + std::to_string(i)), std::nullopt);
  put("k1", "new", 10);
  EXPECT_EQ(text("k1"), "new");
}

TEST_P(TierContract, keeps_nothing_that_was_read_before_it_was_cleared) {
  put("k", "new", 9);
  const std::uint64_t before = tier.era();
  if (before == 0) GTEST_SKIP() << "this level does not tell its era, and need not: nobody else clears it";
  ASSERT_TRUE(tier.clear(soon()));
  ASSERT_NE(tier.era(), before);
  ASSERT_TRUE(tier.put({.key = "k", .bytes = "old", .ttl = minute, .version = 4, .era = before}, soon()));
  EXPECT_EQ(get("k"), std::nullopt);
  ASSERT_TRUE(tier.put({.key = "k", .bytes = "newer", .ttl = minute, .version = 10, .era = tier.era()}, soon()));
  EXPECT_EQ(text("k"), "newer");
}

TEST_P(TierContract, touches_nothing_when_the_deadline_has_passed) {
  put("k", "v");
  const Deadline passed = Deadline::in(-Micros{1});
  EXPECT_EQ(tier.get("k", passed).error().code, Code::deadline);
  EXPECT_EQ(tier.put({.key = "k", .bytes = "w", .ttl = minute}, passed).error().code, Code::deadline);
  EXPECT_EQ(tier.erase("k", 0, passed).error().code, Code::deadline);
  EXPECT_EQ(tier.erase_tag("t", passed).error().code, Code::deadline);
  EXPECT_EQ(tier.clear(passed).error().code, Code::deadline);
  EXPECT_EQ(text("k"), "v");
}

TEST_P(TierContract, refuses_what_is_beyond_its_bounds) {
  const std::string key(cache::tier_key_max + 1, 'k');
  const std::string bytes(cache::tier_value_max + 1, 'v');
  EXPECT_EQ(tier.put({.key = key, .bytes = "v", .ttl = minute}, soon()).error().code, Code::invalid);
  EXPECT_EQ(tier.put({.key = "k", .bytes = bytes, .ttl = minute}, soon()).error().code, Code::invalid);
  EXPECT_EQ(tier.put({.key = "", .bytes = "v", .ttl = minute}, soon()).error().code, Code::invalid);
}

// Every writer puts rising versions of the same keys: the highest wins, whatever the order of arrival.
TEST_P(TierContract, holds_the_highest_version_after_a_race) {
  constexpr std::uint64_t rounds = 60;
  std::vector<std::jthread> writers;
  for (std::uint64_t w = 0; w < 4; ++w) {
    writers.emplace_back([this, w] {
      for (std::uint64_t r = 1; r <= rounds; ++r) {
        const std::uint64_t version = r * 4 + w;
        EXPECT_TRUE(
            tier.put({.key = "k", .bytes = std::to_string(version), .ttl = minute, .version = version}, soon()));
      }
    });
  }
  writers.clear();
  EXPECT_EQ(get("k")->version, rounds * 4 + 3);
  EXPECT_EQ(text("k"), std::to_string(rounds * 4 + 3));
}

}  // namespace chaveiro::contract
