// cache/flights.h
//
// Flights: one load of a key at a time, however many ask. The first to join leads and must end the flight; the others wait, each up
// to its own deadline. A leader that gives up abandons the flight: those who wait join again and one of them leads.
//
// Threads: any.
// Time:    join and end one lock of a shard; waiting costs nothing but the wait.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/guarded.h"

namespace chaveiro::cache {

// What had been invalidated when a load began: a load that began before an invalidation is not joined after it.
struct LoadTicket {
  std::uint64_t generation = 0;  // Fences
  std::uint64_t stamp = 0;       // Stamps
  std::uint64_t l2_era = 0, l3_era = 0;
  bool operator==(const LoadTicket&) const = default;
};

template <class Outcome>
class Flights {
  struct State {
    bool over = false;
    std::optional<Outcome> outcome;  // nothing: abandoned
  };

 public:
  class Flight {
   public:
    Flight(LoadTicket taken, SteadyTime at) : ticket(taken), began(at) {}
    const LoadTicket ticket;
    const SteadyTime began;

    enum class Waited : std::uint8_t { landed, abandoned, too_late };
    Waited wait(Deadline deadline, std::optional<Outcome>& outcome) {
      auto state = state_.lock();
      if (!state.wait(deadline, [](const State& it) { return it.over; })) return Waited::too_late;
      outcome = state->outcome;
      return outcome ? Waited::landed : Waited::abandoned;
    }

   private:
    friend class Flights;
    void end(std::optional<Outcome> outcome) {
      state_.with([&](State& state) {
        state.over = true;
        state.outcome = std::move(outcome);
      });
      state_.notify_all();
    }
    Guarded<State> state_;
  };
  using Ref = std::shared_ptr<Flight>;

  struct Joined {
    Ref flight;
    bool leads;
  };
  // A flight of another ticket, or that began longer ago than the window (0: no bound), is not joined but replaced.
  Joined join(std::string_view key, LoadTicket ticket, SteadyTime now, Micros window) {
    auto shard = shard_of(key).lock();
    Ref& place = (*shard)[std::string(key)];
    if (place != nullptr && place->ticket == ticket && (window == Micros{0} || now - place->began <= window))
      return {place, false};
    place = std::make_shared<Flight>(ticket, now);
    return {place, true};
  }
  bool under_way(std::string_view key) const {
    const auto shard = shard_of(key).lock();
    return shard->find(std::string(key)) != shard->end();
  }
  // By the leader, once. Nothing: abandoned.
  void end(std::string_view key, const Ref& flight, std::optional<Outcome> outcome) {
    shard_of(key).with([&](Shard& shard) {
      const auto place = shard.find(std::string(key));
      if (place != shard.end() && place->second == flight) shard.erase(place);
    });
    flight->end(std::move(outcome));
  }

 private:
  using Shard = std::unordered_map<std::string, Ref>;
  static constexpr std::size_t shards = 64;
  Guarded<Shard>& shard_of(std::string_view key) {
    return shards_[std::hash<std::string_view>{}(key) >> 7 & (shards - 1)];
  }
  const Guarded<Shard>& shard_of(std::string_view key) const {
    return shards_[std::hash<std::string_view>{}(key) >> 7 & (shards - 1)];
  }
  std::array<Guarded<Shard>, shards> shards_;
};

}  // namespace chaveiro::cache
