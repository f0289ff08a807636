#include "limits/arithmetic.h"

#include <gtest/gtest.h>

#include "limits/store.h"
#include "tests/contract/limit_property.h"

namespace chaveiro::limits {
namespace {

using namespace std::chrono_literals;

Limit limit_of(Algorithm algorithm, std::int64_t amount, Micros period, std::int64_t burst = 0) {
  Limit limit;
  limit.algorithm = algorithm;
  limit.amount = amount;
  limit.period = period;
  limit.burst = burst;
  return limit;
}

// One bucket whose time is moved by hand.
class Bucket {
 public:
  explicit Bucket(const Limit& limit, std::int64_t now = 0)
      : limit_(limit), numbers_(*numbers_of(limit)), now_(now), state_(fresh(numbers_, moment_of(limit, now))) {}

  Decision ask(Mode mode, std::int64_t cost, std::int64_t holder = 0) {
    roll(numbers_, state_, moment_of(limit_, now_));
    const bool allowed = cost <= room(numbers_, state_);
    if (mode == Mode::force || (mode == Mode::take && allowed)) spend(numbers_, state_, cost, holder);
    return describe(numbers_, state_, cost, allowed);
  }
  Decision take(std::int64_t cost = 1, std::int64_t holder = 0) { return ask(Mode::take, cost, holder); }
  void later(Micros by) { now_ += by.count(); }
  void set(std::int64_t now) { now_ = now; }
  State& state() { return state_; }
  const Numbers& numbers() const { return numbers_; }

 private:
  Limit limit_;
  Numbers numbers_;
  std::int64_t now_;
  State state_;
};

TEST(Arithmetic, answers_what_the_literal_model_answers) {
  test::hold(
      [](const test::Case& it) {
        return test::differs(it, [](const Limit& limit, std::int64_t begin) -> test::Bucket {
          return [bucket = std::make_shared<Bucket>(limit, begin)](const test::Step& step, std::int64_t now) {
            bucket->set(now);
            return bucket->ask(step.mode, step.cost);
          };
        });
      },
      20'000);
}

TEST(Arithmetic, a_failing_case_is_made_smaller_until_every_step_is_needed) {
  // Wrong on purpose: forgets the first admission.
  const test::Judge wrong = [](const test::Case& it) {
    return test::differs(it, [](const Limit& limit, std::int64_t begin) -> test::Bucket {
      return [bucket = std::make_shared<Bucket>(limit, begin), first = std::make_shared<bool>(true)](
                 const test::Step& step, std::int64_t now) {
        bucket->set(now);
        const Decision said = bucket->ask(*first ? Mode::peek : step.mode, step.cost);
        *first = false;
        return said;
      };
    });
  };
  std::uint64_t seed = 1;
  while (!wrong(test::make_case(seed, Algorithm::token_bucket))) ASSERT_LT(++seed, 100u);
  const test::Case small = test::smaller(test::make_case(seed, Algorithm::token_bucket), wrong);
  EXPECT_LE(small.steps.size(), 2u);
  EXPECT_TRUE(wrong(small));
}

TEST(TokenBucket, refills_a_third_of_a_token_without_drift) {
  Bucket bucket(limit_of(Algorithm::token_bucket, 1, 3us));
  ASSERT_TRUE(bucket.take().allowed);
  std::int64_t admitted = 0;
  for (int i = 0; i < 3'000'000; ++i) {
    bucket.later(1us);
    admitted += bucket.take().allowed ? 1 : 0;
  }
  EXPECT_EQ(admitted, 1'000'000);
}

TEST(TokenBucket, goes_into_debt_by_force_and_pays_it_back_first) {
  Bucket bucket(limit_of(Algorithm::token_bucket, 2, 60s, 100));
  bucket.ask(Mode::force, 115);
  Decision said = bucket.take();
  EXPECT_FALSE(said.allowed);
  EXPECT_EQ(said.count, 115);
  EXPECT_EQ(said.remaining, 0);
  EXPECT_EQ(said.retry_after, 8min);
  bucket.later(8min - 1us);
  EXPECT_FALSE(bucket.take().allowed);
  bucket.later(1us);
  EXPECT_TRUE(bucket.take().allowed);
}

TEST(TokenBucket, what_is_given_back_never_passes_the_capacity) {
  Bucket bucket(limit_of(Algorithm::token_bucket, 10, 60s));
  bucket.take(3);
  EXPECT_EQ(bucket.ask(Mode::force, -2).remaining, 9);
  EXPECT_EQ(bucket.ask(Mode::force, INT64_MIN).remaining, 10);
}

TEST(Limits, costs_near_the_end_of_int64_are_refused_and_change_nothing) {
  for (int algorithm = 1; algorithm <= 7; ++algorithm) {
    Bucket bucket(limit_of(static_cast<Algorithm>(algorithm), 5, 60s));
    for (const std::int64_t cost : {INT64_MAX, INT64_MAX - 1, std::int64_t{1} << 62, std::int64_t{6}}) {
      const Decision said = bucket.take(cost);
      EXPECT_FALSE(said.allowed);
      EXPECT_EQ(said.remaining, 5);
      EXPECT_EQ(said.retry_after, never);
    }
    bucket.ask(Mode::force, INT64_MAX);
    EXPECT_FALSE(bucket.take().allowed) << algorithm;
  }
}

TEST(Limits, a_limit_of_zero_admits_nothing_ever) {
  for (int algorithm = 1; algorithm <= 7; ++algorithm) {
    Bucket bucket(limit_of(static_cast<Algorithm>(algorithm), 0, 60s, 7));
    for (int i = 0; i < 3; ++i) {
      const Decision said = bucket.take();
      EXPECT_FALSE(said.allowed) << algorithm;
      EXPECT_EQ(said.retry_after, never);
      bucket.later(1h);
    }
  }
}

TEST(Limits, a_clock_that_steps_back_never_refills) {
  for (int algorithm = 1; algorithm <= 6; ++algorithm) {
    const std::int64_t noon = 1'800'000'000'000'000;
    Bucket bucket(limit_of(static_cast<Algorithm>(algorithm), 3, 60s), noon);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(bucket.take().allowed) << algorithm;
    for (const auto back : {1h, 5h, 24h * 400}) {
      bucket.set(noon - std::chrono::duration_cast<Micros>(back).count());
      EXPECT_FALSE(bucket.take().allowed) << algorithm;
    }
    bucket.set(0);
    EXPECT_FALSE(bucket.take().allowed) << algorithm;
    bucket.set(noon + std::chrono::duration_cast<Micros>(24h * 400).count());
    EXPECT_TRUE(bucket.take().allowed) << algorithm;
  }
}

TEST(Limits, time_zero_and_before_are_moments_like_others) {
  for (int algorithm = 1; algorithm <= 7; ++algorithm) {
    Bucket bucket(limit_of(static_cast<Algorithm>(algorithm), 2, 60s), -5);
    EXPECT_TRUE(bucket.take(1, 1).allowed);
    EXPECT_TRUE(bucket.take(1, 2).allowed);
    EXPECT_FALSE(bucket.take(1, 3).allowed);
  }
}

TEST(FixedWindow, admits_twice_the_amount_around_an_edge_and_the_log_does_not) {
  const auto burst_around_the_edge = [](Algorithm algorithm) {
    Bucket bucket(limit_of(algorithm, 100, 60s));
    bucket.later(59s);
    int admitted = 0;
    for (int i = 0; i < 200; ++i) admitted += bucket.take().allowed ? 1 : 0;
    bucket.later(2s);
    for (int i = 0; i < 200; ++i) admitted += bucket.take().allowed ? 1 : 0;
    return admitted;
  };
  EXPECT_EQ(burst_around_the_edge(Algorithm::fixed_window), 200);
  EXPECT_EQ(burst_around_the_edge(Algorithm::sliding_log), 100);
  EXPECT_EQ(burst_around_the_edge(Algorithm::sliding_window), 101);
}

TEST(Calendar, begins_anew_with_the_day_of_its_place) {
  Limit limit = limit_of(Algorithm::calendar, 2, 0s);
  limit.zone = *Zone::find("America/Sao_Paulo");
  const auto at = [](const char* text) { return parse_rfc3339(text)->time_since_epoch().count(); };
  Bucket bucket(limit, at("2026-11-21T02:59:00Z"));
  EXPECT_TRUE(bucket.take(2).allowed);
  const Decision full = bucket.take();
  EXPECT_EQ(full.retry_after, 60s);
  bucket.set(at("2026-11-21T03:00:00Z"));
  EXPECT_TRUE(bucket.take(2).allowed);
  EXPECT_EQ(bucket.take().retry_after, 24h);
}

TEST(Concurrency, gives_a_place_back_when_its_holder_ends_or_falls_silent) {
  Bucket bucket(limit_of(Algorithm::concurrency, 2, 30s));
  EXPECT_TRUE(bucket.take(1, 11).allowed);
  bucket.later(10s);
  EXPECT_TRUE(bucket.take(1, 12).allowed);
  EXPECT_EQ(bucket.take(1, 13).retry_after, 20s);
  release(bucket.state(), 12);
  release(bucket.state(), 12);
  EXPECT_TRUE(bucket.take(1, 14).allowed);
  EXPECT_FALSE(bucket.take(1, 15).allowed);
  bucket.later(20s);
  EXPECT_TRUE(bucket.take(1, 16).allowed) << "11 said nothing for 30 s";
}

TEST(Changed, carries_over_what_was_counted_as_the_rule_says) {
  for (const auto from : {Algorithm::token_bucket, Algorithm::gcra, Algorithm::fixed_window, Algorithm::sliding_log})
    for (const auto to :
         {Algorithm::token_bucket, Algorithm::gcra, Algorithm::sliding_window, Algorithm::sliding_log}) {
      const auto left_after = [&](OnChange how, std::int64_t capacity) {
        Bucket old(limit_of(from, 100, 60s));
        old.take(60);
        const Numbers next = *numbers_of(limit_of(to, capacity, 60s));
        return room(next, changed(old.numbers(), old.state(), next, Moment{0, {}}, how));
      };
      EXPECT_EQ(left_after(OnChange::as_is, 200), 40);
      EXPECT_EQ(left_after(OnChange::as_is, 30), 30);
      EXPECT_EQ(left_after(OnChange::proportion, 200), 80);
      EXPECT_EQ(left_after(OnChange::proportion, 5), 2);
      EXPECT_EQ(left_after(OnChange::additive, 200), 140);
      EXPECT_LE(left_after(OnChange::additive, 50), 0);
      EXPECT_EQ(left_after(OnChange::reset, 50), 50);
    }
}

TEST(Limit, what_cannot_be_counted_exactly_is_refused_by_name) {
  EXPECT_EQ(numbers_of(limit_of(Algorithm::token_bucket, 999'999'999'989, 24h)).error().violations[0].field, "amount");
  EXPECT_EQ(numbers_of(limit_of(Algorithm::token_bucket, 1, 24h, 1'000'000'000)).error().violations[0].field, "burst");
  EXPECT_EQ(numbers_of(limit_of(Algorithm::token_bucket, -1, 24h)).error().violations[0].field, "amount");
  EXPECT_EQ(numbers_of(limit_of(Algorithm::gcra, 1, 0s)).error().violations[0].field, "period");
  EXPECT_EQ(numbers_of(limit_of(Algorithm::sliding_log, 10'001, 1s)).error().violations[0].field, "amount");
  EXPECT_TRUE(numbers_of(limit_of(Algorithm::token_bucket, 1'000'000, 24h)));
}

}  // namespace
}  // namespace chaveiro::limits
