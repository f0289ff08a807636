// clients/postgres/outage.h
//
// How often somebody who needs one connection tries to have it, while the server is away: pauses that grow from try to try. In the first
// moment of an outage, such as a restart or a fail-over, it is worth the wait for the next try; afterwards callers are refused at once until
// that is due, so that there are few tries however many callers there are.
//
// Threads: belongs to one thread; it neither waits nor connects.
#pragma once

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "base/result.h"

namespace chaveiro::clients::postgres {

struct OutageOptions {
  Micros patience = std::chrono::seconds{1};  // so long is waited for a try; 0: never
  Micros pause_first =
      std::chrono::milliseconds{20};  // after the first try that failed; each further one waits twice as long
  Micros pause_max = std::chrono::seconds{1};
};

class Outage {
 public:
  explicit Outage(OutageOptions options) : options_(options) {}

  void failed(SteadyTime now, Error why, bool may_pass) {
    if (!why_) since_ = now, pause_ = options_.pause_first;
    next_try_ = now + pause_;
    pause_ = std::min(pause_ * 2, options_.pause_max);
    may_pass_ = may_pass;
    why_ = std::move(why);
  }
  void over() { why_.reset(); }

  // When a try is due; in the past: now.
  SteadyTime next_try() const { return why_ ? next_try_ : SteadyTime{}; }
  // What callers are told until then; nothing: it is worth the wait.
  std::optional<Error> refusal(SteadyTime now) const {
    if (!why_ || now >= next_try_ || (may_pass_ && next_try_ - since_ <= options_.patience)) return std::nullopt;
    Error told = *why_;
    told.retry_after = std::chrono::ceil<std::chrono::milliseconds>(next_try_ - now);
    return told;
  }

 private:
  const OutageOptions options_;
  std::optional<Error> why_;  // of the try that failed last; nothing: there is no outage
  SteadyTime since_{}, next_try_{};
  Micros pause_{0};
  bool may_pass_ = true;  // false: refused for what we are, which waiting does not change
};

}  // namespace chaveiro::clients::postgres
