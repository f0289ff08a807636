#include "base/pool.h"

#include <pthread.h>

#include <algorithm>
#include <exception>

#include "base/check.h"

namespace chaveiro {
namespace {

using namespace std::chrono_literals;

Counter& outcome(Registry& metrics, const std::string& pool, const char* name) {
  return metrics.counter("pool_jobs_total", "Jobs by what became of them.", {{"pool", pool}, {"outcome", name}});
}

}  // namespace

Pool::Pool(PoolOptions options, const Clock& clock, Logger log, Registry& metrics)
    : options_(std::move(options)),
      clock_(clock),
      log_(std::move(log)),
      ran_(outcome(metrics, options_.name, "run")),
      late_(outcome(metrics, options_.name, "late")),
      stopped_(outcome(metrics, options_.name, "stopped")),
      refused_(outcome(metrics, options_.name, "refused")),
      threw_(outcome(metrics, options_.name, "threw")),
      wait_time_(
          metrics.histogram("pool_wait_seconds", "Time from submission to the turn.", {{"pool", options_.name}})),
      run_time_(metrics.histogram("pool_run_seconds", "Time that jobs ran.", {{"pool", options_.name}})) {
  CHECK(options_.workers > 0);
  waiting_watch_ = metrics.watch_gauge("pool_queue_depth", "Jobs that wait.", {{"pool", options_.name}},
                                       [this] { return static_cast<double>(waiting()); });
  running_watch_ = metrics.watch_gauge("pool_running", "Jobs that run.", {{"pool", options_.name}},
                                       [this] { return static_cast<double>(running()); });
  for (std::size_t i = 0; i < options_.workers; ++i) threads_.emplace_back([this] { work(); });
}

Pool::~Pool() {
  state_.with([](State& state) { state.draining = state.stopping = true; });
  stop_waiting_jobs();
  state_.notify_all();
}

Result<void> Pool::submit(Deadline deadline, Job job) {
  Item item{std::move(job), deadline, clock_.steady(), std::string(current_correlation_id())};
  {
    auto state = state_.lock();
    if (state->draining) return fail(Code::unavailable, "PoolStopped", "the pool " + options_.name + " is stopping");
    const std::size_t free = options_.workers - std::min(options_.workers, state->running);
    if (state->queue.size() >= options_.queue_max + free) {
      const auto until_free = state->mean * static_cast<std::int64_t>(state->queue.size() + 1) /
                              static_cast<std::int64_t>(options_.workers);
      refused_.add();
      Error error = fail(Code::exhausted, "PoolFull", "the queue of the pool " + options_.name + " is full");
      error.retry_after = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(until_free), 1ms, 5'000ms);
      return error;
    }
    state->queue.push_back(std::move(item));
  }
  state_.notify_one();
  return {};
}

Pool::Left Pool::drain(Deadline deadline) {
  state_.lock()->draining = true;
  state_.notify_all();  // a wake-up meant for a thread must not be lost on somebody who drains
  state_.lock().wait(deadline, [](const State& it) { return it.queue.empty() && it.running == 0; });
  const std::size_t stopped = stop_waiting_jobs();
  return {stopped, running()};
}

std::size_t Pool::stop_waiting_jobs() {
  std::deque<Item> left = state_.with([](State& state) { return std::exchange(state.queue, {}); });
  for (Item& item : left) {
    stopped_.add();
    call(item, Turn::stopped);
  }
  return left.size();
}

void Pool::work() {
  ::pthread_setname_np(::pthread_self(), options_.name.substr(0, 15).c_str());
  for (;;) {
    auto state = state_.lock();
    state.wait(Deadline::never(), [](const State& it) { return it.stopping || !it.queue.empty(); });
    if (state->queue.empty()) return;
    Item item = std::move(state->queue.front());
    state->queue.pop_front();
    ++state->running;
    { auto given_back = std::move(state); }
    run(std::move(item));
  }
}

void Pool::run(Item item) {
  const SteadyTime begin = clock_.steady();
  wait_time_.record(begin - item.since);
  const Turn turn = item.deadline.expired() ? Turn::late : Turn::run;
  (turn == Turn::run ? ran_ : late_).add();
  call(item, turn);
  const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(clock_.steady() - begin);
  if (turn == Turn::run) run_time_.record(took);
  item.job = Job([](Turn) {});  // what the job holds goes before the pool calls itself idle
  const bool idle = state_.with([&](State& state) {
    --state.running;
    if (turn == Turn::run) state.mean += (took - state.mean) / 16;
    return state.draining && state.running == 0 && state.queue.empty();
  });
  if (idle) state_.notify_all();
}

void Pool::call(Item& item, Turn turn) {
  const CorrelationScope scope(item.correlation_id);
  try {
    item.job(turn);
  } catch (const std::exception& thrown) {
    threw_.add();
    log_.error("a job threw", {{"pool", options_.name}, {"what", thrown.what()}});
  } catch (...) {
    threw_.add();
    log_.error("a job threw", {{"pool", options_.name}});
  }
}

}  // namespace chaveiro
