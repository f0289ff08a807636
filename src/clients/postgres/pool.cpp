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
        ++state->opened;
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
    auto connection = Connection::open(options_.target, deadline);
    if (connection) return Lease(*this, *std::move(connection), std::chrono::steady_clock::now());
    state_.with([](State& state) { --state.open, ++state.closed; });
    state_.notify_all();
    return connection.error();
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
