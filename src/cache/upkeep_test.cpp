#include "cache/upkeep.h"

#include <gtest/gtest.h>

namespace chaveiro::cache {
namespace {

using namespace std::chrono_literals;

struct Counted final : DurableTier {
  int rows = 0, steps = 0, written = 0, counts = 0;
  bool away = false;
  Result<bool> purge_step(Deadline) override {
    ++steps;
    rows = std::max(0, rows - 10);
    return rows > 0;
  }
  Result<void> write_hits(Deadline) override {
    ++written;
    return {};
  }
  Result<bool> rebuild_hot(Micros, Deadline) override {
    if (away) return fail(Code::unavailable, "Away", "away");
    return ++counts > 0;
  }
  Result<std::vector<HotPrefix>> hot(Deadline) override { return std::vector<HotPrefix>{}; }
};

UtcTime at(const char* text) { return parse_rfc3339(text).value(); }

TEST(Upkeep, counts_at_three_in_the_morning_of_sao_paulo) {
  EXPECT_EQ(next_count_of_hot(at("2026-11-21T05:59:59Z")), at("2026-11-21T06:00:00Z"));
  EXPECT_EQ(next_count_of_hot(at("2026-11-21T06:00:00Z")), at("2026-11-22T06:00:00Z"));
  EXPECT_EQ(next_count_of_hot(at("2026-11-21T03:00:00-03:00") - 1us), at("2026-11-21T06:00:00Z"));
}

TEST(Upkeep, counts_once_a_day_and_again_where_it_failed) {
  Counted tier;
  ManualClock clock(at("2026-11-21T04:00:00Z"));
  Upkeep upkeep(tier, clock);
  ASSERT_TRUE(upkeep.run_once(Deadline::never()));
  EXPECT_EQ(tier.counts, 0);
  clock.advance(2h);
  tier.away = true;
  EXPECT_FALSE(upkeep.run_once(Deadline::never()));
  tier.away = false;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(upkeep.run_once(Deadline::never()));
  EXPECT_EQ(tier.counts, 1);
  EXPECT_EQ(upkeep.count_due(), at("2026-11-22T06:00:00Z"));
}

TEST(Upkeep, gives_room_back_in_a_bounded_number_of_steps) {
  Counted tier;
  ManualClock clock;
  Upkeep upkeep(tier, clock, {.steps_max = 4});
  tier.rows = 75;
  ASSERT_TRUE(upkeep.run_once(Deadline::never()));
  EXPECT_EQ(tier.steps, 4);
  ASSERT_TRUE(upkeep.run_once(Deadline::never()));
  EXPECT_EQ(tier.steps, 8);
  EXPECT_EQ(tier.rows, 0);
}

TEST(Upkeep, leaves_the_room_to_somebody_else_and_still_writes_what_was_read) {
  Counted tier;
  ManualClock clock;
  Upkeep upkeep(tier, clock, {.steps_max = 0});
  tier.rows = 75;
  ASSERT_TRUE(upkeep.run_once(Deadline::never()));
  EXPECT_EQ(tier.steps, 0);
  EXPECT_EQ(tier.written, 1);
}

}  // namespace
}  // namespace chaveiro::cache
