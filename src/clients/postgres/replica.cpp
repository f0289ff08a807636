#include "clients/postgres/replica.h"

#include "clients/postgres/errors.h"

namespace chaveiro::clients::postgres {

namespace {

constexpr std::size_t seen_max = 1'000;  // what the standby is behind that is too old to matter
constexpr auto look_limit = std::chrono::seconds{2};

}  // namespace

Replica::Replica(ReplicaOptions options)
    : options_(std::move(options)),
      pool_({.target = options_.standby, .open_max = options_.open_max, .idle_max = options_.idle_max}),
      thread_([this] { loop(); }) {}

Replica::~Replica() {
  state_.with([](State& state) { state.stopping = true; });
  state_.notify_all();
  thread_.join();
}

Pool* Replica::pool() {
  const SteadyTime oldest = std::chrono::steady_clock::now() - options_.lag_max;
  return state_.with([&](State& state) {
    ++state.asked;
    if (state.shows_all_before > oldest) return &pool_;
    ++state.refused;
    return static_cast<Pool*>(nullptr);
  });
}

void Replica::failed() {
  state_.with([](State& state) { state.shows_all_before = SteadyTime::min(); });
}

Replica::Counts Replica::counts() const {
  return state_.with([](const State& state) {
    Counts counts{state.asked, state.refused, {}};
    if (state.shows_all_before != SteadyTime::min())
      counts.lag = std::chrono::duration_cast<Micros>(std::chrono::steady_clock::now() - state.shows_all_before);
    return counts;
  });
}

void Replica::loop() {
  std::unique_ptr<Connection> primary, standby;
  std::deque<Seen> seen;
  for (;;) {
    (void)look(primary, standby, seen);  // where it fails the last verdict grows old by itself
    auto state = state_.lock();
    if (state.wait(Deadline::in(options_.look_interval), [](const State& it) { return it.stopping; })) return;
  }
}

Result<std::uint64_t> Replica::sequence_of(std::unique_ptr<Connection>& connection, const Target& target) const {
  const Deadline deadline = Deadline::in(look_limit);
  if (!connection) {
    TRY(connection, Connection::open(target, deadline));
  }
  const auto rows = connection->run_as(options_.ispbs, "SELECT sequence FROM state", {}, deadline);
  if (!rows) {
    connection.reset();
    return rows.error();
  }
  return rows->empty() ? std::uint64_t{0} : static_cast<std::uint64_t>((*rows)[0].number());
}

Result<void> Replica::look(std::unique_ptr<Connection>& primary, std::unique_ptr<Connection>& standby,
                           std::deque<Seen>& seen) {
  const SteadyTime at = std::chrono::steady_clock::now();
  TRY(const std::uint64_t newest, sequence_of(primary, options_.primary));
  // After a fail-over to a copy that had less nothing that was seen counts any more.
  if (!seen.empty() && newest < seen.back().sequence) seen.clear();
  seen.push_back({at, newest});
  if (seen.size() > seen_max) seen.pop_front();
  TRY(const std::uint64_t reached, sequence_of(standby, options_.standby));
  std::optional<SteadyTime> shows_all_before;
  for (; !seen.empty() && seen.front().sequence <= reached; seen.pop_front()) shows_all_before = seen.front().at;
  if (shows_all_before) state_.with([&](State& state) { state.shows_all_before = *shows_all_before; });
  return {};
}

}  // namespace chaveiro::clients::postgres
