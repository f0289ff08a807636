// base/one_of_many.h
//
// OneOfMany: a job that any of several nodes could do and one at a time does: the one that leads an election (election.h). A worker calls
// run() as if it were alone; on the nodes that follow nothing happens.
//
//   OneOfMany claims({.job = "claims", .installation = id}, &leases, clock, log, metrics);
//   Periodic worker({.name = "claims"}, clock, log, [&](Deadline deadline) {
//     return claims.run(deadline, [&](const OneOfMany::GoesOn& goes_on) { return steps_due(goes_on, deadline); });
//   });
//
// For jobs whose steps may be repeated: each is guarded by itself, by a version or because doing it twice changes nothing. The election
// only saves work. So where the leases do not answer, every node does the job: nothing is left undone because they are away.
//
// Guarantees: while the leases answer, one node at a time runs rounds. `goes_on` turns false once the job is another's, or may be; it stays
//             true where the leases go away during a round. A leader that died is followed after lease_time and a fifth of it, one that
//             leaves at once; the heir's round comes with its own next run().
// Metrics:    job_leader{job} (1: leads), job_terms_total{job} (how often this node took the job over),
//             job_rounds_total{job,as}: leader, follower (nothing was done), cut_off (done without knowing who leads).
// Threads:    any; the election has one of its own.
// Time:       run() of a node that does not know yet who leads waits for that, a fifth of lease_time at most, and else does nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/election.h"
#include "base/metrics.h"

namespace chaveiro {

struct OneOfManyOptions {
  std::string job;           // "claims"; the label of the metrics
  std::string installation;  // what the nodes have in common and no others: the lease is named after both
  Micros lease_time = std::chrono::seconds{10};
};

class OneOfMany {
 public:
  using GoesOn = std::function<bool()>;
  using Round = std::function<Result<void>(const GoesOn& goes_on)>;

  // `leases` null: there is no other node, or nothing to find out by; every round is run, and there are no metrics. All is borrowed.
  OneOfMany(OneOfManyOptions options, Leases* leases, const Clock& clock, Logger log, Registry& metrics);

  // Errors: those of the round.
  Result<void> run(Deadline deadline, const Round& round);
  // Gives the lease back; no round is run any more. Call it when the worker has stopped.
  // Errors: deadline (the lease ends by itself).
  Result<void> leave(Deadline deadline);

  // With leases: does nobody know who leads?
  bool cut_off() const { return elected_ && elected_->election.standing() == Standing::cut_off; }
  const std::string& job() const { return options_.job; }
  // Null without leases. For tests that move the clock.
  Election* election() { return elected_ ? &elected_->election : nullptr; }

 private:
  struct Elected {
    Elected(const OneOfManyOptions& options, Leases& leases, const Clock& clock, Logger log, Registry& metrics);
    Counter &terms, &led, &followed, &cut_off;
    Election election;
    Registry::Watch leads;
  };
  const OneOfManyOptions options_;
  std::optional<Elected> elected_;
};

}  // namespace chaveiro
