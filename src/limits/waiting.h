// limits/waiting.h
//
// Waiting for a limit instead of being refused: acquire() returns when the call is admitted, at the latest at its deadline. Those who wait
// for the same thing are served in the order in which they came; only the first of them asks the limiter. Who would have to wait
// beyond its deadline is refused at once, and has used nothing.
//
// Threads: any number at once.
// Time:    waits are told by the clock that is handed in; a test moves it and calls poke().
// Errors:  exhausted "RateLimited" with retry_after (it would take too long, or too many wait), deadline.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "base/guarded.h"
#include "limits/limiter.h"

namespace chaveiro::limits {

struct WaitingOptions {
  std::size_t waiting_max = 1'000;  // callers, over all buckets; 0: nobody waits
};

class Waiting {
 public:
  Waiting(WaitingOptions options, Limiter& limiter, const Clock& clock);

  Result<Answer> acquire(const Descriptor& descriptor, std::int64_t hits, Deadline deadline);
  // What acquire would be told now; consumes nothing.
  Answer peek(const Descriptor& descriptor, std::int64_t hits, Deadline deadline);

  std::size_t waiting() const;
  // Looks at the clock again: for whoever moves it.
  void poke();

 private:
  struct Queues {
    std::map<std::string, std::deque<std::uint64_t>> by_subject;  // tickets, first come first
    std::uint64_t next_ticket = 1;
    std::size_t waiting = 0;
    std::uint64_t pokes = 0;
  };
  void leave(const std::string& subject, std::uint64_t ticket);

  const WaitingOptions options_;
  Limiter& limiter_;
  const Clock& clock_;
  Guarded<Queues> queues_;
};

}  // namespace chaveiro::limits
