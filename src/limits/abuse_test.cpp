#include "limits/abuse.h"

#include <gmock/gmock.h>

namespace chaveiro::limits {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct World {
  explicit World(AbuseOptions options = {}) : monitor(options, clock, metrics) {}
  // What became suspicious while these were answered, each followed by a payment order or not.
  std::vector<Suspicion> answered(int status, int count, bool ordered = true, std::string_view user = "u") {
    std::vector<Suspicion> all;
    for (int i = 0; i < count; ++i) {
      if (ordered) monitor.payment_order("12345678", user);
      for (const auto it : monitor.looked_up("12345678", user, status)) all.push_back(it);
    }
    return all;
  }
  ManualClock clock;
  Registry metrics;
  AbuseMonitor monitor;
};

TEST(AbuseMonitor, a_user_is_suspected_above_20_percent_of_404_and_not_below_100_look_ups) {
  World world({.not_found_participant = 0});
  EXPECT_THAT(world.answered(404, 20), IsEmpty());
  EXPECT_THAT(world.answered(200, 79), IsEmpty());
  EXPECT_THAT(world.answered(404, 1), ElementsAre(Suspicion::many_not_found)) << "21 of 100";
  EXPECT_THAT(world.answered(404, 1), IsEmpty()) << "told once";
  EXPECT_THAT(world.answered(200, 30), IsEmpty());
  EXPECT_THAT(world.answered(404, 20), ElementsAre(Suspicion::many_not_found))
      << "it had been left, and was crossed again";
}

TEST(AbuseMonitor, exactly_20_percent_is_not_above_20_percent) {
  World world({.not_found_participant = 0});
  EXPECT_THAT(world.answered(404, 20), IsEmpty());
  EXPECT_THAT(world.answered(200, 80), IsEmpty());
}

TEST(AbuseMonitor, a_participant_is_suspected_above_7_percent_of_404) {
  World world({.not_found_user = 0});
  EXPECT_THAT(world.answered(404, 7), IsEmpty());
  EXPECT_THAT(world.answered(200, 93), IsEmpty());
  EXPECT_THAT(world.answered(404, 1), ElementsAre(Suspicion::many_not_found));
}

TEST(AbuseMonitor, two_look_ups_for_one_payment_order_are_suspicious) {
  World world;
  world.answered(200, 51, true);
  EXPECT_THAT(world.answered(200, 49, false, "other"), IsEmpty()) << "100 look-ups, 51 orders";
  EXPECT_THAT(world.answered(200, 2, false, "other"), ElementsAre(Suspicion::few_orders));
}

TEST(AbuseMonitor, what_is_a_day_old_counts_no_more) {
  World world({.not_found_participant = 0});
  world.answered(404, 99);
  world.clock.advance(25h);
  EXPECT_THAT(world.answered(404, 1), IsEmpty());
  EXPECT_EQ(world.monitor.report(10)[1].not_found, 1);
}

TEST(AbuseMonitor, other_answers_say_nothing) {
  World world;
  EXPECT_THAT(world.answered(503, 500, false), IsEmpty());
}

TEST(AbuseMonitor, a_suspected_user_is_refused_only_where_that_is_wanted) {
  World lax;
  lax.answered(404, 200);
  EXPECT_TRUE(lax.monitor.admit("u"));
  World strict({.tighten = Tighten::yes});
  strict.answered(404, 200);
  EXPECT_EQ(strict.monitor.admit("u").error().reason, "ScanSuspected");
  EXPECT_TRUE(strict.monitor.admit("somebody else"));
  strict.clock.advance(25h);
  EXPECT_TRUE(strict.monitor.admit("u"));
}

TEST(AbuseMonitor, checked_keys_are_warned_about_above_300_and_refused_above_1000) {
  World world;
  EXPECT_FALSE(*world.monitor.check_keys("u", 200));
  EXPECT_FALSE(*world.monitor.check_keys("u", 100));
  EXPECT_TRUE(*world.monitor.check_keys("u", 1));
  EXPECT_TRUE(world.monitor.check_keys("u", 699));
  EXPECT_EQ(world.monitor.check_keys("u", 1).error().code, Code::exhausted);
  EXPECT_EQ(world.monitor.check_keys("other", INT64_MAX).error().code, Code::exhausted);
  world.clock.advance(25h);
  EXPECT_FALSE(*world.monitor.check_keys("u", 300));
}

TEST(AbuseMonitor, memory_is_bounded_and_quiet_users_make_room) {
  World world({.users_max = 10});
  for (int i = 0; i < 50; ++i) world.answered(200, 1, true, "user" + std::to_string(i));
  EXPECT_EQ(world.monitor.report(100).size(), 11u);
  world.clock.advance(25h);
  world.answered(200, 1, true, "new");
  EXPECT_THAT(world.monitor.report(1)[0].is_participant, true);
  EXPECT_EQ(world.monitor.report(100).size(), 2u);
}

}  // namespace
}  // namespace chaveiro::limits
