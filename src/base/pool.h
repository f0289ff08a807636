// base/pool.h
//
// Pool: a fixed number of threads and a bounded queue in front of them, one pool for each slow neighbour. What does not fit is
// refused at once, with the time after which asking again makes sense.
//
// Guarantees: every accepted job is called exactly once and told its turn: `run`, or `late` when its deadline passed before it
//             began, or `stopped` when the pool ended before its turn. A job can thereby always answer its caller. What a job throws
//             is caught, counted and logged. A job runs under the correlation id of the thread that submitted it.
// Threads: all of it, any; drain() and the destructor not from a job of the same pool.
// Time:    submit() takes one lock and never waits. First come, first served.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"

namespace chaveiro {

enum class Turn : std::uint8_t { run, late, stopped };

// A callable void(Turn) that is moved, never copied. (std::move_only_function is C++23.)
class Job {
 public:
  template <class Fn>
    requires(std::is_invocable_v<Fn&, Turn> && !std::is_same_v<std::remove_cvref_t<Fn>, Job>)
  Job(Fn fn) : body_(std::make_unique<Holder<Fn>>(std::move(fn))) {}
  void operator()(Turn turn) { body_->call(turn); }

 private:
  struct Body {
    virtual ~Body() = default;
    virtual void call(Turn turn) = 0;
  };
  template <class Fn>
  struct Holder final : Body {
    explicit Holder(Fn taken) : fn(std::move(taken)) {}
    void call(Turn turn) override { fn(turn); }
    Fn fn;
  };
  std::unique_ptr<Body> body_;
};

struct PoolOptions {
  std::string name = "pool";    // of its threads (first 15 bytes) and of its metrics
  std::size_t workers = 16;     // threads; 0 is a bug
  std::size_t queue_max = 256;  // jobs that wait beside those that run; 0: only what a free thread takes at once
};

class Pool {
 public:
  Pool(PoolOptions options, const Clock& clock, Logger log, Registry& metrics);
  // Stops intake, tells the waiting jobs `stopped`, and waits for those that run, however long they take: call drain() first.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Errors: exhausted "PoolFull" with `retry_after`; unavailable "PoolStopped" once drain() was called. The job is not called then.
  Result<void> submit(Deadline deadline, Job job);

  struct Left {
    std::size_t stopped = 0;  // jobs that never began; they were told
    std::size_t running = 0;  // jobs that still run
    bool operator==(const Left&) const = default;
  };
  // Stops intake and lets all accepted jobs finish until the deadline; then tells those that have not begun `stopped`, on this
  // thread. Repeat-safe.
  Left drain(Deadline deadline);

  std::size_t waiting() const { return state_.lock()->queue.size(); }
  std::size_t running() const { return state_.lock()->running; }

 private:
  struct Item {
    Job job;
    Deadline deadline;
    SteadyTime since;
    std::string correlation_id;
  };
  struct State {
    std::deque<Item> queue;
    std::size_t running = 0;
    bool draining = false;                                        // no intake
    bool stopping = false;                                        // threads end when the queue is empty
    std::chrono::nanoseconds mean{std::chrono::milliseconds{1}};  // of how long jobs ran
  };

  void work();
  void run(Item item);
  void call(Item& item, Turn turn);
  std::size_t stop_waiting_jobs();

  const PoolOptions options_;
  const Clock& clock_;
  const Logger log_;
  Counter &ran_, &late_, &stopped_, &refused_, &threw_;
  Histogram &wait_time_, &run_time_;
  Guarded<State> state_;
  Registry::Watch waiting_watch_, running_watch_;
  std::vector<std::jthread> threads_;
};

}  // namespace chaveiro
