#include "limits/official_bucket.h"

#include <algorithm>
#include <numeric>

#include "limits/limit.h"

namespace chaveiro::limits {
namespace {

constexpr std::int64_t slots = OfficialState::slots;

std::int64_t slot_length(const OfficialTerms& terms) { return std::max<std::int64_t>(1, terms.period.count() / slots); }

// Of the continuous kind: units per token, units per µs.
struct Units {
  explicit Units(const OfficialTerms& terms) {
    const std::int64_t divisor = std::gcd(terms.refill, terms.period.count());
    price = divisor == 0 ? 1 : terms.period.count() / divisor;
    rate = divisor == 0 ? 0 : terms.refill / divisor;
  }
  std::int64_t price;
  std::int64_t rate;
};

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// Debts beyond this say nothing more.
constexpr std::int64_t debt_max = std::int64_t{1} << 20;

void pass_even(const OfficialTerms& terms, OfficialState& state, std::int64_t now) {
  const Units units(terms);
  const std::int64_t missing = terms.capacity * units.price - state.top[0];
  if (missing <= 0 || units.rate == 0) return;
  const std::int64_t elapsed = now - state.at;
  state.top[0] = elapsed > missing / units.rate ? terms.capacity * units.price : state.top[0] + elapsed * units.rate;
  state.top[0] = std::min(state.top[0], terms.capacity * units.price);
}

void end_slot(const OfficialTerms& terms, OfficialState& state) {
  auto& top = state.top[static_cast<std::size_t>(state.slot)];
  top = std::min(terms.capacity + state.slot_charged, top + terms.refill);
  state.slot = (state.slot + 1) % slots;
  state.slot_begin += slot_length(terms);
  state.slot_charged = state.charged;
}

void pass_slots(const OfficialTerms& terms, OfficialState& state, std::int64_t now) {
  const std::int64_t length = slot_length(terms);
  for (std::int64_t i = 0; i < slots && state.slot_begin + length <= now; ++i) end_slot(terms, state);
  // From here on nothing was charged: whole periods pass at once.
  const std::int64_t periods = std::max<std::int64_t>(0, (now - state.slot_begin) / (length * slots));
  if (periods > 0) {
    const std::int64_t full = terms.capacity + state.charged;
    for (auto& top : state.top) {
      const std::int64_t missing = full - top;
      top = terms.refill > 0 && periods >= (missing + terms.refill - 1) / terms.refill ? full
                                                                                       : top + periods * terms.refill;
    }
    state.slot_begin += periods * length * slots;
  }
  while (state.slot_begin + length <= now) end_slot(terms, state);
}

void pass(const OfficialTerms& terms, OfficialState& state, std::int64_t now) {
  if (now <= state.at) return;
  if (terms.how == Refill::continuous) {
    pass_even(terms, state, now);
  } else {
    pass_slots(terms, state, now);
  }
  state.at = now;
}

void begin_periods(const OfficialTerms& terms, OfficialState& state, std::int64_t tokens) {
  state.slot_begin = state.at;
  state.slot_charged = state.charged;
  state.slot = 0;
  state.top.fill(terms.how == Refill::continuous ? tokens * Units(terms).price : tokens + state.charged);
}

}  // namespace

OfficialState fresh(const OfficialTerms& terms, std::int64_t now) {
  OfficialState state{.at = std::clamp<std::int64_t>(now, 0, units_max / 2)};
  state.charged = state.at;
  begin_periods(terms, state, terms.capacity);
  return state;
}

void roll(const OfficialTerms& terms, OfficialState& state, std::int64_t now) {
  now = std::clamp<std::int64_t>(now, 0, units_max);
  while (!state.holds.empty() && state.holds.front().until <= std::max(now, state.at)) {
    pass(terms, state, state.holds.front().until);
    const std::int64_t worst = state.holds.front().worst;
    state.holds.erase(state.holds.begin());
    charge(terms, state, worst);
  }
  pass(terms, state, now);
}

std::int64_t balance(const OfficialTerms& terms, const OfficialState& state) {
  if (terms.how == Refill::continuous) return floor_div(state.top[0], Units(terms).price);
  return *std::min_element(state.top.begin(), state.top.end()) - state.charged;
}

std::int64_t held(const OfficialState& state) {
  std::int64_t sum = 0;
  for (const Hold& one : state.holds) sum += one.worst;
  return sum;
}

bool is_as_new(const OfficialTerms& terms, const OfficialState& state) {
  return state.holds.empty() && balance(terms, state) == terms.capacity;
}

void hold(OfficialState& state, Hold one) {
  const auto later =
      std::find_if(state.holds.begin(), state.holds.end(), [&](const Hold& other) { return other.until > one.until; });
  state.holds.insert(later, std::move(one));
}

void charge(const OfficialTerms& terms, OfficialState& state, std::int64_t cost) {
  cost = std::clamp<std::int64_t>(cost, 0, terms.capacity + debt_max);
  const std::int64_t before = balance(terms, state);
  if (cost == 0 || before < -debt_max) return;
  if (terms.how == Refill::continuous) {
    state.top[0] -= cost * Units(terms).price;
    state.charged += cost;
    return;
  }
  if (before == terms.capacity) begin_periods(terms, state, terms.capacity);
  state.charged += cost;
  // What happens in the moment in which a slot begins lies in the slot before, which has ended.
  if (state.at == state.slot_begin) state.slot_charged = state.charged;
}

bool settle(const OfficialTerms& terms, OfficialState& state, const std::string& reservation, std::int64_t cost) {
  const auto held = std::find_if(state.holds.begin(), state.holds.end(),
                                 [&](const Hold& one) { return one.reservation == reservation; });
  if (held == state.holds.end()) return false;
  state.holds.erase(held);
  charge(terms, state, cost);
  return true;
}

void credit(const OfficialTerms& terms, OfficialState& state, std::int64_t tokens, std::int64_t charged_then) {
  tokens = std::clamp<std::int64_t>(tokens, 0, terms.capacity);
  charged_then = std::clamp<std::int64_t>(charged_then, 0, state.charged);
  if (terms.how == Refill::continuous) {
    const std::int64_t price = Units(terms).price;
    const std::int64_t most = (terms.capacity - std::min(terms.capacity, state.charged - charged_then)) * price;
    state.top[0] = std::max(state.top[0], std::min(most, state.top[0] + tokens * price));
    return;
  }
  for (auto& top : state.top) top = std::max(top, std::min(terms.capacity + charged_then, top + tokens));
}

void set_balance(const OfficialTerms& terms, OfficialState& state, std::int64_t tokens) {
  begin_periods(terms, state, std::clamp(tokens, -debt_max, terms.capacity));
}

void lower_to(const OfficialTerms& terms, OfficialState& state, std::int64_t tokens) {
  if (tokens < balance(terms, state)) set_balance(terms, state, tokens);
}

OfficialState changed(const OfficialTerms& before, const OfficialState& state, const OfficialTerms& after) {
  OfficialState next = state;
  const std::int64_t tokens = std::min(balance(before, state), after.capacity);
  if (before.how == Refill::whole_periods && after.how == before.how && after.period == before.period) {
    for (auto& top : next.top) top = std::min(top, after.capacity + next.charged);
  } else {
    begin_periods(after, next, tokens);
  }
  return next;
}

std::optional<std::int64_t> reaches(const OfficialTerms& terms, const OfficialState& state, std::int64_t needed) {
  OfficialState copy = state;
  const auto lacking = [&] { return needed - (balance(terms, copy) - held(copy)); };
  if (lacking() <= 0) return copy.at;
  if (needed > terms.capacity || terms.refill <= 0) return std::nullopt;
  if (terms.how == Refill::continuous) {
    const Units units(terms);
    while (!copy.holds.empty() && lacking() > 0) {  // what is held now may be charged: wait as if it were
      const Hold first = copy.holds.front();
      settle(terms, copy, first.reservation, first.worst);
    }
    const std::int64_t missing = needed * units.price - copy.top[0];
    return copy.at + std::max<std::int64_t>(0, (missing + units.rate - 1) / units.rate);
  }
  while (!copy.holds.empty()) {
    const Hold first = copy.holds.front();
    settle(terms, copy, first.reservation, first.worst);
  }
  // Far away: whole periods at once, but for the last two.
  if (const std::int64_t periods = lacking() / terms.refill - 2; periods > 0)
    roll(terms, copy, copy.at + periods * terms.period.count());
  while (lacking() > 0) roll(terms, copy, copy.slot_begin + slot_length(terms));
  return copy.at;
}

std::optional<std::int64_t> run_ends(const OfficialTerms& terms, OfficialState state, std::int64_t calls,
                                     std::int64_t cost) {
  cost = std::max<std::int64_t>(1, cost);
  while (calls > 0) {
    const auto when = reaches(terms, state, 1);
    if (!when) return std::nullopt;
    roll(terms, state, *when);
    const std::int64_t free = balance(terms, state) - held(state);
    const std::int64_t now = std::min(calls, (free + cost - 1) / cost);  // the last one may go into debt
    charge(terms, state, now * cost);
    calls -= now;
  }
  return state.at;
}

}  // namespace chaveiro::limits
