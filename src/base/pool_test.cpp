#include "base/pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "base/log_sink.h"

namespace chaveiro {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Holds jobs back until it is opened.
class Gate {
 public:
  void pass() {
    auto state = state_.lock();
    ++state->arrived;
    state_.notify_all();
    state.wait(Deadline::never(), [](const State& it) { return it.open; });
  }
  void open() {
    state_.lock()->open = true;
    state_.notify_all();
  }
  void wait_for(int arrivals) {
    state_.lock().wait(Deadline::never(), [&](const State& it) { return it.arrived >= arrivals; });
  }

 private:
  struct State {
    bool open = false;
    int arrived = 0;
  };
  Guarded<State> state_;
};

struct PoolTest : testing::Test {
  Pool make(std::size_t workers, std::size_t queue_max) {
    return Pool({.name = "test", .workers = workers, .queue_max = queue_max}, clock, log.logger("pool"), metrics);
  }
  ManualClock clock;
  MemorySink sink;
  Log log{clock, sink};
  Registry metrics;
};

TEST_F(PoolTest, runs_every_job_once) {
  std::atomic<int> sum{0};
  Pool pool = make(4, 1'000);
  for (int i = 1; i <= 1'000; ++i) {
    ASSERT_TRUE(pool.submit(Deadline::never(), [&sum, own = std::make_unique<int>(i)](Turn turn) {
      if (turn == Turn::run) sum += *own;
    }));
  }
  EXPECT_EQ(pool.drain(Deadline::never()), (Pool::Left{0, 0}));
  EXPECT_EQ(sum, 500'500);
  EXPECT_THAT(metrics.expose(), HasSubstr("pool_jobs_total{outcome=\"run\",pool=\"test\"} 1000\n"));
}

TEST_F(PoolTest, refuses_what_does_not_fit_and_says_when_to_come_back) {
  Gate gate;
  Pool pool = make(1, 2);
  ASSERT_TRUE(pool.submit(Deadline::never(), [&](Turn) { gate.pass(); }));
  gate.wait_for(1);
  ASSERT_TRUE(pool.submit(Deadline::never(), [](Turn) {}));
  ASSERT_TRUE(pool.submit(Deadline::never(), [](Turn) {}));
  const auto refused = pool.submit(Deadline::never(), [](Turn) { FAIL() << "a refused job is not called"; });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::exhausted);
  EXPECT_GE(refused.error().retry_after.value(), 1ms);
  EXPECT_THAT(metrics.expose(), HasSubstr("pool_queue_depth{pool=\"test\"} 2\n"));
  EXPECT_THAT(metrics.expose(), HasSubstr("pool_running{pool=\"test\"} 1\n"));
  gate.open();
  EXPECT_EQ(pool.drain(Deadline::never()), (Pool::Left{0, 0}));
}

TEST_F(PoolTest, without_a_queue_takes_what_its_threads_can_begin) {
  Gate gate;
  Pool pool = make(2, 0);
  ASSERT_TRUE(pool.submit(Deadline::never(), [&](Turn) { gate.pass(); }));
  ASSERT_TRUE(pool.submit(Deadline::never(), [&](Turn) { gate.pass(); }));
  EXPECT_FALSE(pool.submit(Deadline::never(), [](Turn) {}));
  gate.open();
}

TEST_F(PoolTest, tells_a_job_that_its_deadline_passed_before_it_began) {
  Turn seen = Turn::run;
  Pool pool = make(1, 1);
  ASSERT_TRUE(pool.submit(Deadline::in(-1s), [&](Turn turn) { seen = turn; }));
  pool.drain(Deadline::never());
  EXPECT_EQ(seen, Turn::late);
}

TEST_F(PoolTest, drains_until_the_deadline_and_tells_what_is_left) {
  Gate gate;
  int stopped = 0;
  Pool pool = make(1, 5);
  ASSERT_TRUE(pool.submit(Deadline::never(), [&](Turn) { gate.pass(); }));
  gate.wait_for(1);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(pool.submit(Deadline::never(), [&](Turn turn) { stopped += turn == Turn::stopped; }));
  }
  EXPECT_EQ(pool.drain(Deadline::in(-1s)), (Pool::Left{3, 1}));
  EXPECT_EQ(stopped, 3);
  EXPECT_EQ(pool.submit(Deadline::never(), [](Turn) {}).error().code, Code::unavailable);
  gate.open();
  EXPECT_EQ(pool.drain(Deadline::never()), (Pool::Left{0, 0}));
}

TEST_F(PoolTest, tells_waiting_jobs_when_it_goes) {
  Gate gate;
  std::atomic<int> stopped{0};
  {
    Pool pool = make(1, 5);
    ASSERT_TRUE(pool.submit(Deadline::never(), [&](Turn) { gate.pass(); }));
    gate.wait_for(1);
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(pool.submit(Deadline::never(), [&](Turn turn) {
        stopped += turn == Turn::stopped;
        gate.open();
      }));
    }
  }
  EXPECT_EQ(stopped, 2);
}

TEST_F(PoolTest, survives_jobs_that_throw_and_logs_them_under_their_correlation_id) {
  Pool pool = make(1, 5);
  {
    const CorrelationScope scope("request-7");
    ASSERT_TRUE(pool.submit(Deadline::never(), [](Turn) { throw std::runtime_error("boom"); }));
  }
  ASSERT_TRUE(pool.submit(Deadline::never(), [](Turn) { throw 5; }));
  bool ran = false;
  ASSERT_TRUE(pool.submit(Deadline::never(), [&](Turn) { ran = true; }));
  pool.drain(Deadline::never());
  EXPECT_TRUE(ran);
  EXPECT_THAT(sink.lines().at(0), HasSubstr(R"("correlation_id":"request-7","pool":"test","what":"boom")"));
  EXPECT_THAT(metrics.expose(), HasSubstr("pool_jobs_total{outcome=\"threw\",pool=\"test\"} 2\n"));
}

}  // namespace
}  // namespace chaveiro
