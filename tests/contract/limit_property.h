// tests/contract/limit_property.h
//
// The property that every implementation of a limit must have: whatever is asked, in whatever order, with whatever the clock does, it
// answers what the literal model (limit_model.h) answers. A case is made from a seed; a case that fails is made smaller as long as it
// fails, and what is left is printed with the seed.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "limits/store.h"
#include "tests/contract/limit_model.h"

namespace chaveiro::limits::test {

struct Step {
  std::int64_t later = 0;  // µs since the step before; negative: the clock steps back
  Mode mode = Mode::take;
  std::int64_t cost = 1;
};

struct Case {
  std::uint64_t seed = 0;
  Limit limit;
  std::int64_t begin = 0;
  std::vector<Step> steps;
};

inline std::string described(const Case& it) {
  std::ostringstream text;
  text << "seed " << it.seed << ": " << to_string(it.limit.algorithm) << " amount " << it.limit.amount << " period "
       << it.limit.period.count() << " burst " << it.limit.burst << " begin " << it.begin << "\n";
  for (const Step& step : it.steps)
    text << "  +" << step.later << " "
         << (step.mode == Mode::take   ? "take"
             : step.mode == Mode::peek ? "peek"
                                       : "force")
         << " " << step.cost << "\n";
  return text.str();
}

inline Case make_case(std::uint64_t seed, std::optional<Algorithm> only = {}) {
  Random random(seed);
  Case it{.seed = seed};
  it.limit.algorithm = only ? *only : static_cast<Algorithm>(1 + random.below(6));
  constexpr std::int64_t periods[] = {1, 7, 1'000, 999'983, 1'000'000, 60'000'000, 86'400'000'000};
  it.limit.period = Micros{periods[random.below(7)]};
  it.limit.amount =
      random.below(8) == 0 ? 0 : static_cast<std::int64_t>(1 + random.below(random.below(2) ? 10 : 1'000));
  if (random.below(2)) it.limit.burst = static_cast<std::int64_t>(1 + random.below(500));
  it.limit.unit = static_cast<CalendarUnit>(1 + random.below(5));
  if (random.below(2)) it.limit.zone = *Zone::find(random.below(2) ? "-03:00" : "+05:45");
  it.begin =
      random.below(4) == 0 ? 0 : static_cast<std::int64_t>(1'700'000'000'000'000 + random.below(1'000'000'000'000));
  const std::int64_t period = it.limit.algorithm == Algorithm::calendar ? 3'600'000'000 : it.limit.period.count();
  const std::size_t steps = 1 + random.below(40);
  for (std::size_t i = 0; i < steps; ++i) {
    Step step;
    switch (random.below(8)) {
      case 0:
        break;
      case 1:
        step.later = 1;
        break;
      case 2:
        step.later = period;
        break;
      case 3:
        step.later = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(period) * 3 + 1));
        break;
      case 4:
        step.later = -static_cast<std::int64_t>(random.below(7'200'000'000));
        break;
      default:
        step.later = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(period) / 4 + 2));
    }
    if (random.below(60) == 0) step.later = 86'400'000'000 * 40;
    step.cost = static_cast<std::int64_t>(random.below(4) == 0 ? random.below(400) : 1 + random.below(3));
    if (random.below(40) == 0)
      step.cost = std::numeric_limits<std::int64_t>::max() - static_cast<std::int64_t>(random.below(3));
    step.mode = random.below(5) == 0 ? Mode::peek : Mode::take;
    it.steps.push_back(step);
  }
  return it;
}

// What it found wrong; nothing where all is as it should be.
using Judge = std::function<std::optional<std::string>(const Case&)>;

// Takes steps away as long as what is left still fails.
inline Case smaller(Case failing, const Judge& judge) {
  for (std::size_t chunk = std::max<std::size_t>(1, failing.steps.size() / 2);;
       chunk = std::max<std::size_t>(1, chunk / 2)) {
    bool removed = false;
    for (std::size_t at = 0; at + chunk <= failing.steps.size();) {
      Case tried = failing;
      const auto from = tried.steps.begin() + static_cast<std::ptrdiff_t>(at);
      std::int64_t later = 0;  // what happens afterwards happens at the same time as before
      for (auto step = from; step != from + static_cast<std::ptrdiff_t>(chunk); ++step) later += step->later;
      tried.steps.erase(from, from + static_cast<std::ptrdiff_t>(chunk));
      if (at < tried.steps.size()) tried.steps[at].later += later;
      if (judge(tried)) {
        failing = std::move(tried);
        removed = true;
      } else {
        at += chunk;
      }
    }
    if (chunk == 1 && !removed) return failing;
  }
}

inline void hold(const Judge& judge, std::uint64_t seeds, std::uint64_t first = 1, std::optional<Algorithm> only = {}) {
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    const Case it = make_case(seed, only);
    if (!judge(it)) continue;
    const Case small = smaller(it, judge);
    FAIL() << *judge(small) << "\n" << described(small);
  }
}

// One bucket under test: what a step answers at this time.
using Bucket = std::function<Decision(const Step&, std::int64_t now)>;

// Plays the case against the model. `make` gives a new bucket of the limit.
inline std::optional<std::string> differs(const Case& it,
                                          const std::function<Bucket(const Limit&, std::int64_t now)>& make) {
  LiteralModel model(it.limit, it.begin);
  const Bucket bucket = make(it.limit, it.begin);
  std::int64_t now = it.begin;
  std::int64_t seen = it.begin;
  for (std::size_t i = 0; i < it.steps.size(); ++i) {
    const Step& step = it.steps[i];
    now = std::clamp<std::int64_t>(now + step.later, 0, units_max / 2);
    seen = std::max(seen, now);
    model.advance_to(now);
    const bool allowed = model.allows(step.cost);
    if (allowed && step.mode == Mode::take) model.admit(step.cost);
    const Decision got = bucket(step, now);
    std::ostringstream wrong;
    wrong << "step " << i << ": ";
    const auto says = [&](const char* what, std::int64_t ours, std::int64_t theirs) {
      wrong << what << " " << ours << ", the model says " << theirs;
      return wrong.str();
    };
    if (got.allowed != allowed) return says("allowed", got.allowed, allowed);
    if (got.remaining != std::max<std::int64_t>(0, model.left()))
      return says("remaining", got.remaining, std::max<std::int64_t>(0, model.left()));
    if (got.count != model.capacity() - model.left()) return says("count", got.count, model.capacity() - model.left());
    if (got.limit != model.capacity()) return says("limit", got.limit, model.capacity());
    if (got.retry_after == never) {
      if (step.cost <= model.capacity()) return says("never", 1, 0);
    } else if (!allowed) {
      const std::int64_t wait = got.retry_after.count();
      if (!model.would_allow(step.cost, seen + wait)) return says("retry_after is too early:", wait, wait);
      if (wait > 0 && model.would_allow(step.cost, seen + wait - 1))
        return says("retry_after is too late:", wait, wait);
    }
    const std::int64_t reset = got.reset_after.count();
    if (got.reset_after != never && model.left_later(seen + reset) != model.capacity())
      return says("not as new after", reset, model.left_later(seen + reset));
  }
  return std::nullopt;
}

}  // namespace chaveiro::limits::test
