#include "limits/official_bucket.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace chaveiro::limits {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t minute = 60'000'000;

OfficialTerms terms_of(std::int64_t refill, std::int64_t capacity, Refill how = Refill::whole_periods) {
  return {.refill = refill, .period = 1min, .capacity = capacity, .how = how};
}

TEST(OfficialBucket, the_example_of_the_manual_five_tokens_and_a_404) {
  for (const Refill how : {Refill::whole_periods, Refill::continuous}) {
    const OfficialTerms terms = terms_of(2, 100, how);
    OfficialState state = fresh(terms, 0);
    set_balance(terms, state, 5);
    charge(terms, state, 20);
    EXPECT_EQ(balance(terms, state), -15);
    EXPECT_EQ(reaches(terms, state, 1), 8 * minute) << "not 7:30, when the balance is exactly zero";
    roll(terms, state, 8 * minute - 1);
    EXPECT_LT(balance(terms, state), 1);
    roll(terms, state, 8 * minute);
    EXPECT_EQ(balance(terms, state), 1);
  }
}

TEST(OfficialBucket, a_run_of_5000_look_ups_in_category_f_ends_after_18_minutes) {
  for (const Refill how : {Refill::whole_periods, Refill::continuous}) {
    const OfficialTerms terms = terms_of(250, 500, how);
    EXPECT_EQ(run_ends(terms, fresh(terms, 0), 5'000, 1), 18 * minute);
  }
}

TEST(OfficialBucket, a_run_that_can_never_end_is_told_as_such) {
  const OfficialTerms terms = terms_of(0, 10);
  EXPECT_EQ(run_ends(terms, fresh(terms, 0), 11, 1), std::nullopt);
  EXPECT_EQ(reaches(terms_of(2, 100), fresh(terms_of(2, 100), 0), 101), std::nullopt);
}

TEST(OfficialBucket, a_hold_without_an_answer_costs_the_worst_case_at_its_time_out) {
  const OfficialTerms terms = terms_of(2, 100);
  OfficialState state = fresh(terms, 0);
  hold(state, {"a", 20, 10'000'000});
  hold(state, {"b", 20, 5'000'000});
  roll(terms, state, 4'000'000);
  EXPECT_EQ(balance(terms, state), 100);
  EXPECT_EQ(held(state), 40);
  roll(terms, state, 5'000'000);
  EXPECT_EQ(balance(terms, state), 80);
  EXPECT_EQ(held(state), 20);
  EXPECT_FALSE(settle(terms, state, "b", 1)) << "too late";
  EXPECT_TRUE(settle(terms, state, "a", 1));
  EXPECT_FALSE(settle(terms, state, "a", 1)) << "once";
  EXPECT_EQ(balance(terms, state), 79);
}

TEST(OfficialBucket, a_late_credit_does_not_bring_back_what_the_registry_lost_at_the_brim) {
  const OfficialTerms terms = terms_of(2, 100);
  OfficialState state = fresh(terms, 0);
  charge(terms, state, 1);
  const std::int64_t look_up = state.charged;
  roll(terms, state, 30 * minute);  // full again: the order's credit was lost at the registry, if it came now
  charge(terms, state, 10);
  credit(terms, state, 1, look_up);
  EXPECT_EQ(balance(terms, state), 90);
  credit(terms, state, 5, state.charged);
  EXPECT_EQ(balance(terms, state), 95) << "what is credited for the last charge was certainly not lost";
}

TEST(OfficialBucket, a_change_of_category_keeps_the_balance_within_the_new_capacity) {
  const OfficialTerms wide = terms_of(8000, 16000);
  const OfficialTerms narrow = terms_of(250, 500);
  OfficialState state = fresh(wide, 0);
  charge(wide, state, 15'800);
  EXPECT_EQ(balance(narrow, changed(wide, state, narrow)), 200);
  EXPECT_EQ(balance(narrow, changed(wide, fresh(wide, 0), narrow)), 500);
  EXPECT_EQ(balance(wide, changed(narrow, fresh(narrow, 0), wide)), 500);
}

TEST(OfficialBucket, a_clock_that_steps_back_never_refills_and_debts_of_any_size_are_carried) {
  const OfficialTerms terms = terms_of(2, 100);
  OfficialState state = fresh(terms, 100 * minute);
  charge(terms, state, INT64_MAX);
  const std::int64_t before = balance(terms, state);
  EXPECT_LT(before, 0);
  roll(terms, state, 0);
  EXPECT_EQ(balance(terms, state), before);
  EXPECT_TRUE(reaches(terms, state, 1).has_value());
  credit(terms, state, INT64_MAX, 0);
  EXPECT_LE(balance(terms, state), 100);
}

// The definition itself, remembered for ever: min over s of capacity − charged(s, t] + refill · ⌊(t − s) / period⌋.
class Definition {
 public:
  Definition(const OfficialTerms& terms, std::int64_t begin) : terms_(terms), begin_(begin) {}
  void charge(std::int64_t cost, std::int64_t now) { charges_.push_back({now, cost}); }
  std::int64_t balance(std::int64_t now) const {
    // The minimum lies just before or just after a charge, or at the beginning.
    std::int64_t least = terms_.capacity;
    for (const auto& [at, unused] : charges_) {
      static_cast<void>(unused);
      least = std::min({least, value(at - 1, now), value(at, now)});
    }
    return std::min(least, value(begin_ - 1, now));
  }

 private:
  std::int64_t value(std::int64_t s, std::int64_t now) const {
    std::int64_t sum = terms_.capacity;
    for (const auto& [at, cost] : charges_)
      if (at > s) sum -= cost;
    // A charge at `at` just after s = at − 1 µs: as if s were `at` itself.
    const std::int64_t since = s < begin_ ? now - begin_ : now - s - 1;
    return sum + terms_.refill * std::max<std::int64_t>(0, since / terms_.period.count());
  }

  OfficialTerms terms_;
  std::int64_t begin_;
  std::vector<std::pair<std::int64_t, std::int64_t>> charges_;
};

TEST(OfficialBucket, is_never_above_its_definition_and_at_most_one_slot_behind_it) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    const auto refill = static_cast<std::int64_t>(1 + random.below(100));
    const OfficialTerms terms = terms_of(refill, refill + static_cast<std::int64_t>(random.below(300)));
    OfficialState state = fresh(terms, 0);
    Definition exact(terms, 0);
    std::int64_t now = 0;
    for (int i = 0; i < 60; ++i) {
      now += static_cast<std::int64_t>(random.below(3) == 0 ? random.below(100 * 1'000'000) : random.below(8'000'000));
      roll(terms, state, now);
      ASSERT_LE(balance(terms, state), exact.balance(now)) << "seed " << seed << " step " << i;
      const auto cost = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(terms.capacity / 3 + 2)));
      charge(terms, state, cost);
      exact.charge(cost, now);
      OfficialState later = state;
      roll(terms, later, now + minute / 6);
      ASSERT_GE(balance(terms, later), exact.balance(now)) << "seed " << seed << " step " << i;
    }
  }
}

}  // namespace
}  // namespace chaveiro::limits
