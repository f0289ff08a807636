// limits/arithmetic.h
//
// What a limit decides, as pure whole-number arithmetic on a given time: the state of one bucket goes in, a decision and the next state
// come out. Nothing here knows a clock, a lock or a store; every store (memory, Redis) does exactly this.
//
//   State state = fresh(numbers, now);
//   roll(numbers, state, moment);                   // time has passed
//   if (room(numbers, state) >= cost) spend(numbers, state, cost);
//   Decision d = describe(numbers, state, cost, allowed);
//
// Guarantees: exact: no rounding in favour of the caller anywhere, no drift however often it is asked. A clock that steps back stops
//             the bucket's time until it has caught up; it never refills. A cost of any int64 is harmless.
// Threads:    pure functions on values.
// Time:       O(1); sliding_log and concurrency linear in what has ended since the last call.
// Source:     token bucket: Turner 1986. GCRA: ITU-T I.371. Sliding window estimate: two counters, weighted by overlap.
#pragma once

#include <cstdint>
#include <vector>

#include "limits/limit.h"

namespace chaveiro::limits {

// retry_after and reset_after when no amount of waiting helps.
inline constexpr Micros never = Micros::max();

struct Decision {
  bool allowed = false;
  std::int64_t limit = 0;      // capacity, or what the window allows
  std::int64_t remaining = 0;  // whole tokens that are left now, never negative
  std::int64_t count = 0;      // what is in use now: limit − balance; above `limit` while the balance is negative
  Micros reset_after{0};       // until the bucket is as new if nobody asks again
  Micros retry_after{0};       // until the same cost would be admitted; 0 when allowed; `never` when it cannot be
  bool operator==(const Decision&) const = default;
};

// An admission that is remembered one by one (sliding_log: when it was made; concurrency: until when it holds).
struct Mark {
  std::int64_t time = 0;
  std::int64_t cost = 0;
  std::int64_t holder = 0;
  bool operator==(const Mark&) const = default;
};

// One bucket. What a, b and c mean is the algorithm's.
struct State {
  std::int64_t at = 0;  // latest time that it has seen
  std::int64_t a = 0;
  std::int64_t b = 0;
  std::int64_t c = 0;
  std::vector<Mark> marks;
  bool operator==(const State&) const = default;
};

// Now, with the calendar window around it where the limit needs one.
struct Moment {
  std::int64_t now = 0;
  Window window;
};
Moment moment_of(const Limit& limit, std::int64_t now);

State fresh(const Numbers& numbers, const Moment& moment);
// Time has come to `moment`; earlier than the state has seen counts as what it has seen.
void roll(const Numbers& numbers, State& state, const Moment& moment);

// What follows is about the state's own time: roll first.

// Whole tokens that can be spent; negative while in debt.
std::int64_t room(const Numbers& numbers, const State& state);
// Takes `cost` whether or not there is room: a bucket goes into debt, a window is full. A negative cost gives back, never above the
// capacity. `holder` is for concurrency.
void spend(const Numbers& numbers, State& state, std::int64_t cost, std::int64_t holder = 0);
// A holder of a concurrency limit has ended. Unknown ones change nothing.
void release(State& state, std::int64_t holder);
// How long until there is room for `cost`.
Micros wait_for(const Numbers& numbers, const State& state, std::int64_t cost);
// How long until it is as new. As new already: it may be forgotten.
Micros wait_for_reset(const Numbers& numbers, const State& state);
bool is_as_new(const Numbers& numbers, const State& state);

Decision describe(const Numbers& numbers, const State& state, std::int64_t cost, bool allowed);

// The state under the new numbers after a change of the rule.
State changed(const Numbers& before, const State& state, const Numbers& after, const Moment& moment, OnChange how);

}  // namespace chaveiro::limits
