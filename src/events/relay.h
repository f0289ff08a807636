// events/relay.h
//
// Publishes what waits in an outbox, in the order of the commits within each aggregate, at least once: what a crash interrupts
// between publishing and forgetting is published again, with the same event id and sequence.
//
// At most one event of an aggregate is on its way at a time, so that one that fails never lets a later one pass.
//
// Threads: run_once() by one thread at a time (a Periodic); on several nodes only the elected one works.
// Time:    one round takes the outbox's and the bus's time; about 1,000 events a round.
// Errors:  those of the outbox and of the bus; events that the bus refuses stay where they are.
#pragma once

#include <functional>
#include <map>

#include "base/lease.h"
#include "base/log.h"
#include "events/bus.h"
#include "events/outbox.h"

namespace chaveiro::events {

struct RelayOptions {
  std::size_t round_max = 1'000;
  // What is published on one topic goes to another one too.
  std::map<std::string, std::string> copies = {};
  // Called at each step, for tests that stop the process there: "read", "published", "forgotten".
  std::function<void(std::string_view step)> failpoint = {};
};

class Relay {
 public:
  // `election` null: this is the only node.
  Relay(RelayOptions options, Outbox& outbox, Bus& bus, LeaderElection* election, Logger log);

  // Publishes until nothing waits or the deadline passes; answers how many events left. 0 where another node leads.
  Result<std::uint64_t> run_once(Deadline deadline);

 private:
  Result<std::uint64_t> round(Deadline deadline);
  Result<void> publish_wave(std::vector<const OutboxEvent*>& wave, std::vector<std::uint64_t>& positions,
                            Deadline deadline);
  void step(std::string_view name) const {
    if (options_.failpoint) options_.failpoint(name);
  }

  const RelayOptions options_;
  Outbox& outbox_;
  Bus& bus_;
  LeaderElection* const election_;
  const Logger log_;
};

}  // namespace chaveiro::events
