#include "limits/memory_store.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/contract/limit_property.h"

namespace chaveiro::limits {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<const Terms> terms_of(std::int64_t amount, Micros period, std::string rule = "rule",
                                      OnChange change = OnChange::as_is) {
  Limit limit;
  limit.amount = amount;
  limit.period = period;
  return *make_terms(std::move(rule), limit, change);
}

struct World {
  explicit World(MemoryStoreOptions options = {}) : store(options, clock) {}
  Verdict ask(std::vector<Ask> asks, Mode mode = Mode::take) { return *store.take(asks, mode, Deadline::never()); }
  bool allowed(std::string_view key, const std::shared_ptr<const Terms>& terms, std::int64_t cost = 1) {
    return ask({{key, terms.get(), cost}}).allowed;
  }

  ManualClock clock;
  MemoryStore store;
};

TEST(MemoryStore, answers_what_the_literal_model_answers) {
  test::hold(
      [](const test::Case& it) {
        return test::differs(it, [](const Limit& limit, std::int64_t begin) -> test::Bucket {
          struct Held {
            explicit Held(std::int64_t begin) : clock(UtcTime{Micros{begin}}), store({}, clock), utc(begin) {}
            ManualClock clock;
            MemoryStore store;
            std::int64_t utc;
          };
          auto held = std::make_shared<Held>(begin);
          auto terms = *make_terms("rule", limit);
          const Ask look{"subject", terms.get(), 0};  // makes the bucket at the time at which the model begins
          CHECK(held->store.take({&look, 1}, Mode::take, Deadline::never()));
          return [held, terms](const test::Step& step, std::int64_t now) {
            // Steady time never steps back; the wall clock does.
            if (now > held->utc) held->clock.advance(Micros{now - held->utc});
            held->utc = std::max(held->utc, now);
            held->clock.set_utc(UtcTime{Micros{now}});
            const Ask ask{"subject", terms.get(), step.cost};
            return held->store.take({&ask, 1}, step.mode, Deadline::never())->decisions[0];
          };
        });
      },
      5'000);
}

TEST(MemoryStore, several_limits_are_charged_together_or_not_at_all) {
  World world;
  const auto wide = terms_of(10, 60s, "wide");
  const auto narrow = terms_of(2, 60s, "narrow");
  const std::vector<Ask> both{{"w", wide.get(), 1}, {"n", narrow.get(), 1}};
  EXPECT_TRUE(world.ask(both).allowed);
  EXPECT_TRUE(world.ask(both).allowed);
  const Verdict refused = world.ask(both);
  EXPECT_FALSE(refused.allowed);
  EXPECT_TRUE(refused.decisions[0].allowed);
  EXPECT_EQ(refused.decisions[0].remaining, 8) << "nothing was charged";
  EXPECT_EQ(refused.tightest(both)->limit, 2);
}

TEST(MemoryStore, a_shadow_limit_says_no_and_refuses_nobody) {
  World world;
  const auto terms = terms_of(1, 60s);
  const std::vector<Ask> shadow{{"s", terms.get(), 1, Weight::shadow}};
  EXPECT_TRUE(world.ask(shadow).allowed);
  const Verdict second = world.ask(shadow);
  EXPECT_TRUE(second.allowed);
  EXPECT_FALSE(second.decisions[0].allowed);
  EXPECT_EQ(second.decisions[0].count, 1);
}

TEST(MemoryStore, a_bucket_named_twice_in_a_call_is_asked_for_the_sum) {
  World world;
  const auto terms = terms_of(3, 60s);
  EXPECT_FALSE(world.ask({{"s", terms.get(), 2}, {"s", terms.get(), 2}}).allowed);
  EXPECT_TRUE(world.ask({{"s", terms.get(), 2}, {"s", terms.get(), 1}}).allowed);
  EXPECT_FALSE(world.allowed("s", terms));
}

TEST(MemoryStore, peek_charges_nothing_and_makes_no_bucket) {
  World world;
  const auto terms = terms_of(1, 60s);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(world.ask({{"s", terms.get(), 1}}, Mode::peek).allowed);
  EXPECT_EQ(world.store.figures().buckets, 0u);
}

TEST(MemoryStore, a_step_of_the_wall_clock_changes_no_balance) {
  World world;
  const auto terms = terms_of(1, 1h);
  ASSERT_TRUE(world.allowed("s", terms));
  for (const auto step : {5h, -5h, 24h * 300}) {
    world.clock.set_utc(world.clock.now() + step);
    EXPECT_FALSE(world.allowed("s", terms));
  }
  world.clock.advance(1h);
  EXPECT_TRUE(world.allowed("s", terms));
}

TEST(MemoryStore, a_changed_rule_carries_its_counts_over) {
  World world;
  const auto before = terms_of(100, 60s, "rule");
  ASSERT_TRUE(world.allowed("s", before, 60));
  const auto after = terms_of(200, 60s, "rule", OnChange::proportion);
  EXPECT_EQ(world.ask({{"s", after.get(), 0}}).decisions[0].remaining, 80);
}

TEST(MemoryStore, an_operator_makes_a_bucket_new) {
  World world;
  const auto terms = terms_of(1, 1h);
  ASSERT_TRUE(world.allowed("s", terms));
  ASSERT_FALSE(world.allowed("s", terms));
  ASSERT_TRUE(world.store.reset("s", Deadline::never()));
  EXPECT_TRUE(world.allowed("s", terms));
}

TEST(MemoryStore, forgets_only_what_is_as_new_so_that_forgetting_never_refills) {
  // A bound of one bucket a stripe: nearly every subject fights for a place.
  World world({.buckets_max = 64, .sweep_max = 8});
  const auto terms = terms_of(3, 60s);
  Random random(7);
  std::vector<test::LiteralModel> models;
  for (int i = 0; i < 300; ++i) models.emplace_back(terms->limit, 1'767'225'600'000'000);
  std::int64_t now = 1'767'225'600'000'000;
  int admitted = 0;
  for (int i = 0; i < 50'000; ++i) {
    const auto by = static_cast<std::int64_t>(random.below(1'000'000));
    world.clock.advance(Micros{by});
    now += by;
    const std::size_t subject = random.below(models.size());
    models[subject].advance_to(now);
    const bool said = world.allowed("subject" + std::to_string(subject), terms);
    ASSERT_TRUE(!said || models[subject].allows(1)) << "step " << i << " admitted what a full memory refuses";
    if (said) models[subject].admit(1);
    admitted += said ? 1 : 0;
  }
  EXPECT_GT(admitted, 1'000);
  EXPECT_GT(world.store.figures().forgotten, 1'000u);
  EXPECT_GT(world.store.figures().overflowed, 1'000u);
  EXPECT_LE(world.store.figures().buckets, 64u);
}

TEST(MemoryStore, a_million_subjects_stay_within_the_bound_and_the_rest_shares_one_strict_bucket) {
  World world({.buckets_max = 64'000});
  const auto terms = terms_of(5, 1h);
  std::size_t admitted = 0;
  for (int i = 0; i < 1'000'000; ++i) admitted += world.allowed("subject" + std::to_string(i), terms) ? 1 : 0;
  EXPECT_LE(world.store.figures().buckets, 64'000u);
  EXPECT_GE(world.store.figures().overflowed, 936'000u);
  EXPECT_LE(admitted, 64'000u + 5u);
}

TEST(MemoryStore, threads_together_are_admitted_as_often_as_one) {
  World world;
  const auto wide = terms_of(5'000, 24h, "wide");
  const auto narrow = terms_of(100, 24h, "narrow");
  Guarded<int> admitted(0);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        int mine = 0;
        for (int i = 0; i < 2'000; ++i) {
          const std::string own = "n" + std::to_string((i + t) % 70);
          mine += world.ask({{own, narrow.get(), 1}, {"w", wide.get(), 1}}).allowed ? 1 : 0;
        }
        admitted.with([&](int& all) { all += mine; });
      });
  }
  EXPECT_EQ(*admitted.lock(), 5'000);
}

TEST(MemoryStore, tells_who_uses_most) {
  World world;
  const auto terms = terms_of(10, 1h);
  for (int i = 0; i < 200; ++i) world.allowed("quiet" + std::to_string(i), terms);
  for (int i = 0; i < 9; ++i) world.allowed("busy", terms);
  const auto top = *world.store.busiest("rule", 3, Deadline::never());
  ASSERT_EQ(top.size(), 3u);
  EXPECT_EQ(top[0].key, "busy");
  EXPECT_EQ(top[0].decision.count, 9);
}

}  // namespace
}  // namespace chaveiro::limits
