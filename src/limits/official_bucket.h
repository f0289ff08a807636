// limits/official_bucket.h
//
// One token bucket of the regulator, as we must believe it to be: never fuller than the registry's own, whatever the regulation leaves
// open. It is charged after the fact, so it goes below zero; calls in flight are held beside the balance at their worst case.
//
// The regulation says how many tokens come back in a period, not when within it. `whole_periods` admits only what is true for every
// possible answer. Were the charges known for ever, the least possible balance at t would be the minimum, over all moments s ≤ t, of
//     capacity − charged(s, t] + refill · ⌊(t − s) / period⌋
// (at s the bucket was at most full; since then a whole number of periods has certainly passed). Here the moments are sorted into
// `slots` slots of a period; for each slot `top` holds that minimum plus all that was ever charged. A slot's top changes when the slot
// ends: top = min(capacity + charged before the slot, top + refill). So a refill comes at most one slot late, and never early.
// `continuous` believes the registry to refill evenly, to the µs: more, if that is what it does.
//
// A bucket that is full begins its periods anew with the next charge: nothing can be lost there.
//
// Guarantees: with equal charges and credits, balance − held ≤ the registry's balance at every moment, for every phase of its periods,
//             evenly or in steps. The test replays random days against a literal registry.
// Threads:    pure functions on values.
// Source:     Manual Operacional do DICT, section 13 (rate limits); API 2.6.1, policies.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace chaveiro::limits {

enum class Refill : std::uint8_t { whole_periods = 1, continuous };

struct OfficialTerms {
  std::int64_t refill = 0;  // tokens that come back in each period
  Micros period = std::chrono::minutes{1};
  std::int64_t capacity = 0;
  Refill how = Refill::whole_periods;
  bool operator==(const OfficialTerms&) const = default;
};

// A call in flight.
struct Hold {
  std::string reservation;
  std::int64_t worst = 0;
  std::int64_t until = 0;  // then it counts as answered with the worst case
  bool operator==(const Hold&) const = default;
};

struct OfficialState {
  static constexpr std::size_t slots = 6;

  std::int64_t at = 0;                    // latest time that it has seen
  std::int64_t charged = 0;               // all that was ever charged: credits do not lower it
  std::int64_t slot_begin = 0;            // of the slot that `at` lies in
  std::int64_t slot_charged = 0;          // `charged` as it was at the beginning of that slot
  std::int64_t slot = 0;                  // its number
  std::array<std::int64_t, slots> top{};  // continuous: top[0] is the balance in units
  std::vector<Hold> holds;                // by `until`
  bool operator==(const OfficialState&) const = default;
};

OfficialState fresh(const OfficialTerms& terms, std::int64_t now);
// Time has come to `now`. Holds that ended without an answer are charged, each at its own time.
void roll(const OfficialTerms& terms, OfficialState& state, std::int64_t now);

// Whole tokens; below zero while in debt.
std::int64_t balance(const OfficialTerms& terms, const OfficialState& state);
std::int64_t held(const OfficialState& state);
bool is_as_new(const OfficialTerms& terms, const OfficialState& state);

void hold(OfficialState& state, Hold one);
// The call was answered: its hold ends and `cost` is charged. False: it is not held (any more), nothing changes.
bool settle(const OfficialTerms& terms, OfficialState& state, const std::string& reservation, std::int64_t cost);
void charge(const OfficialTerms& terms, OfficialState& state, std::int64_t cost);

// A credit for something that was charged when `charged` stood at `charged_then`. The registry may have granted it at any time since,
// and lost it if it was full then: hence the balance is not raised above capacity − what was charged since.
void credit(const OfficialTerms& terms, OfficialState& state, std::int64_t tokens, std::int64_t charged_then);

// The registry itself said so: the balance is now `tokens` (at most the capacity), whatever we thought.
void set_balance(const OfficialTerms& terms, OfficialState& state, std::int64_t tokens);
// At most `tokens`.
void lower_to(const OfficialTerms& terms, OfficialState& state, std::int64_t tokens);

// The same bucket under other terms (a change of category): the balance is kept, at most the new capacity.
OfficialState changed(const OfficialTerms& before, const OfficialState& state, const OfficialTerms& after);

// When balance − held first reaches `needed`, if nobody asks until then; nothing where it never does. At or after the state's time.
std::optional<std::int64_t> reaches(const OfficialTerms& terms, const OfficialState& state, std::int64_t needed);
// When the last of `calls` calls is admitted that each cost `cost` and begin now, as fast as the bucket allows.
std::optional<std::int64_t> run_ends(const OfficialTerms& terms, OfficialState state, std::int64_t calls,
                                     std::int64_t cost);

}  // namespace chaveiro::limits
