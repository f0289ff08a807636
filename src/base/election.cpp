#include "base/election.h"

namespace chaveiro {

Election::Election(ElectionOptions options, Leases& leases, const Clock& clock, Logger log)
    : options_(std::move(options)),
      leases_(leases),
      clock_(clock),
      log_(std::move(log)),
      worker_({.name = "elect " + options_.name,
               .interval = options_.duration / 5,
               .run_time_max = options_.duration / 5,
               .first = PeriodicOptions::First::at_once},
              clock, log_, [this](Deadline deadline) { return step(deadline); }) {}

Election::~Election() { (void)worker_.stop(Deadline::never()); }

void Election::set(std::optional<std::uint64_t> term, SteadyTime until, SteadyTime others_until) {
  const bool changed = state_.with([&](State& state) {
    state.until = until;
    state.others_until = others_until;
    return std::exchange(state.term, term) != term;
  });
  state_.notify_all();
  if (!changed) return;
  log_.info(term ? "this node leads now" : "this node leads no more", {{"election", options_.name}});
  if (options_.on_change) options_.on_change(term);
}

Result<void> Election::step(Deadline deadline) {
  if (state_.lock()->resigned) {
    let_go(deadline);
    return {};
  }
  Result<void> asked = ask(deadline);
  const bool resigned = state_.with([&](State& state) {
    state.failed = !asked;
    return state.resigned;
  });
  // Taken while somebody resigned: nobody may come by again to give it back.
  if (resigned) let_go(deadline);
  state_.notify_all();
  tell_of_the_store();
  return asked;
}

void Election::let_go(Deadline deadline) {
  if (lease_) (void)lease_->release(deadline);
  lease_.reset();
  set(std::nullopt, SteadyTime::min());
}

Result<void> Election::ask(Deadline deadline) {
  const SteadyTime begun = clock_.steady();
  if (lease_) {
    auto renewed = lease_->renew(deadline);
    if (renewed) {
      set(lease_->fence(), lease_->held_until());
      return {};
    }
    const bool taken_away = renewed.error().code == Code::conflict;
    // As long as the time that we had is not over, it may be renewed yet.
    if (!taken_away && clock_.steady() < lease_->held_until()) return renewed;
    lease_.reset();
    set(std::nullopt, SteadyTime::min(), taken_away ? begun + options_.duration : SteadyTime::min());
    return taken_away ? Result<void>() : renewed;
  }
  auto taken = leases_.take(options_.name, options_.duration, Deadline::in(-Micros{1}));
  if (taken) {
    lease_ = std::move(*taken);
    set(lease_->fence(), lease_->held_until());
    return {};
  }
  if (taken.error().code != Code::conflict) return std::move(taken).error();
  set(std::nullopt, SteadyTime::min(), begun + options_.duration);
  return {};
}

// Once for each change: the worker of the steps tells of the cause.
void Election::tell_of_the_store() {
  const bool cut_off = standing() == Standing::cut_off;
  if (std::exchange(was_cut_off_, cut_off) == cut_off) return;
  if (cut_off)
    log_.warn("leases are away: nobody knows who leads", {{"election", options_.name}});
  else
    log_.info("leases answer again", {{"election", options_.name}});
}

Standing Election::standing(const State& state) const {
  const SteadyTime now = clock_.steady();
  if (state.term && now < state.until) return Standing::leads;
  if (state.resigned || now < state.others_until) return Standing::follows;
  return state.failed ? Standing::cut_off : Standing::unknown;
}

Standing Election::standing() const {
  return state_.with([&](const State& state) { return standing(state); });
}

Standing Election::wait_until_known(Deadline deadline) const {
  auto state = state_.lock();
  state.wait(deadline, [&](const State& it) { return standing(it) != Standing::unknown; });
  return standing(*state);
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
