#include "clients/redis/limits_reapply.h"

#include <algorithm>

namespace chaveiro::redis {
namespace {

using limits::Algorithm;
using limits::Ask;
using limits::Verdict;

// The most that can have come back in so long a time.
std::int64_t come_back(const limits::Terms& terms, Micros elapsed) {
  const Algorithm algorithm = terms.limit.algorithm;
  if (algorithm == Algorithm::fixed_window || algorithm == Algorithm::calendar || algorithm == Algorithm::sliding_log)
    return 0;
  if (terms.limit.amount == 0) return 0;
  const auto share = static_cast<long double>(elapsed.count()) / static_cast<long double>(terms.limit.period.count());
  const auto most = static_cast<long double>(terms.numbers.capacity);
  return static_cast<std::int64_t>(std::min(most, share * static_cast<long double>(terms.limit.amount) + 1));
}

}  // namespace

LimitsReapply::LimitsReapply(LimitsReapplyOptions options, limits::Store& store, Client& client, const Clock& clock,
                             Registry& metrics)
    : options_(std::move(options)),
      store_(store),
      clock_(clock),
      charged_(metrics.counter("rate_limit_said_again_total",
                               "Buckets of our own limits that were charged again after a fail-over.", {})),
      watch_(client, "limits-watch", options_.key) {}
LimitsReapply::~LimitsReapply() = default;

Result<Verdict> LimitsReapply::take(std::span<const Ask> asks, limits::Mode mode, Deadline deadline) {
  if (watch_.changed()) TRY_VOID(run_once(deadline));
  TRY(Verdict verdict, store_.take(asks, mode, deadline));
  remember(asks, verdict);
  if (mode == limits::Mode::force || (mode == limits::Mode::take && verdict.allowed))
    memory_.with([&](Memory& it) {
      for (std::size_t i = 0; i < asks.size(); ++i)
        if (verdict.decisions[i].allowed) remember_place(it, asks[i], clock_.steady());
    });
  return verdict;
}

void LimitsReapply::remember_place(Memory& memory, const Ask& ask, SteadyTime now) {
  if (ask.terms->limit.algorithm != Algorithm::concurrency || ask.cost <= 0) return;
  if (memory.places.size() >= options_.buckets_max)
    std::erase_if(memory.places, [&](const auto& it) { return it.second.until <= now; });
  if (memory.places.size() >= options_.buckets_max) return;
  Place& place = memory.places[{std::string(ask.key), ask.holder}];
  place = {ask.terms->shared_from_this(), place.cost + ask.cost, now + ask.terms->limit.period};
}

Result<void> LimitsReapply::release(const Ask& ask, Deadline deadline) {
  memory_.with([&](Memory& it) { it.places.erase({std::string(ask.key), ask.holder}); });
  return store_.release(ask, deadline);
}

void LimitsReapply::forget(std::string_view key) {
  memory_.with([&](Memory& it) {
    it.seen.erase(std::string(key));
    std::erase_if(it.places, [&](const auto& place) { return place.first.first == key; });
  });
}

Result<void> LimitsReapply::reset(std::string_view key, Deadline deadline) {
  TRY_VOID(store_.reset(key, deadline));
  forget(key);
  return {};
}

Result<limits::Resets> LimitsReapply::resets(std::int64_t since, Deadline deadline) {
  TRY(limits::Resets resets, store_.resets(since, deadline));
  for (const std::string& key : resets.keys) forget(key);
  return resets;
}

void LimitsReapply::remember(std::span<const Ask> asks, const Verdict& verdict) {
  const SteadyTime now = clock_.steady();
  memory_.with([&](Memory& it) {
    while (!it.oldest_first.empty() && it.oldest_first.front().first + options_.remembered < now) {
      const auto [at, key] = std::move(it.oldest_first.front());
      it.oldest_first.pop_front();
      const auto known = it.seen.find(key);
      if (known == it.seen.end()) continue;
      if (known->second.at + options_.remembered < now)
        it.seen.erase(known);
      else
        it.oldest_first.emplace_back(known->second.at, key);  // asked again since
    }
    for (std::size_t i = 0; i < asks.size(); ++i) {
      if (asks[i].terms->limit.algorithm == Algorithm::concurrency) continue;
      const limits::Decision& said = verdict.decisions[i];
      Seen seen{asks[i].terms->shared_from_this(), said.limit - said.count, said.reset_after, now};
      const std::string key(asks[i].key);
      if (const auto known = it.seen.find(key); known != it.seen.end()) {
        known->second = std::move(seen);
      } else if (it.seen.size() < options_.buckets_max) {
        it.seen.emplace(key, std::move(seen));
        it.oldest_first.emplace_back(now, key);
      }
    }
  });
}

Result<bool> LimitsReapply::repaired(const std::string& key, const Seen& seen, Deadline deadline) {
  const Micros elapsed = std::chrono::duration_cast<Micros>(clock_.steady() - seen.at);
  if (elapsed >= seen.reset_after) return false;
  Ask ask{key, seen.terms.get(), 0};
  TRY(const Verdict there, store_.take({&ask, 1}, limits::Mode::peek, deadline));
  const std::int64_t most = seen.room + come_back(*seen.terms, elapsed);
  ask.cost = there.decisions[0].limit - there.decisions[0].count - most;
  if (ask.cost <= 0) return false;
  TRY_VOID(store_.take({&ask, 1}, limits::Mode::force, deadline));
  return true;
}

// Giving it back first makes this repeat-safe where the place had not been lost.
Result<bool> LimitsReapply::taken_again(const PlaceName& name, const Place& place, Deadline deadline) {
  if (place.until <= clock_.steady()) return false;
  Ask ask{name.first, place.terms.get(), place.cost};
  ask.holder = name.second;
  TRY_VOID(store_.release(ask, deadline));
  TRY_VOID(store_.take({&ask, 1}, limits::Mode::force, deadline));
  return true;
}

Result<std::size_t> LimitsReapply::run_once(Deadline deadline) {
  std::size_t count = 0;
  const auto said = watch_.repair(deadline, [&]() -> Result<void> {
    const auto [all, places] = memory_.with([](const Memory& it) { return std::pair(it.seen, it.places); });
    for (const auto& [key, seen] : all) {
      TRY(const bool charged, repaired(key, seen, deadline));
      count += charged ? 1 : 0;
    }
    for (const auto& [name, place] : places) {
      TRY(const bool taken, taken_again(name, place, deadline));
      count += taken ? 1 : 0;
    }
    return {};
  });
  if (!said) return said.error();
  charged_.add(count);
  return count;
}

}  // namespace chaveiro::redis
