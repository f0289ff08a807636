#include "base/election.h"

namespace chaveiro {

Election::Election(ElectionOptions options, Leases& leases, const Clock& clock, Logger log)
    : options_(std::move(options)),
      leases_(leases),
      clock_(clock),
      log_(std::move(log)),
      worker_({.name = "elect",
               .interval = options_.duration / 5,
               .run_time_max = options_.duration / 5,
               .first = PeriodicOptions::First::at_once},
              clock, log_, [this](Deadline deadline) { return step(deadline); }) {}

Election::~Election() { (void)worker_.stop(Deadline::never()); }

void Election::set(std::optional<std::uint64_t> term, SteadyTime until) {
  const bool changed = state_.with([&](State& state) {
    state.until = until;
    return std::exchange(state.term, term) != term;
  });
  state_.notify_all();
  if (!changed) return;
  log_.info(term ? "this node leads now" : "this node leads no more", {{"election", options_.name}});
  if (options_.on_change) options_.on_change(term);
}

Result<void> Election::step(Deadline deadline) {
  if (state_.lock()->resigned) {
    if (lease_) (void)lease_->release(deadline);
    lease_.reset();
    set(std::nullopt, SteadyTime::min());
    return {};
  }
  if (lease_) {
    const auto renewed = lease_->renew(deadline);
    if (renewed) {
      set(lease_->fence(), lease_->held_until());
      return {};
    }
    // As long as the time that we had is not over, it may be renewed yet.
    if (renewed.error().code != Code::conflict && clock_.steady() < lease_->held_until()) return renewed.error();
    lease_.reset();
    set(std::nullopt, SteadyTime::min());
    return renewed.error().code == Code::conflict ? Result<void>() : Result<void>(renewed.error());
  }
  auto taken = leases_.take(options_.name, options_.duration, Deadline::in(-Micros{1}));
  if (!taken) return taken.error().code == Code::conflict ? Result<void>() : Result<void>(std::move(taken).error());
  lease_ = std::move(*taken);
  set(lease_->fence(), lease_->held_until());
  return {};
}

std::optional<std::uint64_t> Election::term() const {
  const SteadyTime now = clock_.steady();
  return state_.with([&](const State& state) { return now < state.until ? state.term : std::nullopt; });
}

Result<std::uint64_t> Election::wait_until_leader(Deadline deadline) {
  auto state = state_.lock();
  const bool came =
      state.wait(deadline, [&](const State& it) { return it.resigned || (it.term && clock_.steady() < it.until); });
  if (state->resigned) return fail(Code::cancelled, "Resigned", "this node stands no more");
  if (!came) return fail(Code::deadline, "NotLeader", "another node leads");
  return *state->term;
}

Result<void> Election::resign(Deadline deadline) {
  state_.lock()->resigned = true;
  state_.notify_all();
  worker_.run_soon();
  auto state = state_.lock();
  if (!state.wait(deadline, [](const State& it) { return !it.term; }))
    return fail(Code::deadline, "Deadline", "the lease could not be given back in time; it ends by itself");
  return {};
}

}  // namespace chaveiro
