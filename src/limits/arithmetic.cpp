#include "limits/arithmetic.h"

#include <algorithm>

#include "base/check.h"

namespace chaveiro::limits {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return a / b + (a % b > 0 ? 1 : 0); }
std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

std::int64_t capacity_units(const Numbers& n) { return n.capacity * n.price; }

// A cost in units, held within what the arithmetic can carry.
std::int64_t units_of(const Numbers& n, std::int64_t cost) {
  const std::int64_t most = units_max / n.price;
  return std::clamp(cost, -most, most) * n.price;
}

Micros micros(std::int64_t us) { return Micros{us}; }

// Tokens as units in `a`.
struct TokenBucket {
  static void begin(const Numbers& n, State& s, const Moment&) { s.a = capacity_units(n); }
  static void roll(const Numbers& n, State& s, const Moment& m) {
    const std::int64_t missing = capacity_units(n) - s.a;
    const std::int64_t elapsed = m.now - s.at;
    if (n.rate == 0 || missing <= 0 || elapsed <= 0) return;
    s.a = elapsed >= ceil_div(missing, n.rate) ? capacity_units(n) : s.a + elapsed * n.rate;
  }
  static std::int64_t room(const Numbers& n, const State& s) { return floor_div(s.a, n.price); }
  static void spend(const Numbers& n, State& s, std::int64_t cost, std::int64_t) {
    s.a = std::clamp(s.a - units_of(n, cost), -units_max, capacity_units(n));
  }
  static Micros wait(const Numbers& n, const State& s, std::int64_t cost) {
    const std::int64_t lacking = units_of(n, cost) - s.a;
    if (lacking <= 0) return micros(0);
    return n.rate == 0 ? never : micros(ceil_div(lacking, n.rate));
  }
  static Micros reset(const Numbers& n, const State& s) { return wait(n, s, n.capacity); }
};

// The theoretical arrival time: `a` µs and `b` parts of a µs, of which `rate` make one.
struct Gcra {
  static std::int64_t debt(const Numbers& n, const State& s) { return (s.a - s.at) * n.rate + s.b; }

  static void begin(const Numbers&, State& s, const Moment& m) { s.a = m.now; }
  static void roll(const Numbers&, State& s, const Moment& m) {
    if (s.a >= m.now) return;
    s.a = m.now;
    s.b = 0;
  }
  static std::int64_t room(const Numbers& n, const State& s) {
    return floor_div(capacity_units(n) - debt(n, s), n.price);
  }
  static void spend(const Numbers& n, State& s, std::int64_t cost, std::int64_t) {
    if (n.rate == 0) return;
    const std::int64_t owed =
        std::clamp(debt(n, s) + units_of(n, cost), std::int64_t{0}, capacity_units(n) + units_max);
    s.a = s.at + owed / n.rate;
    s.b = owed % n.rate;
  }
  static Micros wait(const Numbers& n, const State& s, std::int64_t cost) {
    const std::int64_t lacking = units_of(n, cost) + debt(n, s) - capacity_units(n);
    if (lacking <= 0) return micros(0);
    return n.rate == 0 ? never : micros(ceil_div(lacking, n.rate));
  }
  static Micros reset(const Numbers& n, const State& s) { return wait(n, s, n.capacity); }
};

void count(const Numbers& n, State& s, std::int64_t cost) {
  s.a = std::clamp(s.a + units_of(n, cost) / n.price, std::int64_t{0}, n.capacity);
}

// `a` admissions since `b`.
struct FixedWindow {
  static std::int64_t window(const Numbers& n, const Moment& m) { return m.now - m.now % n.period; }

  static void begin(const Numbers& n, State& s, const Moment& m) { s.b = window(n, m); }
  static void roll(const Numbers& n, State& s, const Moment& m) {
    if (window(n, m) == s.b) return;
    s.b = window(n, m);
    s.a = 0;
  }
  static std::int64_t room(const Numbers& n, const State& s) { return n.capacity - s.a; }
  static void spend(const Numbers& n, State& s, std::int64_t cost, std::int64_t) { count(n, s, cost); }
  static Micros wait(const Numbers& n, const State& s, std::int64_t cost) {
    return room(n, s) >= cost ? micros(0) : micros(s.b + n.period - s.at);
  }
  static Micros reset(const Numbers& n, const State& s) { return s.a == 0 ? micros(0) : wait(n, s, n.capacity + 1); }
};

// `a` admissions from `b` up to `c`.
struct Calendar {
  static void begin(const Numbers&, State& s, const Moment& m) {
    s.b = m.window.begin;
    s.c = m.window.end;
  }
  static void roll(const Numbers&, State& s, const Moment& m) {
    if (m.now < s.c) return;
    s.a = 0;
    s.b = m.window.begin;
    s.c = m.window.end;
  }
  static std::int64_t room(const Numbers& n, const State& s) { return n.capacity - s.a; }
  static void spend(const Numbers& n, State& s, std::int64_t cost, std::int64_t) { count(n, s, cost); }
  static Micros wait(const Numbers& n, const State& s, std::int64_t cost) {
    return room(n, s) >= cost ? micros(0) : micros(s.c - s.at);
  }
  static Micros reset(const Numbers&, const State& s) { return s.a == 0 ? micros(0) : micros(s.c - s.at); }
};

// `a` admissions since `b`, `c` in the window before.
struct SlidingWindow {
  static void begin(const Numbers& n, State& s, const Moment& m) { s.b = FixedWindow::window(n, m); }
  static void roll(const Numbers& n, State& s, const Moment& m) {
    const std::int64_t window = FixedWindow::window(n, m);
    if (window == s.b) return;
    s.c = window == s.b + n.period ? s.a : 0;
    s.a = 0;
    s.b = window;
  }
  static std::int64_t left(const Numbers& n, const State& s) { return s.b + n.period - s.at; }
  static std::int64_t room(const Numbers& n, const State& s) {
    return n.capacity - s.a - ceil_div(s.c * left(n, s), n.period);
  }
  static void spend(const Numbers& n, State& s, std::int64_t cost, std::int64_t) { count(n, s, cost); }
  // How far into a window that follows one with `before` admissions these weigh no more than `most`.
  static std::int64_t enough_after(const Numbers& n, std::int64_t before, std::int64_t most) {
    return before <= most ? 0 : n.period - most * n.period / before;
  }
  static Micros wait(const Numbers& n, const State& s, std::int64_t cost) {
    if (room(n, s) >= cost) return micros(0);
    const std::int64_t most = n.capacity - cost;
    if (s.a <= most) return micros(s.b + enough_after(n, s.c, most - s.a) - s.at);
    return micros(left(n, s) + enough_after(n, s.a, most));
  }
  static Micros reset(const Numbers& n, const State& s) {
    if (s.a > 0) return micros(left(n, s) + n.period);
    return micros(s.c > 0 ? left(n, s) : 0);
  }
};

// Every admission of the last period in `marks`, oldest first; `a` is their sum.
struct SlidingLog {
  static void begin(const Numbers&, State&, const Moment&) {}
  static void roll(const Numbers& n, State& s, const Moment& m) {
    auto mark = s.marks.begin();
    for (; mark != s.marks.end() && mark->time <= m.now - n.period; ++mark) s.a -= mark->cost;
    s.marks.erase(s.marks.begin(), mark);
  }
  static std::int64_t room(const Numbers& n, const State& s) { return n.capacity - s.a; }
  static void spend(const Numbers& n, State& s, std::int64_t cost, std::int64_t) {
    const std::int64_t before = s.a;
    count(n, s, cost);
    std::int64_t by = s.a - before;
    if (by > 0) {
      if (!s.marks.empty() && s.marks.back().time == s.at) {
        s.marks.back().cost += by;
      } else {
        s.marks.push_back({s.at, by, 0});
      }
    }
    while (by < 0) {  // what is given back, the newest lose
      const std::int64_t taken = std::min(-by, s.marks.back().cost);
      s.marks.back().cost -= taken;
      by += taken;
      if (s.marks.back().cost == 0) s.marks.pop_back();
    }
  }
  static Micros wait(const Numbers& n, const State& s, std::int64_t cost) {
    std::int64_t free = room(n, s);
    if (free >= cost) return micros(0);
    for (const Mark& mark : s.marks)
      if ((free += mark.cost) >= cost) return micros(mark.time + n.period - s.at);
    return never;
  }
  static Micros reset(const Numbers& n, const State& s) {
    return s.marks.empty() ? micros(0) : micros(s.marks.back().time + n.period - s.at);
  }
};

// Every holder in `marks` with the end of its lease, nearest end first; `a` places are taken.
struct Concurrency {
  static void begin(const Numbers&, State&, const Moment&) {}
  static void roll(const Numbers&, State& s, const Moment& m) {
    auto mark = s.marks.begin();
    for (; mark != s.marks.end() && mark->time <= m.now; ++mark) s.a -= mark->cost;
    s.marks.erase(s.marks.begin(), mark);
  }
  static std::int64_t room(const Numbers& n, const State& s) { return n.capacity - s.a; }
  static void spend(const Numbers& n, State& s, std::int64_t cost, std::int64_t holder) {
    const std::int64_t places = std::clamp(cost, std::int64_t{0}, std::max(std::int64_t{0}, room(n, s)));
    if (places == 0) return;
    s.marks.push_back({s.at + n.period, places, holder});
    s.a += places;
  }
  static Micros wait(const Numbers& n, const State& s, std::int64_t cost) {
    std::int64_t free = room(n, s);
    if (free >= cost) return micros(0);
    for (const Mark& mark : s.marks)
      if ((free += mark.cost) >= cost) return micros(mark.time - s.at);
    return never;
  }
  static Micros reset(const Numbers&, const State& s) {
    return s.marks.empty() ? micros(0) : micros(s.marks.back().time - s.at);
  }
};

template <class Fn>
auto with_algorithm(Algorithm algorithm, Fn fn) {
  switch (algorithm) {
    case Algorithm::token_bucket:
      return fn(TokenBucket{});
    case Algorithm::gcra:
      return fn(Gcra{});
    case Algorithm::sliding_log:
      return fn(SlidingLog{});
    case Algorithm::sliding_window:
      return fn(SlidingWindow{});
    case Algorithm::fixed_window:
      return fn(FixedWindow{});
    case Algorithm::calendar:
      return fn(Calendar{});
    case Algorithm::concurrency:
      return fn(Concurrency{});
  }
  CHECK(false);
  return fn(TokenBucket{});
}

}  // namespace

Moment moment_of(const Limit& limit, std::int64_t now) {
  Moment moment{std::clamp(now, std::int64_t{0}, units_max), {}};
  if (limit.algorithm == Algorithm::calendar) moment.window = calendar_window(*limit.zone, limit.unit, moment.now);
  return moment;
}

State fresh(const Numbers& numbers, const Moment& moment) {
  State state{.at = moment.now};
  with_algorithm(numbers.algorithm, [&](auto it) { it.begin(numbers, state, moment); });
  return state;
}

void roll(const Numbers& numbers, State& state, const Moment& moment) {
  if (moment.now <= state.at) return;
  with_algorithm(numbers.algorithm, [&](auto it) { it.roll(numbers, state, moment); });
  state.at = moment.now;
}

std::int64_t room(const Numbers& numbers, const State& state) {
  return with_algorithm(numbers.algorithm, [&](auto it) { return it.room(numbers, state); });
}

void spend(const Numbers& numbers, State& state, std::int64_t cost, std::int64_t holder) {
  with_algorithm(numbers.algorithm, [&](auto it) { it.spend(numbers, state, cost, holder); });
}

void release(State& state, std::int64_t holder) {
  std::erase_if(state.marks, [&](const Mark& mark) {
    if (mark.holder != holder) return false;
    state.a -= mark.cost;
    return true;
  });
}

Micros wait_for(const Numbers& numbers, const State& state, std::int64_t cost) {
  if (cost > numbers.capacity) return never;
  return with_algorithm(numbers.algorithm, [&](auto it) { return it.wait(numbers, state, cost); });
}

Micros wait_for_reset(const Numbers& numbers, const State& state) {
  return with_algorithm(numbers.algorithm, [&](auto it) { return it.reset(numbers, state); });
}

bool is_as_new(const Numbers& numbers, const State& state) { return wait_for_reset(numbers, state) == Micros{0}; }

Decision describe(const Numbers& numbers, const State& state, std::int64_t cost, bool allowed) {
  const std::int64_t left = room(numbers, state);
  return {.allowed = allowed,
          .limit = numbers.capacity,
          .remaining = std::max(std::int64_t{0}, left),
          .count = numbers.capacity - left,
          .reset_after = wait_for_reset(numbers, state),
          .retry_after = allowed ? Micros{0} : wait_for(numbers, state, cost)};
}

State changed(const Numbers& before, const State& state, const Numbers& after, const Moment& moment, OnChange how) {
  Moment latest = moment;
  latest.now = std::max(latest.now, state.at);
  State next = fresh(after, latest);
  const std::int64_t left = room(before, state);
  std::int64_t keeps = left;
  if (how == OnChange::reset || is_as_new(before, state)) return next;
  if (how == OnChange::additive) keeps = left + (after.capacity - before.capacity);
  if (how == OnChange::proportion && before.capacity > 0) {
    __extension__ using Wide = __int128;
    const Wide scaled = static_cast<Wide>(left) * after.capacity;
    keeps = static_cast<std::int64_t>(scaled / before.capacity - (scaled % before.capacity < 0 ? 1 : 0));
  }
  if (before.algorithm == Algorithm::concurrency && after.algorithm == Algorithm::concurrency) {
    next.marks = state.marks;  // holders hold, whatever the number of places
    next.a = state.a;
    return next;
  }
  spend(after, next, after.capacity - keeps);
  return next;
}

}  // namespace chaveiro::limits
