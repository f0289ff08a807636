// limits/waiting.h
//
// Waiting for a limit instead of being refused: acquire() returns when the call is admitted, at the latest at its deadline. Those who wait
// for the same thing are served in the order in which they came; only the first of them asks. Who would have to wait beyond its
// deadline is refused at once, and has used nothing.
//
// Turns is the queue alone, for whatever can be asked again later; Waiting is that queue before a Limiter.
//
// Threads: any number at once.
// Time:    waits are told by the clock that is handed in; a test moves it and calls poke().
// Errors:  exhausted "RateLimited" with retry_after (it would take too long, or too many wait), deadline; those of the question.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>

#include "base/guarded.h"
#include "limits/limiter.h"

namespace chaveiro::limits {

struct WaitingOptions {
  std::size_t waiting_max = 1'000;  // callers, over all buckets; 0: nobody waits
};

class Turns {
 public:
  Turns(WaitingOptions options, const Clock& clock) : options_(options), clock_(clock) {}

  // Asks until it is admitted: `ask` says nothing, or an error. exhausted with retry_after: it is asked again then, if the deadline allows;
  // any other error is the answer.
  Result<void> wait(const std::string& subject, Deadline deadline, const std::function<Result<void>()>& ask);

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
  const Clock& clock_;
  Guarded<Queues> queues_;
};

class Waiting {
 public:
  Waiting(WaitingOptions options, Limiter& limiter, const Clock& clock) : limiter_(limiter), turns_(options, clock) {}

  Result<Answer> acquire(const Descriptor& descriptor, std::int64_t hits, Deadline deadline);
  // What acquire would be told now; consumes nothing.
  Answer peek(const Descriptor& descriptor, std::int64_t hits, Deadline deadline);

  std::size_t waiting() const { return turns_.waiting(); }
  void poke() { turns_.poke(); }

 private:
  Limiter& limiter_;
  Turns turns_;
};

}  // namespace chaveiro::limits
