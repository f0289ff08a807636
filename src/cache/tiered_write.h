// cache/tiered_write.h
//
// The writing half of cache/tiered.h: what is kept, what is invalidated, what is saved and told. Include that one.
//
// The order that makes read-your-writes hold: a write tells the slowest level first and memory last, a load keeps in memory first and
// tells slower levels only while its ticket holds; writers of one key take turns over the slower levels. An invalidation ends the tickets
// before and after it erases, so that what was read from a level meanwhile is not kept.
//
// Threads: see cache/tiered.h.
#pragma once

#include "cache/tiered.h"

namespace chaveiro::cache {

template <class V>
Result<std::unique_ptr<Tiered<V>>> Tiered<V>::make(TieredOptions options, TieredParts<V> parts) {
  const auto share = [](double value) { return value >= 0 && value <= 1; };
  if (!share(options.ttl_jitter)) return fail_field("ttl_jitter", "a share between 0 and 1", "CacheOptions");
  if (!share(options.eager_refresh)) return fail_field("eager_refresh", "a share between 0 and 1", "CacheOptions");
  if (!(options.early_refresh >= 0)) return fail_field("early_refresh", "0 or more", "CacheOptions");
  for (const Micros time :
       {options.ttl, options.negative_ttl, options.failure_ttl, options.fail_safe, options.fail_safe_pause,
        options.load_time_max, options.soft_timeout, options.hard_timeout, options.coalescing_window,
        options.lease_time, options.lease_wait, options.l1.ttl_max, options.l2.ttl_max, options.l3.ttl_max}) {
    if (time < Micros{0}) return fail_field("durations", "none is negative", "CacheOptions");
  }
  for (const FarOptions& far : {options.l2, options.l3}) {
    if (far.budget < Micros{0} || far.pause < Micros{0} || far.pause_max < far.pause)
      return fail_field("budget", "budget and pauses are not negative, pause_max is no less than pause",
                        "CacheOptions");
    if (far.owed_max > 10'000'000) return fail_field("owed_max", "at most 10,000,000", "CacheOptions");
  }
  if (!(options.early_refresh <= 100)) return fail_field("early_refresh", "at most 100", "CacheOptions");
  if (options.l1.bytes_max > (std::uint64_t{1} << 40))
    return fail_field("l1.bytes_max", "at most 1 TiB", "CacheOptions");
  if (options.name.empty() || options.name.size() > 64) return fail_field("name", "1 to 64 bytes", "CacheOptions");
  if (options.prefix.size() > 128) return fail_field("prefix", "at most 128 bytes", "CacheOptions");
  if ((options.soft_timeout > Micros{0} || options.hard_timeout > Micros{0} || options.eager_refresh > 0 ||
       options.early_refresh > 0) &&
      parts.pool == nullptr)
    return fail_field("soft_timeout", "time-outs and refreshes ahead need a pool to go on in", "CacheOptions");
  if (!options.l2.enabled) parts.l2 = nullptr;
  if (!options.l3.enabled) parts.l3 = nullptr;
  if constexpr (std::same_as<V, std::string>) {
    if (!parts.values.encode) parts.values.encode = [](const std::string& value) { return value; };
    if (!parts.values.decode)
      parts.values.decode = [](std::string_view bytes) { return std::optional<std::string>(bytes); };
    if (!parts.values.bytes) parts.values.bytes = [](const std::string& value) { return value.size(); };
  }
  if (!parts.packing.pack != !parts.packing.unpack)
    return fail_field("packing", "packing and unpacking come together", "CacheOptions");
  if (parts.packing.pack && options.failure_ttl > Micros{0})
    return fail_field("failure_ttl", "failures are not kept where values are packed", "CacheOptions");
  if ((parts.l2 != nullptr || parts.l3 != nullptr) && (!parts.values.encode || !parts.values.decode))
    return fail_field("values", "slower levels need the values as bytes", "CacheOptions");
  TRY(Codec codec, Codec::make(options.codec));
  return std::unique_ptr<Tiered>(new Tiered(std::move(options), std::move(parts), std::move(codec)));
}

template <class V>
Tiered<V>::Tiered(TieredOptions options, TieredParts<V> parts, Codec codec)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      clock_(parts_.clock),
      l1_metrics_(parts_.metrics, Level::l1, connector(), options_.endpoint),
      l2_metrics_(parts_.metrics, Level::l2, connector(), options_.endpoint),
      l3_metrics_(parts_.metrics, Level::l3, connector(), options_.endpoint),
      origin_metrics_(parts_.metrics, Level::origin, connector(), options_.endpoint),
      near_(options_.l1, clock_, parts_.packing),
      codec_(std::move(codec)),
      jobs_(std::size_t{0}) {
  if (parts_.l2 != nullptr)
    l2_ = std::make_unique<Far>(Level::l2, *parts_.l2, options_.l2, options_.prefix, codec_, FarWriters{fences_, gate_},
                                clock_, parts_.log, l2_metrics_);
  if (parts_.l3 != nullptr)
    l3_ = std::make_unique<Far>(Level::l3, *parts_.l3, options_.l3, options_.prefix, codec_, FarWriters{fences_, gate_},
                                clock_, parts_.log, l3_metrics_);
  Registry& metrics = parts_.metrics;
  watches_.push_back(metrics.watch_gauge("integration_gateway_cache_size_bytes", "Bytes that the level holds.",
                                         l1_metrics_.labels,
                                         [this] { return static_cast<double>(near_.stats().bytes); }));
  watches_.push_back(metrics.watch_counter("integration_gateway_cache_evictions_total", "Values that left for room.",
                                           l1_metrics_.labels,
                                           [this] { return static_cast<double>(near_.stats().evicted); }));
  watches_.push_back(metrics.watch_gauge("integration_gateway_cache_entries", "Values that the level holds.",
                                         l1_metrics_.labels,
                                         [this] { return static_cast<double>(near_.stats().entries); }));
}

template <class V>
Tiered<V>::~Tiered() {
  (void)idle(Deadline::never());
}

template <class V>
bool Tiered<V>::idle(Deadline deadline) {
  return jobs_.lock().wait(deadline, [](std::size_t jobs) { return jobs == 0; });
}

template <class V>
Micros Tiered<V>::jittered(Micros ttl) const {
  if (options_.ttl_jitter <= 0) return ttl;
  const double off = static_cast<double>(ttl.count()) * options_.ttl_jitter * tiered::chance().unit();
  return ttl - Micros{static_cast<std::int64_t>(off)};
}

template <class V>
Held<V> Tiered<V>::make_held(std::string_view key, std::shared_ptr<const V> value, Micros ttl,
                             std::vector<std::string> tags) const {
  constexpr Micros longest = std::chrono::hours{24 * 366 * 10};
  Held<V> held;
  held.value = std::move(value);
  held.loaded_at = clock_.steady();
  held.expires_at = held.loaded_at + std::min(ttl, longest);
  held.fresh_until = held.expires_at;
  held.keep_until = held.expires_at + std::min(options_.fail_safe, longest);
  held.tags = std::move(tags);
  if (options_.group_of) {
    if (const std::string group = options_.group_of(key); !group.empty()) held.tags.push_back(group_tag(group));
  }
  for (const std::string& tag : held.tags) held.cells.push_back(Stamps::cell_of(tag));
  return held;
}

template <class V>
void Tiered<V>::put_near(std::string_view key, Held<V>&& held, SteadyTime now) {
  if (!options_.l1.enabled) return;
  if (options_.l1.ttl_max > Micros{0}) held.fresh_until = std::min(held.fresh_until, now + options_.l1.ttl_max);
  const std::size_t bytes = sizeof(V) + (held.value && parts_.values.bytes ? parts_.values.bytes(*held.value) : 0);
  near_.put(key, std::move(held), bytes, now);
}

template <class V>
bool Tiered<V>::knows_newer(std::string_view key, std::uint64_t version) {
  bool newer = false;
  if (version != 0)
    near_.visit_times(
        key, [&](const Held<V>& known) { newer = known.version > version && stamps_.holds(known.stamp, known.cells); });
  return newer;
}

template <class V>
bool Tiered<V>::keep(std::string_view key, const Held<V>& held, LoadTicket ticket) {
  bool kept = false;
  fences_.fill(key, ticket.generation, held.version, [&] {
    if (!stamps_.holds(held.stamp, held.cells) || knows_newer(key, held.version)) return;
    put_near(key, Held<V>(held), clock_.steady());
    kept = true;
  });
  return kept;
}

template <class V>
Micros Tiered<V>::far_budget() const {
  Micros sum{0};
  if (l2_) sum += std::max(options_.l2.budget, Micros{1'000});
  if (l3_) sum += std::max(options_.l3.budget, Micros{1'000});
  return sum;
}

template <class V>
Envelope Tiered<V>::envelope_of(const Held<V>& held) const {
  Envelope envelope;
  envelope.fresh_for = std::chrono::duration_cast<Micros>(held.expires_at - held.loaded_at);
  envelope.keep_stale =
      std::chrono::duration_cast<Micros>(std::max(held.keep_until, held.expires_at) - held.expires_at);
  envelope.cost = held.cost;
  envelope.version = held.version;
  envelope.etag = held.etag;
  envelope.tags = held.tags;
  envelope.negative = held.value == nullptr;
  if (held.value) envelope.value = parts_.values.encode(*held.value);
  return envelope;
}

template <class V>
void Tiered<V>::fill_far(std::string_view key, const Held<V>& held, LoadTicket ticket,
                         std::initializer_list<Far*> levels, Deadline deadline) {
  if (!has_far()) return;
  const Deadline limit = deadline.capped(far_budget());
  const auto pass = gate_.enter(limit);
  const auto turn = pass ? fences_.enter(key, limit) : std::nullopt;
  if (!turn || fences_.ticket(key) != ticket.generation || !stamps_.holds(held.stamp, held.cells)) return;
  const Envelope envelope = envelope_of(held);
  const Micros fresh = std::chrono::duration_cast<Micros>(held.expires_at - clock_.steady());
  if (fresh <= Micros{0}) return;
  bool superseded = false;
  for (Far* far : levels) {
    if (far != nullptr)
      superseded |= far->fill(key, envelope, fresh, far == l2_.get() ? ticket.l2_era : ticket.l3_era, deadline) ==
                    Far::Put::superseded;
  }
  // The level knows something newer than what we hold in memory.
  if (superseded) fences_.invalidate(key, 0, [&] { near_.erase(key); });
}

// Whoever has the turn of a key now is not waited for, since the others would wait with us: that key follows by itself.
template <class V>
void Tiered<V>::fill_far_many(std::span<const Filling> all, Deadline deadline) {
  if (!has_far() || all.empty()) return;
  std::vector<const Filling*> alone;
  std::vector<Far::Filling> puts[2];  // of L3, of L2
  std::vector<const Filling*> of[2];
  {
    const auto pass = gate_.enter(deadline.capped(far_budget()));
    if (!pass) return;
    std::map<std::size_t, Fences::Turn> turns;  // by place
    const SteadyTime now = clock_.steady();
    for (const Filling& one : all) {
      const std::size_t place = Fences::place_of(one.key);
      if (!turns.contains(place)) {
        auto turn = fences_.enter(one.key, Deadline::in(-Micros{1}));
        if (!turn) {
          alone.push_back(&one);
          continue;
        }
        turns.emplace(place, std::move(*turn));
      }
      const Micros fresh = std::chrono::duration_cast<Micros>(one.held.expires_at - now);
      if (fences_.ticket(one.key) != one.ticket.generation || !stamps_.holds(one.held.stamp, one.held.cells) ||
          fresh <= Micros{0})
        continue;
      for (const bool second : {false, true}) {
        if ((second ? l2_ : l3_) == nullptr || (!second && !one.l3_too)) continue;
        puts[second].push_back({one.key, envelope_of(one.held), fresh, second ? one.ticket.l2_era : one.ticket.l3_era});
        of[second].push_back(&one);
      }
    }
    for (const bool second : {false, true}) {
      if (puts[second].empty()) continue;
      const auto done = (second ? l2_ : l3_)->fill_many(puts[second], deadline);
      for (std::size_t i = 0; i < done.size(); ++i) {
        // The level knows something newer than what we hold in memory.
        const std::string_view key = of[second][i]->key;
        if (done[i] == Far::Put::superseded) fences_.invalidate(key, 0, [&] { near_.erase(key); });
      }
    }
  }
  for (const Filling* one : alone)
    fill_far(one->key, one->held, one->ticket, {one->l3_too ? l3_.get() : nullptr, l2_.get()}, deadline);
}

template <class V>
Reached Tiered<V>::put(std::string_view key, std::shared_ptr<const V> value, const WriteOptions& write,
                       Deadline deadline) {
  const Micros ttl = jittered(write.ttl.value_or(options_.ttl));
  if (ttl <= Micros{0} || value == nullptr) return invalidate(key, write.version, deadline);
  const std::uint64_t stamp = stamps_.now();
  Held<V> held = make_held(key, std::move(value), ttl, write.tags);
  held.stamp = stamp;
  held.version = write.version;
  held.etag = write.etag;
  const auto into_memory = [&] {
    return fences_.write(key, write.version, [&] {
      if (knows_newer(key, write.version)) return false;
      put_near(key, std::move(held), has_far() ? clock_.steady() : held.loaded_at);
      return true;
    });
  };
  if (!has_far()) return into_memory() ? Reached::everywhere : Reached::superseded;

  const Marks marks = this->marks();
  const Deadline limit = deadline.capped(far_budget());
  const auto pass = gate_.enter(limit);
  const auto turn = pass ? fences_.enter(key, limit) : std::nullopt;
  Reached reached = Reached::everywhere;
  const Envelope envelope = envelope_of(held);
  for (Far* far : {l3_.get(), l2_.get()}) {
    if (far == nullptr) continue;
    if (!turn) {
      far->owe(key);
      reached = Reached::owed;
      continue;
    }
    const Far::Put done = far->put(key, envelope, ttl, far == l2_.get() ? marks.l2 : marks.l3, deadline);
    if (done == Far::Put::superseded) {
      fences_.invalidate(key, 0, [&] { near_.erase(key); });
      return Reached::superseded;
    }
    if (done == Far::Put::failed) reached = Reached::owed;
  }
  return into_memory() ? reached : Reached::superseded;
}

template <class V>
Reached Tiered<V>::invalidate(std::string_view key, std::uint64_t version, Deadline deadline) {
  const auto forget = [&] { near_.erase(key); };
  fences_.invalidate(key, version, forget);
  if (!has_far()) return Reached::everywhere;
  const Marks marks = this->marks();
  const Deadline limit = deadline.capped(far_budget());
  const auto turn = fences_.enter(key, limit);
  Reached reached = Reached::everywhere;
  for (Far* far : {l3_.get(), l2_.get()}) {
    if (far == nullptr) continue;
    if (turn) {
      if (!far->erase(key, version, far == l2_.get() ? marks.l2 : marks.l3, deadline)) reached = Reached::owed;
    } else {
      far->owe(key);
      reached = Reached::owed;
    }
  }
  fences_.invalidate(key, version, forget);
  return reached;
}

template <class V>
Reached Tiered<V>::invalidate_tag(std::string_view tag, Deadline deadline) {
  stamps_.invalidate(tag);
  if (!has_far()) return Reached::everywhere;
  Reached reached = Reached::everywhere;
  {
    const auto alone = gate_.close(deadline.capped(far_budget()));
    for (Far* far : {l3_.get(), l2_.get()}) {
      if (far == nullptr) continue;
      if (!far->erase_tag(tag, deadline)) reached = Reached::owed;
      if (!alone) far->owe_tag(tag), reached = Reached::owed;
    }
  }
  stamps_.invalidate(tag);
  return reached;
}

template <class V>
Reached Tiered<V>::clear(Deadline deadline) {
  stamps_.invalidate_all();
  near_.clear();
  Reached reached = Reached::everywhere;
  if (has_far()) {
    {
      const auto alone = gate_.close(deadline.capped(far_budget()));
      for (Far* far : {l3_.get(), l2_.get()}) {
        if (far == nullptr) continue;
        if (!far->clear(deadline)) reached = Reached::owed;
        if (!alone) far->owe_everything(), reached = Reached::owed;
      }
    }
    stamps_.invalidate_all();
    near_.clear();
  }
  return reached;
}

template <class V>
void Tiered<V>::heard(const Invalidation& invalidation) {
  using What = Invalidation::What;
  for (Far* far : {l2_.get(), l3_.get()}) {
    if (far == nullptr || (invalidation.told == Told::levels && is_shared(*far))) continue;
    if (invalidation.what == What::key)
      far->owe(invalidation.name);
    else if (invalidation.what == What::tag)
      far->owe_tag(invalidation.name);
    else
      far->owe_everything();
  }
  if (invalidation.what == What::everything) return forget(Forget::memory);
  if (invalidation.what == What::tag) return stamps_.invalidate(invalidation.name);
  fences_.invalidate(invalidation.name, invalidation.version, [&] {
    bool reached = false;
    if (invalidation.version != 0)
      near_.visit_times(invalidation.name,
                        [&](const Held<V>& known) { reached = known.version >= invalidation.version; });
    if (!reached) near_.erase(invalidation.name);
  });
}

template <class V>
void Tiered<V>::forget(Forget what) {
  for (Far* far : {l2_.get(), l3_.get()}) {
    if (far != nullptr && (what == Forget::levels || !is_shared(*far))) far->owe_everything();
  }
  stamps_.invalidate_all();
  near_.clear();
}

template <class V>
void Tiered<V>::pass_over_shared(bool on) {
  for (Far* far : {l2_.get(), l3_.get()}) {
    if (far != nullptr && is_shared(*far)) far->pass_over(on);
  }
}

template <class V>
bool Tiered<V>::owes() const {
  for (const Far* far : {l2_.get(), l3_.get()}) {
    if (far != nullptr && is_shared(*far) && far->owed() != 0) return true;
  }
  return false;
}

template <class V>
bool Tiered<V>::settle(Deadline deadline) {
  bool all = true;
  for (Far* far : {l2_.get(), l3_.get()}) {
    if (far != nullptr) all &= far->settle(deadline);
  }
  return all;
}

template <class V>
Result<std::size_t> Tiered<V>::save(const std::string& path, std::uint64_t position) const {
  if (!parts_.values.encode) return fail(Code::invalid, "CacheOptions", "a snapshot needs the values as bytes");
  Snapshot snapshot{.saved_at = clock_.now(), .position = position, .records = {}};
  const SteadyTime now = clock_.steady();
  near_.for_each([&](std::string_view key, const Held<V>& held) {
    if (held.failure || now >= held.expires_at || !stamps_.holds(held.stamp, held.cells)) return;
    auto sealed = codec_.seal(key, envelope_of(held));
    if (!sealed) return;
    snapshot.records.push_back({std::string(key), std::move(*sealed),
                                std::chrono::duration_cast<Micros>(held.expires_at - now),
                                std::chrono::duration_cast<Micros>(now - held.loaded_at)});
  });
  TRY_VOID(write_snapshot(path, snapshot));
  return snapshot.records.size();
}

template <class V>
Result<typename Tiered<V>::Restored> Tiered<V>::restore(const std::string& path) {
  if (!parts_.values.decode) return fail(Code::invalid, "CacheOptions", "a snapshot needs the values as bytes");
  TRY(const Snapshot snapshot, read_snapshot(path, options_.l1.bytes_max * 2 + (1U << 20)));
  Restored restored{.position = snapshot.position};
  const Micros stopped = clock_.now() - snapshot.saved_at;
  for (const SnapshotRecord& record : snapshot.records) {
    // A clock that went back cannot tell the age: nothing of it is believed.
    if (stopped < Micros{0} || record.fresh_left <= stopped) {
      ++restored.too_old;
      continue;
    }
    auto opened = codec_.open(record.key, record.sealed);
    const LoadTicket ticket = ticket_of(record.key);
    Far::Found found{std::move(opened.envelope), record.age + stopped, record.fresh_left - stopped, Micros{0}};
    found.keep_left = found.fresh_left + found.envelope.keep_stale;
    const auto held = opened.ok ? held_of(found, ticket.stamp) : std::nullopt;
    if (!held) {
      ++restored.unreadable;
    } else if (!near_.visit_times(record.key, [](const Held<V>&) {}) && keep(record.key, *held, ticket)) {
      ++restored.taken;
    }
  }
  return restored;
}

template <class V>
CacheStats Tiered<V>::stats() const {
  CacheStats all{.name = options_.name, .levels = {}};
  const auto add = [&](Level level, const LevelMetrics& metrics, std::string kind) -> LevelStats& {
    LevelStats it{.level = level, .kind = std::move(kind)};
    it.hits = metrics.hits.value(), it.misses = metrics.misses.value(), it.errors = metrics.errors.value();
    it.skipped = metrics.skipped.value(), it.promotions = metrics.promotions.value(),
    it.damaged = metrics.damaged.value();
    return all.levels.emplace_back(std::move(it));
  };
  if (options_.l1.enabled) {
    LevelStats& memory = add(Level::l1, l1_metrics_, "memory");
    const MemoryStats near = near_.stats();
    memory.entries = near.entries, memory.bytes = near.bytes, memory.evictions = near.evicted;
  }
  for (const Far* far : {l2_.get(), l3_.get()}) {
    if (far == nullptr) continue;
    LevelStats& level = add(far->level(), far == l2_.get() ? l2_metrics_ : l3_metrics_, std::string(far->kind()));
    level.owed = far->owed(), level.skipping = far->is_open();
  }
  add(Level::origin, origin_metrics_, "origin");
  return all;
}

template <class V>
Result<std::optional<Shown>> Tiered<V>::show(std::string_view key, Deadline deadline) {
  if (!parts_.values.encode)
    return fail(Code::invalid, "CacheOptions", "the values of this cache have no form as text");
  TRY(const Answer<V> answer, get_or_load(key, {}, deadline));
  if (!answer.known()) return std::optional<Shown>{};
  Shown shown{.text = answer.value ? parts_.values.encode(*answer.value) : std::string(),
              .found = answer.found(),
              .level = answer.level,
              .age = answer.age,
              .fresh_left = answer.fresh_left,
              .version = answer.version};
  return std::optional<Shown>(std::move(shown));
}

template <class V>
Explanation Tiered<V>::explain(std::string_view key, Deadline deadline) {
  Explanation told;
  const SteadyTime now = clock_.steady();
  const auto note = [&](Level level, std::string state, const Held<V>* held) {
    Explanation::At at{.level = level, .state = std::move(state)};
    if (held != nullptr) {
      at.age = std::chrono::duration_cast<Micros>(now - held->loaded_at);
      at.fresh_left = std::max(Micros{0}, std::chrono::duration_cast<Micros>(held->expires_at - now));
      at.version = held->version;
    }
    if (told.answers == Level::none && (at.state == "fresh" || at.state == "none known" || at.state == "failed load"))
      told.answers = level;
    told.levels.push_back(std::move(at));
  };
  if (options_.l1.enabled) {
    std::optional<Held<V>> held;
    near_.visit(key, [&](const Held<V>& it) { held = it; });
    if (!held || now >= held->keep_until)
      note(Level::l1, "absent", nullptr);
    else if (!stamps_.holds(held->stamp, held->cells))
      note(Level::l1, "invalidated", &*held);
    else if (now >= held->fresh_until)
      note(Level::l1, "stale", &*held);
    else
      note(Level::l1, held->failure ? "failed load" : held->value ? "fresh" : "none known", &*held);
  }
  for (Far* far : {l2_.get(), l3_.get()}) {
    if (far == nullptr) continue;
    auto found = far->get(key, deadline);
    const bool passed_over = far->is_open() || far->owed() != 0;
    auto held = found ? held_of(*found, stamps_.now()) : std::nullopt;
    if (!held)
      note(far->level(), passed_over ? "skipped" : "absent", nullptr);
    else
      note(far->level(), found->fresh_left <= Micros{0} ? "stale" : held->value ? "fresh" : "none known", &*held);
  }
  told.strategy = options_.strategy.empty() ? "cache-aside" : options_.strategy;
  told.why = told.answers != Level::none ? std::string(to_string(told.answers)) +
                                               " answers: it is the first level with something within its time to live"
                                         : "no level has anything within its time to live: the source is asked";
  return told;
}

}  // namespace chaveiro::cache
