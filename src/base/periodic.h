// base/periodic.h
//
// Periodic: a worker that does one thing again and again. The thing is a function run_once(Deadline); Periodic only decides when.
//
//   Periodic purge({.name = "purge", .interval = 1h}, clock, log, [&](Deadline deadline) { return store.purge(deadline); });
//
// Guarantees: one run at a time; the next is due an interval after the last one ended, so that slow runs never pile up. A run
//             that fails or throws is logged, once for each row of failures, and does not end the worker.
// Threads: one of its own, named after it. All calls, any thread; stop() and the destructor not from run_once.
// Time:    dues are told by the clock that is handed in. A test moves its clock and calls poke(): no sleep, no waiting for time.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"

namespace chaveiro {

struct PeriodicOptions {
  enum class First : std::uint8_t { at_once, after_interval };

  std::string name = "periodic";  // of the thread (first 15 bytes) and in the log
  Micros interval = std::chrono::minutes{1};
  double jitter = 0.1;       // each interval is up to this share longer, so that nodes drift apart; 0: exact
  Micros retry_interval{0};  // after a run that failed; 0: as after any other
  Micros run_time_max{0};    // the deadline that a run is given; 0: the interval
  First first = First::after_interval;
  std::uint64_t jitter_seed = 0;  // 0: a random one
};

class Periodic {
 public:
  using RunOnce = std::function<Result<void>(Deadline)>;

  Periodic(PeriodicOptions options, const Clock& clock, Logger log, RunOnce run_once);
  // Lets a run under way finish, however long it takes: call stop() first.
  ~Periodic();
  Periodic(const Periodic&) = delete;
  Periodic& operator=(const Periodic&) = delete;

  // Looks at the clock again: for whoever moves it.
  void poke();
  // The next run begins at once, or right after the one under way.
  void run_soon();
  // No run begins any more.
  // Errors: deadline (a run is still under way).
  Result<void> stop(Deadline deadline);

  SteadyTime next_due() const { return state_.lock()->due; }
  std::uint64_t runs() const { return state_.lock()->runs; }  // that have ended
  // Waits until so many runs have ended. Errors: deadline.
  Result<void> wait_for_runs(std::uint64_t count, Deadline deadline);

 private:
  struct State {
    SteadyTime due;
    std::uint64_t runs = 0;
    std::uint64_t failures_in_a_row = 0;
    bool running = false;
    bool stopping = false;
    bool soon = false;
    bool poked = false;
    Random random{0};
  };

  void loop();
  Result<void> run_guarded();
  void finished(const Result<void>& result);
  Micros with_jitter(State& state, Micros interval) const;

  const PeriodicOptions options_;
  const Clock& clock_;
  const Logger log_;
  const RunOnce run_once_;
  Guarded<State> state_;
  std::jthread thread_;
};

}  // namespace chaveiro
