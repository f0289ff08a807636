#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "base/one_of_many.h"
#include "cache/warming.h"
#include "clients/redis/double.h"
#include "clients/redis/leases.h"
#include "tests/support/redis_server.h"

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;

Deadline soon() { return Deadline::in(30s); }
Deadline at_once() { return Deadline::in(-1us); }

struct RedisLocks : testing::Test {
  SystemClock clock;
  tests::RedisServer server;
  std::unique_ptr<Client> client = connect(server.url());
  RedisLeases leases{{}, *client, clock};
  static std::unique_ptr<Client> connect(const std::string& url) {
    auto made = Client::create(parse_url(url).value()).value();
    EXPECT_TRUE(made->wait_ready(soon()));
    return made;
  }
};

TEST_F(RedisLocks, are_held_by_one_and_number_their_holders) {
  const auto first = leases.take("job", 10s, soon()).value();
  const auto refused = leases.take("job", 10s, at_once());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "LeaseHeld");
  EXPECT_GT(*refused.error().retry_after, 9s);
  ASSERT_TRUE(first->release(soon()));
  ASSERT_TRUE(first->release(soon())) << "repeat-safe";
  const auto second = leases.take("job", 10s, at_once()).value();
  EXPECT_GT(second->fence(), first->fence());
  EXPECT_TRUE(leases.take("another job", 10s, at_once()));
}

TEST_F(RedisLocks, are_waited_for) {
  auto first = leases.take("job", 10s, soon()).value();
  std::jthread other([&] { EXPECT_TRUE(leases.take("job", 10s, soon())); });
  ASSERT_TRUE(first->release(soon()));
}

TEST_F(RedisLocks, end_by_themselves_and_tell_who_thought_to_hold_them) {
  const auto first = leases.take("job", 50ms, soon()).value();
  const auto second = leases.take("job", 10s, soon()).value();
  EXPECT_GE(clock.steady(), first->held_until()) << "ours ended before the server's";
  EXPECT_EQ(first->renew(soon()).error().reason, "LeaseLost");
  ASSERT_TRUE(first->release(soon()));
  EXPECT_FALSE(leases.take("job", 10s, at_once())) << "nobody frees what another holds";
  EXPECT_TRUE(second->renew(soon()));
}

TEST_F(RedisLocks, take_their_number_from_the_store_where_it_counts) {
  std::uint64_t last = 41;
  RedisLeases counted(
      {.prefix = "l:", .fence_source = [&](std::string_view, Deadline) { return Result<std::uint64_t>(++last); }},
      *client, clock);
  EXPECT_EQ(counted.take("job", 10s, soon()).value()->fence(), 42U);
}

// Eight threads raise a number that only the lock protects.
TEST_F(RedisLocks, keep_callers_apart) {
  int number = 0;
  std::uint64_t last_fence = 0;
  std::vector<std::jthread> callers;
  for (int t = 0; t < 8; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        const auto lease = leases.take("number", 10s, Deadline::in(30s)).value();
        ++number;
        EXPECT_GT(lease->fence(), last_fence);
        last_fence = lease->fence();
        ASSERT_TRUE(lease->release(soon()));
      }
    });
  }
  callers.clear();
  EXPECT_EQ(number, 80);
}

TEST_F(RedisLocks, answer_in_time_while_the_server_hangs) {
  server.freeze();
  const auto begin = clock.steady();
  EXPECT_FALSE(leases.take("job", 10s, at_once()));
  EXPECT_LT(clock.steady() - begin, tests::slack);
  server.thaw();
}

TEST_F(RedisLocks, elect_one_leader_and_another_when_it_resigns_or_loses_its_lock) {
  Guarded<int> ended{0};
  Election one({.name = "leader", .duration = 5s, .on_change = [&](auto term) { *ended.lock() += term ? 0 : 1; }},
               leases, clock, {});
  const auto first = one.wait_until_leader(soon());
  ASSERT_TRUE(first);
  Election two({.name = "leader", .duration = 5s, .on_change = {}}, leases, clock, {});
  EXPECT_EQ(two.wait_until_leader(Deadline::in(100ms)).error().code, Code::deadline);
  EXPECT_EQ(two.term(), std::nullopt);
  ASSERT_TRUE(one.resign(soon()));
  const auto second = two.wait_until_leader(soon());
  ASSERT_TRUE(second);
  EXPECT_GT(*second, *first);
  EXPECT_EQ(*ended.lock(), 1);
  // Another takes the lock away behind its back.
  server.command({"SET", "{chaveiro:lock:leader}", "someone"});
  tests::wait_until("the leader notices", [&] { return !two.term(); });
}

TEST_F(RedisLocks, end_the_term_of_a_leader_that_cannot_renew_it) {
  Election one({.name = "leader", .duration = 500ms, .on_change = {}}, leases, clock, {});
  ASSERT_TRUE(one.wait_until_leader(soon()));
  server.freeze();
  const auto begin = clock.steady();
  tests::wait_until("the term is over", [&] { return !one.term(); });
  EXPECT_LT(clock.steady() - begin, 500ms + tests::slack);
  server.thaw();
  EXPECT_TRUE(one.wait_until_leader(soon()));
}

TEST_F(RedisLocks, let_one_of_two_nodes_warm_a_level_that_both_share_and_the_other_go_on_when_the_lease_is_lost) {
  Guarded<std::set<std::string>> level;
  const auto warm = [&](OneOfMany& job, const std::function<void(std::string_view)>& on_key) {
    cache::WarmProgress progress;
    EXPECT_TRUE(job.run(soon(), [&](const OneOfMany::GoesOn& goes_on) -> Result<void> {
      cache::Warmer warmer({.keys = cache::KeySpace::range("k", 1, 300), .concurrency = 1}, clock);
      const auto load = [&](std::string_view key, Deadline) -> Result<cache::Warmer::Step> {
        if (!goes_on()) {
          warmer.stop();
          return fail(Code::cancelled, "NotOurs", "another node warms");
        }
        on_key(key);
        return level.lock()->emplace(key).second ? cache::Warmer::Step::loaded : cache::Warmer::Step::present;
      };
      TRY(progress, warmer.run(load, {}, soon()));
      return {};
    }));
    return progress;
  };
  Registry of_one, of_other;
  OneOfMany one({.job = "warming", .installation = "base", .lease_time = 1min}, &leases, clock, {}, of_one);
  ASSERT_TRUE(one.election()->wait_until_leader(soon()));
  const auto first = warm(one, [&](std::string_view key) {
    if (key != "k100") return;
    server.command({"SET", "{chaveiro:lock:warming:base}", "someone"});
    one.election()->poke();
    tests::wait_until("the node notices", [&] { return one.election()->standing() == Standing::follows; });
  });
  EXPECT_EQ(first.end, cache::WarmProgress::End::stopped);
  EXPECT_EQ(level.lock()->size(), 100u);
  ASSERT_TRUE(one.leave(soon()));
  server.command({"DEL", "{chaveiro:lock:warming:base}"});
  OneOfMany other({.job = "warming", .installation = "base", .lease_time = 1min}, &leases, clock, {}, of_other);
  ASSERT_TRUE(other.election()->wait_until_leader(soon()));
  const auto second = warm(other, [](std::string_view) {});
  EXPECT_EQ(second.end, cache::WarmProgress::End::complete);
  EXPECT_EQ(second.loaded, 200u);
  EXPECT_EQ(second.present, 100u);
  EXPECT_EQ(warm(one, [](std::string_view) {}).total, 0u) << "the node that left does not warm";
}

TEST(RedisLocksOnADouble, are_the_same) {
  ManualClock clock;
  const auto twin = Double::start({}, clock).value();
  teach_lease_scripts(*twin);
  const auto client = RedisLocks::connect(twin->url());
  RedisLeases leases({}, *client, clock);
  const auto first = leases.take("job", 10s, soon()).value();
  EXPECT_FALSE(leases.take("job", 10s, at_once()));
  clock.advance(10s);
  EXPECT_EQ(first->renew(soon()).error().reason, "LeaseLost");
  EXPECT_GT(leases.take("job", 10s, at_once()).value()->fence(), first->fence());
}

}  // namespace
}  // namespace chaveiro::redis
