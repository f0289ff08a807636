#include "clients/postgres/pool.h"

#include <algorithm>

#include "clients/postgres/errors.h"

namespace chaveiro::clients::postgres {

bool Pool::fresh(const Idle& idle) const {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (options_.lifetime_max > Micros{0} && now - idle.born > options_.lifetime_max) return false;
  if (options_.idle_time_max > Micros{0} && now - idle.since > options_.idle_time_max) return false;
  return idle.connection->still_there();
}

Result<Pool::Lease> Pool::borrow(Deadline deadline) {
  if (deadline.expired()) return too_late();
  for (;;) {
    std::optional<Idle> taken;
    {
      auto state = state_.lock();
      const std::uint64_t ticket = ++state->tickets;
      state->queue.push_back(ticket);
      const bool mine = state.wait(deadline, [&](const State& it) {
        return it.queue.front() == ticket && (!it.idle.empty() || it.open < options_.open_max);
      });
      std::erase(state->queue, ticket);
      if (!mine)
        return fail(Code::deadline, "Deadline",
                    "all " + std::to_string(state->open) +
                        " connections to the database are in use: try again later, or raise DB_MAX_OPEN_CONNS");
      if (!state->idle.empty()) {
        taken = std::move(state->idle.back());
        state->idle.pop_back();
      } else {
        ++state->open;
      }
    }
    state_.notify_all();
    if (taken) {
      if (fresh(*taken)) return Lease(*this, std::move(taken->connection), taken->born);
      taken->connection.reset();
      state_.with([](State& state) { --state.open, ++state.closed; });
      state_.notify_all();
      continue;
    }
    auto connected = connect(deadline);
    if (connected) return connected;
    state_.with([](State& state) { --state.open, ++state.closed; });
    state_.notify_all();
    return connected;
  }
}

// Who comes out may try to connect; during an outage nobody else may meanwhile.
Result<void> Pool::wait_for_turn(Deadline deadline) {
  auto state = state_.lock();
  for (;;) {
    const SteadyTime now = std::chrono::steady_clock::now(), next = state->outage.next_try();
    if (auto refused = state->outage.refusal(now)) return *std::move(refused);
    if (next == SteadyTime{}) return {};
    if (deadline.expired()) return too_late();
    if (!state->one_tries && next <= now) return state->one_tries = true, Result<void>();
    const Deadline turn = state->one_tries ? deadline : deadline.capped(std::chrono::duration_cast<Micros>(next - now));
    (void)state.wait(turn, [&](const State& it) {
      return it.outage.next_try() != next || (!it.one_tries && next <= std::chrono::steady_clock::now());
    });
  }
}

Result<Pool::Lease> Pool::connect(Deadline deadline) {
  for (;;) {
    TRY_VOID(wait_for_turn(deadline));
    state_.with([](State& state) { ++state.opened; });
    auto connection = Connection::open(options_.target, deadline);
    const SteadyTime now = std::chrono::steady_clock::now();
    state_.with([&](State& state) {
      state.one_tries = false;
      if (connection) return state.outage.over();
      // One caller's impatience is told to others as what they see of it.
      const Error why = connection.error().code == Code::deadline ? gone("it does not answer") : connection.error();
      // Those that began together with the first that failed say nothing new.
      if (state.outage.next_try() <= now) state.outage.failed(now, why, is_lost(why) && why.reason != "DatabaseLogin");
    });
    state_.notify_all();
    if (connection) return Lease(*this, *std::move(connection), now);
    if (deadline.expired()) return connection.error();
  }
}

void Pool::give_back(std::unique_ptr<Connection> connection, SteadyTime born) {
  const bool keep = connection->reusable() && !connection->broken();
  {
    auto state = state_.lock();
    if (keep && state->idle.size() < options_.idle_max) {
      state->idle.push_back({std::move(connection), born, std::chrono::steady_clock::now()});
    } else {
      --state->open;
      ++state->closed;
    }
  }
  state_.notify_all();
}

Pool::Counts Pool::counts() const {
  return state_.with([](const State& state) {
    return Counts{state.open, state.idle.size(), state.queue.size(), state.opened, state.closed};
  });
}

}  // namespace chaveiro::clients::postgres
