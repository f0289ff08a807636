// base/election.h
//
// Election: one of many nodes leads, by a lease that is renewed in the background, over any Leases (base/lease.h).
//
// Guarantees: term() answers only while the lease is ours by our own clock, counted from before the store was asked. `on_change` is
//             told each beginning and end of a term, the end also when it is the clock that ends it, at the latest a fifth of the
//             duration late.
// Threads: one of its own; all calls, any thread. `on_change` runs on it and must not destroy the election.
// Time:    takes over when the leader's lease has ended: at most duration + a fifth of it after a leader died.
#pragma once

#include <functional>
#include <optional>

#include "base/guarded.h"
#include "base/lease.h"
#include "base/log.h"
#include "base/periodic.h"

namespace chaveiro {

struct ElectionOptions {
  std::string name;                            // of the lease
  Micros duration = std::chrono::seconds{10};  // of a term unless it is renewed, which is tried each fifth of it
  std::function<void(std::optional<std::uint64_t> term)> on_change = {};  // nothing: we lead no more
};

class Election final : public LeaderElection {
 public:
  // Everything is borrowed.
  Election(ElectionOptions options, Leases& leases, const Clock& clock, Logger log);
  // Lets the lease end by itself: resign() first.
  ~Election() override;

  std::optional<std::uint64_t> term() const override;
  Result<std::uint64_t> wait_until_leader(Deadline deadline) override;
  Result<void> resign(Deadline deadline) override;

  // One step, for tests that move the clock.
  void poke() { worker_.run_soon(); }

 private:
  struct State {
    std::optional<std::uint64_t> term;
    SteadyTime until = SteadyTime::min();
    bool resigned = false;
  };
  Result<void> step(Deadline deadline);
  void set(std::optional<std::uint64_t> term, SteadyTime until);

  const ElectionOptions options_;
  Leases& leases_;
  const Clock& clock_;
  const Logger log_;
  std::unique_ptr<Lease> lease_;  // of the worker
  Guarded<State> state_;
  Periodic worker_;
};

}  // namespace chaveiro
