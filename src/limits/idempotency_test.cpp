#include "limits/idempotency.h"

#include <gtest/gtest.h>

#include <thread>

namespace chaveiro::limits {
namespace {

using namespace std::chrono_literals;

IdempotencyKey key_of(std::string key, std::string_view body = "body") { return {std::move(key), sha256(body)}; }

struct World {
  explicit World(IdempotencyOptions options = {}, IdempotencyMemoryOptions store_options = {})
      : store(store_options, clock), idempotency(options, store) {}
  Result<Idempotency::Ran> run(const IdempotencyKey& key, int status = 200, std::string body = "done") {
    return idempotency.run(key, Deadline::in(60s), [&]() -> Result<StoredAnswer> {
      ++worked;
      return StoredAnswer{status, body};
    });
  }
  ManualClock clock;
  IdempotencyMemoryStore store;
  Idempotency idempotency;
  int worked = 0;
};

TEST(Idempotency, the_first_answer_is_given_again_and_the_work_done_once) {
  World world;
  EXPECT_FALSE(world.run(key_of("a"), 201, "first")->repeated);
  const auto again = world.run(key_of("a"), 201, "second");
  EXPECT_TRUE(again->repeated);
  EXPECT_EQ(again->answer, (StoredAnswer{201, "first"}));
  EXPECT_EQ(world.worked, 1);
}

TEST(Idempotency, another_body_under_the_same_key_is_refused) {
  World world;
  ASSERT_TRUE(world.run(key_of("a", "one")));
  EXPECT_EQ(world.run(key_of("a", "two")).error().reason, "RequestIdAlreadyUsed");
  EXPECT_TRUE(world.run(key_of("b", "two")));
}

TEST(Idempotency, answers_that_do_not_stand_are_not_kept) {
  for (const int status : {401, 429, 500, 503, 302}) {
    World world;
    ASSERT_TRUE(world.run(key_of("a"), status));
    EXPECT_FALSE(world.run(key_of("a"), 200)->repeated) << status;
  }
  for (const int status : {200, 201, 400, 404, 409}) {
    World world;
    ASSERT_TRUE(world.run(key_of("a"), status));
    EXPECT_TRUE(world.run(key_of("a"), 500)->repeated) << status;
  }
}

TEST(Idempotency, a_failed_call_may_be_tried_again_at_once) {
  World world;
  const auto failed = world.idempotency.run(
      key_of("a"), Deadline::in(1s), []() -> Result<StoredAnswer> { return fail(Code::unavailable, "Away", "away"); });
  EXPECT_EQ(failed.error().code, Code::unavailable);
  EXPECT_FALSE(world.run(key_of("a"))->repeated);
}

TEST(Idempotency, duplicates_wait_for_the_first_and_get_its_answer) {
  World world;
  Guarded<bool> go(false);
  std::jthread first([&] {
    const auto ran = world.idempotency.run(key_of("a"), Deadline::in(60s), [&]() -> Result<StoredAnswer> {
      auto it = go.lock();
      it.wait(Deadline::in(60s), [](bool now) { return now; });
      return StoredAnswer{201, "first"};
    });
    EXPECT_FALSE(ran->repeated);
  });
  while (world.store.begin(key_of("a"), 0s, Deadline::never())->kind == Begun::Kind::first) std::this_thread::yield();
  std::vector<std::jthread> duplicates;
  for (int i = 0; i < 3; ++i)
    duplicates.emplace_back([&] {
      const auto ran = world.run(key_of("a"), 500, "never");
      ASSERT_TRUE(ran) << ran.error().message;
      EXPECT_EQ(ran->answer.body, "first");
    });
  while (world.idempotency.waiting() < 3) std::this_thread::yield();
  *go.lock() = true;
  go.notify_all();
}

TEST(Idempotency, a_duplicate_that_waited_long_enough_is_told_that_the_first_is_at_work) {
  World world({.wait_max = 0s});
  ASSERT_EQ(world.store.begin(key_of("a"), 10s, Deadline::never())->kind, Begun::Kind::first);
  const auto told = world.run(key_of("a"));
  EXPECT_EQ(told.error().reason, "RequestInProgress");
  EXPECT_TRUE(told.error().retry_after.has_value());
}

TEST(Idempotency, a_dead_first_is_taken_over_after_its_lease_and_its_late_answer_is_refused) {
  World world({.lease = 10s, .wait_max = 0s});
  const auto dead = world.store.begin(key_of("a"), 10s, Deadline::never());
  EXPECT_FALSE(world.run(key_of("a")));
  world.clock.advance(10s);
  EXPECT_EQ(world.run(key_of("a"), 200, "second")->answer.body, "second");
  EXPECT_EQ(world.store.finish(key_of("a"), dead->fence, {200, "late"}, Deadline::never()).error().reason, "LeaseLost");
  EXPECT_EQ(world.run(key_of("a"))->answer.body, "second");
}

TEST(Idempotency, an_answer_is_forgotten_after_its_time_and_memory_is_bounded) {
  World world({}, {.keep = 24h, .answers_max = 10});
  ASSERT_TRUE(world.run(key_of("a")));
  world.clock.advance(24h);
  EXPECT_FALSE(world.run(key_of("a"))->repeated);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(world.run(key_of(std::to_string(i))));
  EXPECT_TRUE(world.run(key_of("99"))->repeated);
  EXPECT_FALSE(world.run(key_of("1"))->repeated);
}

TEST(TieredIdempotency, the_loss_of_the_fast_store_changes_speed_and_not_truth) {
  class Front final : public IdempotencyStore {
   public:
    explicit Front(IdempotencyStore& its_store) : store(&its_store) {}
    Result<Begun> begin(const IdempotencyKey& key, Micros lease, Deadline deadline) override {
      if (away) return fail(Code::unavailable, "Away", "away");
      return store->begin(key, lease, deadline);
    }
    Result<void> finish(const IdempotencyKey& key, std::uint64_t fence, const StoredAnswer& answer,
                        Deadline deadline) override {
      if (away) return fail(Code::unavailable, "Away", "away");
      return store->finish(key, fence, answer, deadline);
    }
    Result<void> abandon(const IdempotencyKey& key, std::uint64_t fence, Deadline deadline) override {
      if (away) return fail(Code::unavailable, "Away", "away");
      return store->abandon(key, fence, deadline);
    }
    IdempotencyStore* store;
    bool away = false;
  };
  ManualClock clock;
  IdempotencyMemoryStore memory({}, clock);
  IdempotencyMemoryStore emptied({}, clock);
  IdempotencyMemoryStore durable({.keep = 0s}, clock);
  Front front(memory);
  TieredIdempotencyStore tiered(front, durable);
  Idempotency idempotency({.wait_max = 0s}, tiered);
  int worked = 0;
  const auto run = [&](std::string key, std::string_view body = "body") {
    return idempotency.run(key_of(std::move(key), body), Deadline::in(60s),
                           [&]() -> Result<StoredAnswer> { return StoredAnswer{200, std::to_string(++worked)}; });
  };
  EXPECT_EQ(run("a")->answer.body, "1");
  EXPECT_TRUE(run("a")->repeated);
  front.away = true;
  EXPECT_EQ(run("a")->answer.body, "1");
  EXPECT_EQ(run("b")->answer.body, "2");
  front.away = false;
  front.store = &emptied;
  EXPECT_EQ(run("a")->answer.body, "1") << "an empty Redis";
  EXPECT_EQ(run("b")->answer.body, "2");
  EXPECT_EQ(run("b", "other").error().reason, "RequestIdAlreadyUsed");
  EXPECT_EQ(worked, 2);
}

}  // namespace
}  // namespace chaveiro::limits
