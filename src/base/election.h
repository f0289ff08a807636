// base/election.h
//
// Election: one of many nodes leads, by a lease that is renewed in the background, over any Leases (base/lease.h).
//
// Guarantees: term() answers only while the lease is ours by our own clock, counted from before the store was asked. `on_change` is
//             told each beginning and end of a term, the end also when it is the clock that ends it, at the latest a fifth of the
//             duration late. Of two nodes that ask the same store, standing() tells one at a time that it leads.
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

// What a node knows of who leads.
enum class Standing : std::uint8_t {
  unknown,  // nothing yet, or no more: ask again in a moment
  leads,
  follows,  // another node led within the last duration; or we resigned
  cut_off,  // the store of the leases does not answer, and what it said last is older than a duration
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

  Standing standing() const;
  // Waits until it is not unknown, or the deadline passes; answers what it is then.
  Standing wait_until_known(Deadline deadline) const;

  // One step, for tests that move the clock; and how to wait until so many have ended.
  void poke() { worker_.run_soon(); }
  Result<void> wait_for_steps(std::uint64_t count, Deadline deadline) { return worker_.wait_for_runs(count, deadline); }

 private:
  struct State {
    std::optional<std::uint64_t> term;
    SteadyTime until = SteadyTime::min();
    SteadyTime others_until = SteadyTime::min();  // until then another's lease, of which we heard, may last
    bool failed = false;                          // the last time that the store was asked
    bool resigned = false;
  };
  Result<void> step(Deadline deadline);
  Result<void> ask(Deadline deadline);
  void let_go(Deadline deadline);
  void set(std::optional<std::uint64_t> term, SteadyTime until, SteadyTime others_until = SteadyTime::min());
  Standing standing(const State& state) const;
  void tell_of_the_store();

  const ElectionOptions options_;
  Leases& leases_;
  const Clock& clock_;
  const Logger log_;
  std::unique_ptr<Lease> lease_;  // of the worker
  bool was_cut_off_ = false;      // of the worker: what the log was told
  Guarded<State> state_;
  Periodic worker_;
};

}  // namespace chaveiro
