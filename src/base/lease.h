// base/lease.h
//
// Being the only one, for a while: the interfaces that Redis, PostgreSQL, SQLite and memory implement.
//
// A lease ends by itself, so its holder may have lost it without knowing: a paused process, a slow network. What must never be
// done twice is therefore protected by the fence: a number that grows with each new holder of the name. The holder sends it along,
// and the store refuses a number lower than the greatest it has seen. held() alone is a hint that saves work, not a proof.
//
// Threads: any.
// Time:    calls with a Deadline may wait for the store; the others never wait.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace chaveiro {

class Lease {
 public:
  // Gives nothing back: a lease that was not released ends at its time.
  virtual ~Lease() = default;

  virtual std::string_view name() const = 0;
  virtual std::uint64_t fence() const = 0;
  // Until when it is ours by our own clock, counted from before the store was asked; earlier than the store's own end.
  virtual SteadyTime held_until() const = 0;

  // Ours for the whole duration again, from now on.
  // Errors: conflict "LeaseLost" (somebody else may hold it: stop), unavailable, deadline, maybe_applied.
  virtual Result<void> renew(Deadline deadline) = 0;
  // Ours no longer; others need not wait for its end. Repeat-safe.
  virtual Result<void> release(Deadline deadline) = 0;
};

class Leases {
 public:
  virtual ~Leases() = default;

  // Takes the name, waiting for its holder up to the deadline; a deadline that has passed means one try.
  // Errors: conflict "LeaseHeld" with `retry_after`, unavailable.
  virtual Result<std::unique_ptr<Lease>> take(std::string_view name, Micros duration, Deadline deadline) = 0;
};

// One of many nodes leads. Being leader is a lease that is renewed in the background.
class LeaderElection {
 public:
  virtual ~LeaderElection() = default;

  // The fence of our term while we lead, by our own clock; nothing otherwise.
  virtual std::optional<std::uint64_t> term() const = 0;
  // Waits until we lead and returns the fence of the term.
  // Errors: deadline, cancelled (resigned meanwhile).
  virtual Result<std::uint64_t> wait_until_leader(Deadline deadline) = 0;
  // Stops leading and standing; another node follows at once.
  virtual Result<void> resign(Deadline deadline) = 0;
};

}  // namespace chaveiro
