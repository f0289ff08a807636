#include "base/periodic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

#include "base/log_sink.h"

namespace chaveiro {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;

constexpr auto patience = 60s;

struct PeriodicTest : testing::Test {
  void advance(Micros by, Periodic& worker) {
    clock.advance(by);
    worker.poke();
  }
  // `count` runs have ended, and no more.
  void expect_runs(std::uint64_t count, Periodic& worker) {
    ASSERT_TRUE(worker.wait_for_runs(count, Deadline::in(patience)));
    EXPECT_EQ(worker.runs(), count);
  }
  ManualClock clock;
  MemorySink sink;
  Log log{clock, sink};
};

TEST_F(PeriodicTest, runs_when_its_clock_says_so) {
  Periodic worker({.interval = 10s, .jitter = 0}, clock, log.logger("w"), [](Deadline) { return Result<void>(); });
  advance(9s, worker);
  EXPECT_EQ(worker.runs(), 0u);
  advance(1s, worker);
  expect_runs(1, worker);
  EXPECT_EQ(worker.next_due() - clock.steady(), 10s);
  advance(100s, worker);
  expect_runs(2, worker);
  EXPECT_EQ(worker.next_due() - clock.steady(), 10s) << "what was missed is not made up for";
}

TEST_F(PeriodicTest, begins_at_once_where_asked_and_runs_out_of_turn) {
  Periodic worker({.interval = 1h, .first = PeriodicOptions::First::at_once}, clock, log.logger("w"),
                  [](Deadline) { return Result<void>(); });
  expect_runs(1, worker);
  worker.run_soon();
  expect_runs(2, worker);
}

TEST_F(PeriodicTest, spreads_its_intervals_and_repeats_them_from_a_seed) {
  const auto dues = [&] {
    std::vector<std::int64_t> result;
    Periodic worker({.interval = 100s, .jitter = 0.2, .jitter_seed = 42}, clock, log.logger("w"),
                    [](Deadline) { return Result<void>(); });
    for (std::uint64_t run = 1; run <= 10; ++run) {
      result.push_back(std::chrono::floor<Micros>(worker.next_due() - clock.steady()).count());
      advance(200s, worker);
      EXPECT_TRUE(worker.wait_for_runs(run, Deadline::in(patience)));
    }
    return result;
  };
  const auto first = dues();
  EXPECT_THAT(first, testing::Each(AllOf(Ge(100'000'000), Le(120'000'000))));
  EXPECT_NE(first[0], first[1]);
  EXPECT_EQ(first, dues());
}

TEST_F(PeriodicTest, goes_on_after_failures_sooner_and_tells_of_a_row_of_them_once) {
  int run = 0;
  Periodic worker({.name = "purge", .interval = 1h, .jitter = 0, .retry_interval = 5s}, clock, log.logger("w"),
                  [&](Deadline) -> Result<void> {
                    switch (++run) {
                      case 1:
                        return fail(Code::unavailable, "Away", "no store");
                      case 2:
                        throw std::runtime_error("boom");
                      default:
                        return {};
                    }
                  });
  advance(1h, worker);
  expect_runs(1, worker);
  EXPECT_EQ(worker.next_due() - clock.steady(), 5s);
  advance(5s, worker);
  expect_runs(2, worker);
  advance(5s, worker);
  expect_runs(3, worker);
  EXPECT_EQ(worker.next_due() - clock.steady(), 1h);
  ASSERT_TRUE(worker.stop(Deadline::in(patience)));
}

TEST_F(PeriodicTest, logs_the_first_failure_and_the_recovery) {
  int run = 0;
  {
    Periodic worker({.name = "purge", .interval = 1s, .jitter = 0}, clock, log.logger("w"),
                    [&](Deadline) -> Result<void> {
                      if (++run <= 3) return fail(Code::unavailable, "Away", "no store");
                      return {};
                    });
    for (std::uint64_t count = 1; count <= 4; ++count) {
      advance(1s, worker);
      expect_runs(count, worker);
    }
  }
  EXPECT_THAT(sink.lines(), ElementsAre(HasSubstr(R"("worker":"purge","error":{"code":"unavailable")"),
                                        HasSubstr(R"("message":"works again","worker":"purge","failures":3)")));
}

TEST_F(PeriodicTest, stops_within_a_deadline_and_never_begins_again) {
  Guarded<int> stage{0};
  Periodic worker({.interval = 1s, .first = PeriodicOptions::First::at_once}, clock, log.logger("w"), [&](Deadline) {
    *stage.lock() = 1;
    stage.notify_all();
    stage.lock().wait(Deadline::never(), [](int now) { return now == 2; });
    return Result<void>();
  });
  stage.lock().wait(Deadline::never(), [](int now) { return now == 1; });
  EXPECT_EQ(worker.stop(Deadline::in(-1s)).error().code, Code::deadline);
  *stage.lock() = 2;
  stage.notify_all();
  EXPECT_TRUE(worker.stop(Deadline::in(patience)));
  advance(1h, worker);
  EXPECT_EQ(worker.runs(), 1u);
}

}  // namespace
}  // namespace chaveiro
