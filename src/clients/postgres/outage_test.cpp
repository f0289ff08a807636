#include "clients/postgres/outage.h"

#include <gtest/gtest.h>

namespace chaveiro::clients::postgres {
namespace {

using namespace std::chrono_literals;

const SteadyTime noon{1h};
Error gone_away() { return fail(Code::unavailable, "DatabaseGone", "the database cannot be reached"); }

TEST(Outage, is_waited_out_while_it_is_young_with_pauses_that_grow) {
  Outage outage({.patience = 100ms, .pause_first = 20ms, .pause_max = 1s});
  EXPECT_LE(outage.next_try(), noon);
  outage.failed(noon, gone_away(), true);
  EXPECT_EQ(outage.next_try(), noon + 20ms);
  EXPECT_FALSE(outage.refusal(noon)) << "worth the wait";
  outage.failed(noon + 20ms, gone_away(), true);
  EXPECT_EQ(outage.next_try(), noon + 60ms);
  EXPECT_FALSE(outage.refusal(noon + 20ms));
}

TEST(Outage, that_lasts_refuses_everybody_between_few_tries) {
  Outage outage({.patience = 100ms, .pause_first = 20ms, .pause_max = 1s});
  SteadyTime now = noon;
  for (int tries = 0; tries < 20; ++tries) {
    outage.failed(now, gone_away(), true);
    now = outage.next_try();
  }
  outage.failed(now, gone_away(), true);
  EXPECT_EQ(outage.next_try(), now + 1s);
  const auto refused = outage.refusal(now + 300ms);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->reason, "DatabaseGone");
  EXPECT_EQ(refused->retry_after, 700ms);
  EXPECT_FALSE(outage.refusal(now + 1s)) << "a try is due";
  outage.over();
  EXPECT_FALSE(outage.refusal(now));
  EXPECT_LE(outage.next_try(), now);
  outage.failed(now, gone_away(), true);
  EXPECT_EQ(outage.next_try(), now + 20ms) << "another outage begins anew";
}

TEST(Outage, that_waiting_does_not_end_refuses_at_once) {
  Outage outage({.patience = 1s, .pause_first = 20ms, .pause_max = 1s});
  outage.failed(noon, fail(Code::unavailable, "DatabaseLogin", "the database refused the login"), false);
  EXPECT_TRUE(outage.refusal(noon));
  EXPECT_FALSE(outage.refusal(noon + 20ms));
}

}  // namespace
}  // namespace chaveiro::clients::postgres
