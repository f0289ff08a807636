#include "app/health.h"

#include <gtest/gtest.h>

namespace chaveiro::app {
namespace {

TEST(PlatformHealth, is_ready_only_while_everything_that_decides_answers) {
  Result<void> store, cache;
  PlatformHealth health(
      {{"store", true, [&](Deadline) { return store; }}, {"cache", false, [&](Deadline) { return cache; }}});
  EXPECT_FALSE(health.health().ready) << "nothing was asked yet";
  EXPECT_TRUE(health.refresh(Deadline::never()));
  EXPECT_TRUE(health.health().ready);

  cache = fail(Code::unavailable, "", "away");
  EXPECT_TRUE(health.refresh(Deadline::never()));
  EXPECT_TRUE(health.health().ready);
  EXPECT_EQ(health.health().components[1].state, api::ComponentState::degraded);

  store = fail(Code::unavailable, "", "disk gone");
  EXPECT_FALSE(health.refresh(Deadline::never()));
  EXPECT_FALSE(health.health().ready);
  EXPECT_EQ(health.health().components[0].state, api::ComponentState::down);
  EXPECT_EQ(health.health().components[0].message, "disk gone");
}

TEST(PlatformHealth, is_not_ready_while_it_drains_whatever_the_store_says) {
  PlatformHealth health({{"store", true, [](Deadline) { return Result<void>{}; }}});
  EXPECT_TRUE(health.refresh(Deadline::never()));
  health.drain();
  EXPECT_FALSE(health.health().ready);
  EXPECT_TRUE(health.refresh(Deadline::never()));
  EXPECT_FALSE(health.health().ready);
}

}  // namespace
}  // namespace chaveiro::app
