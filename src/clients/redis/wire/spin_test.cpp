#include "clients/redis/wire/spin.h"

#include <gtest/gtest.h>

namespace chaveiro::redis {
namespace {

using namespace std::chrono_literals;

// A core where each look takes a microsecond, and a clock that only looking moves.
struct Processor {
  SteadyTime time{};
  Micros yield_takes{0};

  SteadyTime now() const { return time; }
  void pause() { time += 1us; }
  void yield() { time += yield_takes; }
};

struct Waits {
  std::size_t met = 0;    // awake when the answer came
  std::size_t spun = 0;   // stayed awake for a while
  std::size_t looks = 0;  // how often it was asked whether the answer is there
};

class SpinTest : public testing::Test {
 protected:
  // So many waits for answers that take so long each.
  Waits wait(std::size_t count, Micros answer_takes) {
    Waits waits;
    for (std::size_t i = 0; i < count; ++i) {
      const SteadyTime begin = processor_.time;
      const std::size_t before = waits.looks;
      const auto ready = [&] {
        ++waits.looks;
        return processor_.time - begin >= answer_takes;
      };
      waits.met += spin_.until(ready, processor_) ? 1 : 0;
      waits.spun += waits.looks - before > 1 ? 1 : 0;
    }
    return waits;
  }

  Processor processor_;
  Spin spin_{50us};
};

TEST_F(SpinTest, is_awake_whenever_an_answer_comes_quickly) {
  const Waits waits = wait(1000, 20us);
  EXPECT_EQ(waits.met, 1000U);
  EXPECT_EQ(waits.spun, 1000U);
}

TEST_F(SpinTest, stops_where_answers_take_longer) {
  const Waits first = wait(1000, 300us);
  EXPECT_EQ(first.met, 0U);
  EXPECT_LE(first.spun, 12U) << "2, 4, 8 … 256 waits are skipped between two tries";
  const Waits later = wait(10'000, 300us);
  EXPECT_LE(later.spun, 40U);
  EXPECT_LE(later.looks, 10'000U + 40U * 100) << "one look for each wait, and few waits with more";
}

TEST_F(SpinTest, begins_again_when_answers_are_quick_again) {
  (void)wait(10'000, 300us);
  EXPECT_GE(wait(257, 20us).met, 1U) << "the longest pause is 256 waits";
  EXPECT_EQ(wait(1000, 20us).met, 1000U);
}

TEST_F(SpinTest, spins_for_most_where_few_answers_are_late) {
  std::size_t met = 0;
  for (int i = 0; i < 100; ++i) met += wait(9, 20us).met + wait(1, 300us).met;
  EXPECT_GE(met, 690U) << "of 900: after a late one, two are slept through";
}

TEST_F(SpinTest, leaves_the_core_to_others_who_want_it) {
  processor_.yield_takes = 1ms;
  const Waits busy = wait(1000, 2ms);
  EXPECT_LE(busy.spun, 12U);
  EXPECT_LE(busy.looks, 1000U + 12U * 20) << "it gives way at the first yield";
  processor_.yield_takes = 0us;
  EXPECT_GE(wait(257, 20us).met, 1U);
  EXPECT_EQ(wait(1000, 20us).met, 1000U);
}

TEST_F(SpinTest, never_spins_where_told_to) {
  Spin never(0us);
  std::size_t looks = 0;
  EXPECT_FALSE(never.until([&] { return ++looks == 2; }, processor_));
  EXPECT_EQ(looks, 1U);
  EXPECT_EQ(processor_.time, SteadyTime{});
}

}  // namespace
}  // namespace chaveiro::redis
