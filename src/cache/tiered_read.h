// cache/tiered_read.h
//
// The reading half of cache/tiered.h: looks in memory, asks slower levels, loads. Include that one.
//
// Threads: see cache/tiered.h.
#pragma once

#include "cache/tiered.h"

namespace chaveiro::cache {

namespace tiered {

// A failure that a stale value may stand in for: the source is away, not "no".
inline bool is_outage(Code code) {
  return code == Code::unavailable || code == Code::deadline || code == Code::exhausted || code == Code::internal ||
         code == Code::corrupt || code == Code::cancelled || code == Code::maybe_applied;
}

// Chance for jitter and early refresh, one for each thread.
inline Random& chance() {
  thread_local Random random(random_u64());
  return random;
}

inline constexpr std::uint32_t sample_mask = 1'023;  // hits in memory are timed one in 1,024
inline bool is_sampled() {
  thread_local std::uint32_t turn = 0;
  return (++turn & sample_mask) == 0;
}

}  // namespace tiered

template <class V>
Answer<V> Tiered<V>::answer_of(const Held<V>& held, Level level, SteadyTime now) const {
  Answer<V> answer;
  answer.value = held.value;
  answer.level = level;
  answer.age = std::chrono::duration_cast<Micros>(now - held.loaded_at);
  answer.stale = now >= held.fresh_until;
  if (!answer.stale) answer.fresh_left = std::chrono::duration_cast<Micros>(held.expires_at - now);
  answer.version = held.version;
  if (held.value == nullptr) answer.error = held.failure;
  return answer;
}

template <class V>
bool Tiered<V>::wants_refresh(const Held<V>& held, SteadyTime now) const {
  if (held.failure) return false;
  const auto left = held.expires_at - now;
  if (options_.eager_refresh > 0) {
    const std::chrono::duration<double, std::nano> whole = held.expires_at - held.loaded_at;
    if (now - held.loaded_at >= whole * options_.eager_refresh) return true;
  }
  if (options_.early_refresh > 0) {
    // XFetch: as if −cost·β·ln(u) later than now. Beyond 40 times cost·β the chance is below 10^-17.
    const double scale = static_cast<double>(held.cost.count()) * options_.early_refresh;
    const auto nanoseconds = static_cast<double>(std::chrono::nanoseconds(left).count());
    if (nanoseconds < 40 * scale && -scale * std::log(1 - tiered::chance().unit()) >= nanoseconds) return true;
  }
  return false;
}

template <class V>
typename Tiered<V>::Looked Tiered<V>::look(std::string_view key) {
  Looked seen;
  if (!options_.l1.enabled) return seen;
  const SteadyTime now = clock_.steady();
  const bool sampled = tiered::is_sampled();
  near_.visit(key, [&](const Held<V>& held) {
    if ((now >= held.fresh_until && now >= held.keep_until) || !stamps_.holds(held.stamp, held.cells)) return;
    seen.answer = answer_of(held, Level::l1, now);
    seen.state = seen.answer.stale ? State::stale : State::fresh;
    if (seen.answer.stale)
      seen.pausing = now < held.ask_again.get();
    else if (options_.eager_refresh > 0 || options_.early_refresh > 0)
      seen.wants_refresh = wants_refresh(held, now);
  });
  (seen.state == State::fresh ? l1_metrics_.hits : l1_metrics_.misses).add();
  if (sampled) l1_metrics_.latency.record(clock_.steady() - now);
  return seen;
}

template <class V>
std::optional<Held<V>> Tiered<V>::held(std::string_view key) {
  std::optional<Held<V>> copy;
  const SteadyTime now = clock_.steady();
  near_.visit(key, [&](const Held<V>& it) {
    if (now < it.keep_until && !it.failure && stamps_.holds(it.stamp, it.cells)) copy = it;
  });
  return copy;
}

template <class V>
typename Tiered<V>::Outcome Tiered<V>::outcome_of(Answer<V>&& answer) {
  if (answer.error != nullptr && !answer.stale) return *answer.error;  // a failure that was kept
  return std::move(answer);
}

template <class V>
std::optional<Answer<V>> Tiered<V>::peek(std::string_view key) {
  Looked seen = look(key);
  if (seen.state != State::fresh || seen.answer.error != nullptr) return std::nullopt;
  if (seen.wants_refresh && parts_.loader) refresh_behind(key, parts_.loader);
  return std::move(seen.answer);
}

template <class V>
template <class Fn>
bool Tiered<V>::peek_with(std::string_view key, Fn&& fn) {
  if (!options_.l1.enabled) return false;
  const SteadyTime now = clock_.steady();
  bool hit = false;
  near_.visit(key, [&](const Held<V>& held) {
    if (now >= held.fresh_until || !stamps_.holds(held.stamp, held.cells)) return;
    if (held.value == nullptr && held.failure != nullptr) return;
    hit = true;
    if constexpr (std::invocable<Fn, const std::shared_ptr<const V>&>)
      fn(held.value);
    else
      fn(held.value.get());
  });
  (hit ? l1_metrics_.hits : l1_metrics_.misses).add();
  return hit;
}

template <class V>
template <class Fn>
bool Tiered<V>::peek_packed(std::string_view key, Fn&& fn) {
  if (!options_.l1.enabled) return false;
  CHECK(near_.packs());
  const SteadyTime now = clock_.steady();
  bool hit = false;
  near_.visit_packed(key, [&](const PackedHead& head, std::string_view rest) {
    if (now >= head.fresh_until || !head.has_value) return;
    if (!(head.has_tail ? stamps_.holds(head.stamp, Near<V>::cells_of(head, rest)) : stamps_.holds(head.stamp, {})))
      return;
    hit = true;
    fn(rest.substr(0, head.value_bytes));
  });
  (hit ? l1_metrics_.hits : l1_metrics_.misses).add();
  return hit;
}

template <class V>
typename Tiered<V>::Outcome Tiered<V>::get(std::string_view key, Deadline deadline) {
  return get_or_load(key, parts_.loader, deadline);
}

template <class V>
typename Tiered<V>::Outcome Tiered<V>::get_or_load(std::string_view key, const Loader<V>& loader, Deadline deadline) {
  Looked seen = look(key);
  if (seen.state == State::fresh) [[likely]] {
    if (seen.wants_refresh) refresh_behind(key, loader);
    return outcome_of(std::move(seen.answer));
  }
  return miss(key, loader, deadline, std::move(seen));
}

template <class V>
typename Tiered<V>::Outcome Tiered<V>::miss(std::string_view key, const Loader<V>& loader, Deadline deadline,
                                            Looked seen) {
  const bool has_stale = seen.state == State::stale;
  const auto stale = [&]() -> Outcome {
    l1_metrics_.stale.add();
    return seen.answer;
  };
  if (has_stale && seen.pausing) return stale();
  const Micros patience =
      has_stale && options_.soft_timeout > Micros{0} ? options_.soft_timeout : options_.hard_timeout;
  const Deadline limit = patience > Micros{0} && parts_.pool != nullptr ? deadline.capped(patience) : deadline;

  while (!limit.expired()) {
    const auto [flight, leads] = flights_.join(key, ticket_of(key), clock_.steady(), options_.coalescing_window);
    if (leads && (patience == Micros{0} || !in_background(key, loader, flight, Force::no))) {
      Landing landing = load(key, loader, flight->ticket, Force::no, deadline);
      flights_.end(key, flight, landing.abandoned ? std::nullopt : std::optional(landing.outcome));
      return std::move(landing.outcome);
    }
    std::optional<Outcome> outcome;
    switch (flight->wait(limit, outcome)) {
      case Flights<Outcome>::Flight::Waited::landed:
        if (loader && *outcome && !(*outcome)->known()) continue;  // its leader had no loader
        if (*outcome && !leads) (*outcome)->shared = true;
        return std::move(*outcome);
      case Flights<Outcome>::Flight::Waited::abandoned:
        continue;
      case Flights<Outcome>::Flight::Waited::too_late:
        break;
    }
  }
  if (has_stale) return stale();
  return fail(Code::deadline, limit == deadline ? "Deadline" : "LoadTimeout", "the source did not answer in time");
}

template <class V>
bool Tiered<V>::in_background(std::string_view key, const Loader<V>& loader, const Flight& flight, Force force) {
  if (parts_.pool == nullptr) return false;
  const Deadline limit = options_.load_time_max > Micros{0} ? Deadline::in(options_.load_time_max) : Deadline::never();
  jobs_.with([](std::size_t& jobs) { ++jobs; });
  const auto accepted =
      parts_.pool->submit(limit, Job([this, name = std::string(key), loader, flight, limit, force](Turn turn) {
                            std::optional<Outcome> outcome;
                            if (turn == Turn::run) outcome = load(name, loader, flight->ticket, force, limit).outcome;
                            flights_.end(name, flight, std::move(outcome));
                            job_ended();
                          }));
  if (accepted) return true;
  job_ended();
  return false;
}

template <class V>
void Tiered<V>::job_ended() {
  auto jobs = jobs_.lock();
  --*jobs;
  jobs_.notify_all();  // under the lock: once it is given back, the cache may be gone
}

template <class V>
void Tiered<V>::refresh_behind(std::string_view key, const Loader<V>& loader) {
  if (parts_.pool == nullptr || !loader) return;
  const auto [flight, leads] = flights_.join(key, ticket_of(key), clock_.steady(), options_.coalescing_window);
  if (leads && !in_background(key, loader, flight, Force::yes)) flights_.end(key, flight, std::nullopt);
}

template <class V>
typename Tiered<V>::Outcome Tiered<V>::refresh(std::string_view key, const Loader<V>& loader, Deadline deadline) {
  while (!deadline.expired()) {
    const auto [flight, leads] = flights_.join(key, ticket_of(key), clock_.steady(), options_.coalescing_window);
    if (leads) {
      Landing landing = load(key, loader, flight->ticket, Force::yes, deadline);
      flights_.end(key, flight, landing.abandoned ? std::nullopt : std::optional(landing.outcome));
      return std::move(landing.outcome);
    }
    std::optional<Outcome> outcome;
    if (flight->wait(deadline, outcome) == Flights<Outcome>::Flight::Waited::landed &&
        !(loader && *outcome && !(*outcome)->known()))
      return std::move(*outcome);
  }
  return fail(Code::deadline, "Deadline", "the source did not answer in time");
}

template <class V>
typename Tiered<V>::Landing Tiered<V>::load(std::string_view key, const Loader<V>& loader, LoadTicket ticket,
                                            Force force, Deadline deadline) {
  std::optional<Held<V>> stale = held(key);
  const SteadyTime now = clock_.steady();
  if (force == Force::no) {
    // Whoever flew before may have landed between our look and our flight.
    if (stale && now < stale->fresh_until) return {answer_of(*stale, Level::l1, now)};
    if (auto found = from_far(key, ticket, deadline, stale)) return {std::move(*found)};
  }
  if (!loader) {
    if (stale && options_.fail_safe > Micros{0} && stale->value) return {answer_of(*stale, Level::l1, now)};
    return {Answer<V>{}};
  }
  std::optional<Answer<V>> found;
  const auto lease = take_turn(key, ticket, deadline, found, stale);
  if (found && force == Force::no) return {std::move(*found)};
  Landing landing = ask_source(key, loader, ticket, std::move(stale), deadline);
  if (lease) (void)lease->release(deadline);
  return landing;
}

template <class V>
std::unique_ptr<Lease> Tiered<V>::take_turn(std::string_view key, LoadTicket ticket, Deadline deadline,
                                            std::optional<Answer<V>>& found, std::optional<Held<V>>& stale) {
  if (parts_.leases == nullptr || options_.lease_time <= Micros{0} || !has_far()) return nullptr;
  const std::string name = "load:" + options_.name + ":" + std::string(key);
  auto lease = parts_.leases->take(name, options_.lease_time, Deadline::in(-Micros{1}));
  if (!lease && lease.error().code == Code::conflict) {
    // Another node loads: what it brings is in a level when it lets go.
    lease = parts_.leases->take(name, options_.lease_time, deadline.capped(options_.lease_wait));
    found = from_far(key, ticket, deadline, stale);
  }
  return lease ? std::move(*lease) : nullptr;
}

template <class V>
typename Tiered<V>::Landing Tiered<V>::ask_source(std::string_view key, const Loader<V>& loader, LoadTicket ticket,
                                                  std::optional<Held<V>> stale, Deadline deadline) {
  LoadContext<V> context;
  context.deadline = options_.load_time_max > Micros{0} ? deadline.capped(options_.load_time_max) : deadline;
  if (stale && stale->value) {
    context.held = stale->value;
    context.etag = stale->etag;
    context.version = stale->version;
  }
  const SteadyTime begin = clock_.steady();
  Result<Loaded<V>> loaded = [&]() -> Result<Loaded<V>> {
    try {
      return loader(key, context);
    } catch (...) {
      return fail(Code::internal, "LoaderThrew", "the loader of a cache threw");
    }
  }();
  const auto cost = clock_.steady() - begin;
  origin_metrics_.latency.record(cost);
  if (loaded && loaded->kind == Loaded<V>::Kind::not_modified && !context.held)
    loaded = fail(Code::internal, "NothingToCompare", "the source said \"not modified\" about nothing");
  if (!loaded) {
    origin_metrics_.errors.add();
    return failed(key, ticket, stale, std::move(loaded).error(), deadline);
  }
  origin_metrics_.hits.add();
  return {landed(key, ticket, std::move(*loaded), context, stale, cost, deadline)};
}

template <class V>
typename Tiered<V>::Landing Tiered<V>::failed(std::string_view key, LoadTicket ticket,
                                              const std::optional<Held<V>>& stale, Error error, Deadline deadline) {
  const bool gave_up = (error.code == Code::deadline || error.code == Code::cancelled) && deadline.expired();
  const SteadyTime now = clock_.steady();
  if (stale && options_.fail_safe > Micros{0} && now < stale->keep_until && tiered::is_outage(error.code)) {
    Answer<V> answer = answer_of(*stale, Level::l1, now);
    answer.error = std::make_shared<const Error>(std::move(error));
    if (answer.stale) l1_metrics_.stale.add();
    if (!gave_up) {
      stale->ask_again.set(now + options_.fail_safe_pause);
      keep(key, *stale, ticket);
    }
    return {std::move(answer), gave_up};
  }
  if (!gave_up && options_.failure_ttl > Micros{0}) {
    Held<V> failure = make_held(key, nullptr, options_.failure_ttl, {});
    failure.stamp = ticket.stamp;
    failure.keep_until = failure.expires_at;
    failure.failure = std::make_shared<const Error>(error);
    keep(key, failure, ticket);
  }
  return {std::move(error), gave_up};
}

template <class V>
typename Tiered<V>::Outcome Tiered<V>::landed(std::string_view key, LoadTicket ticket, Loaded<V> loaded,
                                              const LoadContext<V>& context, const std::optional<Held<V>>& stale,
                                              std::chrono::nanoseconds cost, Deadline deadline,
                                              std::vector<Filling>* later) {
  using Kind = typename Loaded<V>::Kind;
  if (loaded.kind == Kind::not_modified) {
    loaded.value = context.held;
    if (loaded.etag.empty()) loaded.etag = context.etag;
    if (loaded.version == 0) loaded.version = context.version;
    if (loaded.tags.empty() && stale) loaded.tags = stale->tags;
  }
  const bool nothing = loaded.kind == Kind::nothing;
  const Micros ttl = jittered(loaded.ttl.value_or(nothing ? options_.negative_ttl : options_.ttl));
  Held<V> fresh = make_held(key, nothing ? nullptr : std::move(loaded.value), ttl, std::move(loaded.tags));
  if (nothing) fresh.keep_until = fresh.expires_at;
  fresh.stamp = ticket.stamp;
  fresh.version = loaded.version;
  fresh.etag = std::move(loaded.etag);
  fresh.cost = cost;
  Answer<V> answer = answer_of(fresh, Level::origin, fresh.loaded_at);
  answer.stale = false;
  if (loaded.keep == Loaded<V>::Keep::yes && ttl > Micros{0} && keep(key, fresh, ticket)) {
    if (later != nullptr)
      later->push_back({key, std::move(fresh), ticket, true});
    else
      fill_far(key, fresh, ticket, {l3_.get(), l2_.get()}, deadline);
  }
  return answer;
}

template <class V>
std::optional<Held<V>> Tiered<V>::held_of(Far::Found& found, std::uint64_t stamp) {
  Held<V> held;
  Envelope& envelope = found.envelope;
  if (!envelope.negative) {
    auto value = parts_.values.decode(envelope.value);
    if (!value) return std::nullopt;
    held.value = std::make_shared<const V>(std::move(*value));
  }
  const SteadyTime now = clock_.steady();
  held.loaded_at = now - found.age;
  held.expires_at = now + found.fresh_left;
  held.keep_until = now + found.keep_left;
  held.fresh_until = held.expires_at;
  held.cost = envelope.cost;
  held.version = envelope.version;
  held.stamp = stamp;
  held.etag = std::move(envelope.etag);
  held.tags = std::move(envelope.tags);
  for (const std::string& tag : held.tags) held.cells.push_back(Stamps::cell_of(tag));
  return held;
}

template <class V>
std::optional<Answer<V>> Tiered<V>::from_far(std::string_view key, LoadTicket ticket, Deadline deadline,
                                             std::optional<Held<V>>& stale) {
  for (Far* far : {l2_.get(), l3_.get()}) {
    if (far == nullptr) continue;
    auto found = far->get(key, deadline);
    if (!found) continue;
    auto held = held_of(*found, ticket.stamp);
    if (!held) {
      (far == l2_.get() ? l2_metrics_ : l3_metrics_).damaged.add();
      continue;
    }
    const SteadyTime now = clock_.steady();
    if (held->expires_at > now) {
      promote(key, *held, *far, ticket, deadline);
      return answer_of(*held, far->level(), now);
    }
    if (held->value && (!stale || held->loaded_at > stale->loaded_at)) stale = std::move(held);
  }
  return std::nullopt;
}

template <class V>
void Tiered<V>::promote(std::string_view key, const Held<V>& held, const Far& from, LoadTicket ticket,
                        Deadline deadline, std::vector<Filling>* later) {
  if (!keep(key, held, ticket)) return;
  if (options_.l1.enabled) l1_metrics_.promotions.add();
  if (&from == l3_.get() && l2_ != nullptr) {
    l2_metrics_.promotions.add();
    if (later != nullptr)
      later->push_back({key, held, ticket, false});
    else
      fill_far(key, held, ticket, {l2_.get()}, deadline);
  }
}

template <class V>
std::vector<typename Tiered<V>::Outcome> Tiered<V>::get_or_load_many(std::span<const std::string> keys,
                                                                     const ManyLoader<V>& loader, Deadline deadline) {
  struct Led {
    std::size_t index;
    Flight flight;
    std::optional<Held<V>> stale;
    std::optional<Outcome> outcome;
    bool abandoned = false;
  };
  std::vector<std::optional<Outcome>> outcomes(keys.size());
  std::vector<Led> led;
  std::vector<std::pair<std::size_t, Flight>> joined;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    Looked seen = look(keys[i]);
    if (seen.state == State::fresh || (seen.state == State::stale && seen.pausing)) {
      outcomes[i] = outcome_of(std::move(seen.answer));
      continue;
    }
    auto [flight, leads] = flights_.join(keys[i], ticket_of(keys[i]), clock_.steady(), options_.coalescing_window);
    if (leads)
      led.push_back({i, std::move(flight), held(keys[i]), std::nullopt});
    else
      joined.emplace_back(i, std::move(flight));
  }

  std::vector<Filling> later;
  const auto missing = [&] {
    std::vector<std::string> left;
    for (const Led& it : led) {
      if (!it.outcome) left.push_back(keys[it.index]);
    }
    return left;
  };
  for (Far* far : {l2_.get(), l3_.get()}) {
    const std::vector<std::string> asked = missing();
    if (far == nullptr || asked.empty()) continue;
    auto found = far->get_many(asked, deadline);
    std::size_t next = 0;
    for (Led& it : led) {
      if (it.outcome) continue;
      auto& here = found[next++];
      if (!here) continue;
      auto held = held_of(*here, it.flight->ticket.stamp);
      const SteadyTime now = clock_.steady();
      if (held && held->expires_at > now) {
        promote(keys[it.index], *held, *far, it.flight->ticket, deadline, &later);
        it.outcome = answer_of(*held, far->level(), now);
      } else if (held && held->value && !it.stale) {
        it.stale = std::move(held);
      }
    }
  }
  if (const std::vector<std::string> asked = missing(); !asked.empty() && loader) {
    const SteadyTime begin = clock_.steady();
    auto loaded = [&]() -> Result<std::vector<Result<Loaded<V>>>> {
      try {
        return loader(asked, deadline);
      } catch (...) {
        return fail(Code::internal, "LoaderThrew", "the loader of a cache threw");
      }
    }();
    if (loaded && loaded->size() != asked.size())
      loaded = fail(Code::internal, "LoaderMiscounts", "the loader did not answer for each key");
    const auto cost = clock_.steady() - begin;
    origin_metrics_.latency.record(cost);
    std::size_t next = 0;
    for (Led& it : led) {
      if (it.outcome) continue;
      Result<Loaded<V>> mine = loaded ? std::move((*loaded)[next++]) : Result<Loaded<V>>(loaded.error());
      if (mine && mine->kind == Loaded<V>::Kind::not_modified)
        mine = fail(Code::internal, "NothingToCompare", "a batch is loaded without what is held");
      (mine ? origin_metrics_.hits : origin_metrics_.errors).add();
      if (mine) {
        it.outcome = landed(keys[it.index], it.flight->ticket, std::move(*mine), {}, it.stale, cost, deadline, &later);
      } else {
        Landing landing = failed(keys[it.index], it.flight->ticket, it.stale, std::move(mine).error(), deadline);
        it.outcome = std::move(landing.outcome);
        it.abandoned = landing.abandoned;
      }
    }
  }
  fill_far_many(later, deadline);
  for (Led& it : led) {
    if (!it.outcome) it.outcome = Outcome(Answer<V>{});
    flights_.end(keys[it.index], it.flight, it.abandoned ? std::nullopt : it.outcome);
    outcomes[it.index] = std::move(it.outcome);
  }
  const Loader<V> one =
      !loader ? Loader<V>() : [&](std::string_view key, const LoadContext<V>& context) -> Result<Loaded<V>> {
    const std::string name(key);
    TRY(auto loaded, loader({&name, 1}, context.deadline));
    if (loaded.size() != 1) return fail(Code::internal, "LoaderMiscounts", "the loader did not answer for each key");
    return std::move(loaded.front());
  };
  for (auto& [i, flight] : joined) {
    std::optional<Outcome> outcome;
    if (flight->wait(deadline, outcome) == Flights<Outcome>::Flight::Waited::landed &&
        !(loader && *outcome && !(*outcome)->known())) {
      if (*outcome) (*outcome)->shared = true;
      outcomes[i] = std::move(outcome);
    } else {
      outcomes[i] = get_or_load(keys[i], one, deadline);
    }
  }
  std::vector<Outcome> all;
  all.reserve(keys.size());
  for (auto& outcome : outcomes) all.push_back(std::move(*outcome));
  return all;
}

}  // namespace chaveiro::cache
