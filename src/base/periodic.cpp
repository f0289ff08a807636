#include "base/periodic.h"

#include <pthread.h>

#include <exception>

#include "base/check.h"

namespace chaveiro {

Periodic::Periodic(PeriodicOptions options, const Clock& clock, Logger log, RunOnce run_once)
    : options_(std::move(options)), clock_(clock), log_(std::move(log)), run_once_(std::move(run_once)) {
  CHECK(options_.interval > Micros{0} && options_.jitter >= 0);
  state_.with([&](State& state) {
    state.random = Random(options_.jitter_seed != 0 ? options_.jitter_seed : random_u64());
    state.due = clock_.steady();
    if (options_.first == PeriodicOptions::First::after_interval) state.due += with_jitter(state, options_.interval);
  });
  thread_ = std::jthread([this] { loop(); });
}

Periodic::~Periodic() { static_cast<void>(stop(Deadline::in(Micros{0}))); }

void Periodic::poke() {
  state_.lock()->poked = true;
  state_.notify_all();
}

void Periodic::run_soon() {
  state_.lock()->soon = true;
  state_.notify_all();
}

Result<void> Periodic::stop(Deadline deadline) {
  state_.lock()->stopping = true;
  state_.notify_all();
  if (state_.lock().wait(deadline, [](const State& it) { return !it.running; })) return {};
  return fail(Code::deadline, "StillRunning", options_.name + " is still running");
}

Result<void> Periodic::wait_for_runs(std::uint64_t count, Deadline deadline) {
  if (state_.lock().wait(deadline, [&](const State& it) { return it.runs >= count; })) return {};
  return fail(Code::deadline, "StillRunning", options_.name + " has not run so often yet");
}

void Periodic::loop() {
  ::pthread_setname_np(::pthread_self(), options_.name.substr(0, 15).c_str());
  for (;;) {
    {
      auto state = state_.lock();
      for (;;) {
        if (state->stopping) return;
        const auto left = std::chrono::ceil<Micros>(state->due - clock_.steady());
        if (state->soon || left <= Micros{0}) break;
        state->poked = false;
        state.wait(Deadline::in(left), [](const State& it) { return it.stopping || it.soon || it.poked; });
      }
      state->soon = false;
      state->running = true;
    }
    finished(run_guarded());
  }
}

Result<void> Periodic::run_guarded() {
  const Deadline deadline = Deadline::in(options_.run_time_max > Micros{0} ? options_.run_time_max : options_.interval);
  try {
    return run_once_(deadline);
  } catch (const std::exception& thrown) {
    return fail(Code::internal, "Exception", thrown.what());
  } catch (...) {
    return fail(Code::internal, "Exception", "not a std::exception");
  }
}

void Periodic::finished(const Result<void>& result) {
  const std::uint64_t failures_before = state_.with([&](State& state) {
    const std::uint64_t before = state.failures_in_a_row;
    state.failures_in_a_row = result ? 0 : before + 1;
    const bool sooner = !result && options_.retry_interval > Micros{0};
    state.due = clock_.steady() + with_jitter(state, sooner ? options_.retry_interval : options_.interval);
    state.running = false;
    ++state.runs;
    return before;
  });
  state_.notify_all();
  if (!result && failures_before == 0)
    log_.warn("failed, will try again", {{"worker", options_.name}, {"error", result.error()}});
  if (result && failures_before > 0)
    log_.info("works again", {{"worker", options_.name}, {"failures", failures_before}});
}

Micros Periodic::with_jitter(State& state, Micros interval) const {
  const double longer = static_cast<double>(interval.count()) * options_.jitter * state.random.unit();
  return interval + Micros{static_cast<std::int64_t>(longer)};
}

}  // namespace chaveiro
