#include "cache/far.h"

#include <algorithm>

namespace chaveiro::cache {
namespace {

Error skipped() { return fail(Code::unavailable, "LevelSkipped", "the level is passed over for a while"); }

// A refusal that says nothing about the level's health.
bool is_the_callers(Code code) { return code == Code::invalid || code == Code::cancelled; }

}  // namespace

Far::Far(Level level, Tier& tier, FarOptions options, std::string prefix, Codec codec, FarWriters writers,
         const Clock& clock, Logger log, LevelMetrics& metrics)
    : level_(level),
      tier_(tier),
      options_(options),
      options_prefix_(std::move(prefix)),
      codec_(std::move(codec)),
      fences_(writers.fences),
      gate_(writers.gate),
      clock_(clock),
      log_(std::move(log)),
      metrics_(metrics),
      circuit_({options.failures_max, options.pause, options.pause_max}) {}

template <class Call>
auto Far::ask(Deadline deadline, Call call) -> decltype(call(deadline)) {
  if (deadline.expired()) return fail(Code::deadline, "Deadline", "no time left for the level");
  const SteadyTime begin = clock_.steady();
  if (!circuit_.allows(begin)) {
    metrics_.skipped.add();
    return skipped();
  }
  const Deadline capped = options_.budget > Micros{0} ? deadline.capped(options_.budget) : deadline;
  auto answer = call(capped);
  metrics_.latency.record(clock_.steady() - begin);
  if (answer) {
    circuit_.succeeded();
  } else if (is_the_callers(answer.error().code) ||
             (answer.error().code == Code::deadline && capped == deadline && options_.budget > Micros{0})) {
    circuit_.undecided();
  } else {
    failed(answer.error());
  }
  return answer;
}

void Far::failed(const Error& error) {
  metrics_.errors.add();
  const bool before = circuit_.is_open();
  circuit_.failed(clock_.steady());
  if (!before && circuit_.is_open())
    log_.warn("cache level is passed over for a while",
              {{"level", to_string(level_)}, {"kind", tier_.kind()}, {"error", error}});
}

std::optional<Far::Found> Far::opened(std::string_view key, const TierValue& value) {
  auto opened = codec_.open(key, value.bytes);
  if (!opened.ok) {
    metrics_.damaged.add();
    return std::nullopt;
  }
  Envelope& envelope = opened.envelope;
  const bool distrusted = owed_.with([&](const Owed& owed) {
    return std::ranges::any_of(envelope.tags, [&](const std::string& tag) { return owed.tags.contains(tag); });
  });
  if (distrusted) {
    metrics_.skipped.add();
    return std::nullopt;
  }
  Found found;
  found.fresh_left = value.ttl_left - envelope.keep_stale;
  found.keep_left = value.ttl_left;
  // The level may have kept it for less than its whole time; its own clock says how much was left when it came.
  found.age = std::max(Micros{0}, envelope.fresh_for - found.fresh_left);
  found.envelope = std::move(envelope);
  return found;
}

bool Far::believes(std::string_view full_key) const {
  return !passed_over_.load(std::memory_order_acquire) &&
         owed_.with([&](const Owed& owed) { return owed.believes(full_key); });
}

std::uint64_t Far::payments() const {
  return owed_.with([](const Owed& owed) { return owed.payments; });
}

std::optional<Far::Found> Far::get(std::string_view key, Deadline deadline) {
  const std::string name = full(key);
  settle(deadline);
  const std::uint64_t before = payments();
  std::optional<Found> found;
  if (believes(name)) {
    auto value = ask(deadline, [&](Deadline capped) { return tier_.get(name, capped); });
    if (value && *value) found = opened(name, std::move(**value));
  }
  if (!believes(name) || payments() != before) {
    metrics_.skipped.add();
    found.reset();
  }
  (found && found->fresh_left > Micros{0} ? metrics_.hits : metrics_.misses).add();
  return found;
}

std::vector<std::optional<Far::Found>> Far::get_many(std::span<const std::string> keys, Deadline deadline) {
  std::vector<std::optional<Found>> all(keys.size());
  settle(deadline);
  for (std::size_t from = 0; from < keys.size(); from += tier_batch_max) {
    const auto part = keys.subspan(from, std::min(tier_batch_max, keys.size() - from));
    std::vector<std::string> names;
    names.reserve(part.size());
    for (const std::string& key : part) names.push_back(full(key));
    const std::uint64_t before = payments();
    auto values = ask(deadline, [&](Deadline capped) { return tier_.get_many(names, capped); });
    const bool answered = values && values->size() == names.size();
    for (std::size_t i = 0; answered && i < names.size(); ++i) {
      auto& value = (*values)[i];
      if (value && believes(names[i])) all[from + i] = opened(names[i], std::move(*value));
    }
    for (std::size_t i = from; i < from + names.size(); ++i) {
      if (payments() != before) all[i].reset();
      (all[i] && all[i]->fresh_left > Micros{0} ? metrics_.hits : metrics_.misses).add();
    }
  }
  return all;
}

Far::Mark Far::mark() const {
  return owed_.with([](const Owed& owed) { return owed.last; });
}

Result<TierStored> Far::store(std::string_view name, const Envelope& envelope, Micros fresh, std::uint64_t era,
                              Deadline deadline) {
  if (options_.ttl_max > Micros{0}) fresh = std::min(fresh, options_.ttl_max);
  TRY(const std::string sealed, codec_.seal(name, envelope));
  return ask(deadline, [&](Deadline capped) {
    return tier_.put({.key = name,
                      .bytes = sealed,
                      .ttl = fresh + envelope.keep_stale,
                      .version = envelope.version,
                      .tags = envelope.tags,
                      .era = era},
                     capped);
  });
}

Far::Put Far::put(std::string_view key, const Envelope& envelope, Micros fresh, Mark mark, Deadline deadline) {
  const std::string name = full(key);
  settle(deadline);
  // What a level that must be cleared gets now would go again.
  const bool lost = owed_.with([](const Owed& owed) { return owed.everything != 0; });
  const auto stored = lost ? Result<TierStored>(skipped()) : store(name, envelope, fresh, 0, deadline);
  if (!stored) {
    note(key);
    return Put::failed;
  }
  owed_.with([&](Owed& owed) { owed.pay(owed.keys, name, mark); });
  return *stored == TierStored::superseded ? Put::superseded : Put::stored;
}

Far::Put Far::fill(std::string_view key, const Envelope& envelope, Micros fresh, std::uint64_t era, Deadline deadline) {
  const std::string name = full(key);
  settle(deadline);
  if (!believes(name)) {
    metrics_.skipped.add();
    return Put::failed;
  }
  const auto stored = store(name, envelope, fresh, era, deadline);
  if (!stored) return Put::failed;
  return *stored == TierStored::superseded ? Put::superseded : Put::stored;
}

std::vector<Far::Put> Far::fill_many(std::span<const Filling> all, Deadline deadline) {
  std::vector<Put> done(all.size(), Put::failed);
  settle(deadline);
  for (std::size_t from = 0; from < all.size(); from += tier_batch_max) {
    const auto part = all.subspan(from, std::min(tier_batch_max, all.size() - from));
    std::vector<std::string> names(part.size()), sealed(part.size());
    std::vector<TierPut> puts;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < part.size(); ++i) {
      names[i] = full(part[i].key);
      if (!believes(names[i])) {
        metrics_.skipped.add();
        continue;
      }
      auto bytes = codec_.seal(names[i], part[i].envelope);
      if (!bytes) continue;
      sealed[i] = *std::move(bytes);
      const Micros fresh = options_.ttl_max > Micros{0} ? std::min(part[i].fresh, options_.ttl_max) : part[i].fresh;
      puts.push_back({.key = names[i],
                      .bytes = sealed[i],
                      .ttl = fresh + part[i].envelope.keep_stale,
                      .version = part[i].envelope.version,
                      .tags = part[i].envelope.tags,
                      .era = part[i].era});
      places.push_back(from + i);
    }
    if (puts.empty()) continue;
    const auto stored = ask(deadline, [&](Deadline capped) { return tier_.put_many(puts, capped); });
    if (!stored || stored->size() != puts.size()) continue;
    for (std::size_t i = 0; i < puts.size(); ++i)
      done[places[i]] = (*stored)[i] == TierStored::superseded ? Put::superseded : Put::stored;
  }
  return done;
}

void Far::Owed::add(Debts& to, std::string name, std::size_t most) {
  if (everything != 0) return owe_everything();
  to[std::move(name)] = ++last;
  if (keys.size() + tags.size() > most) owe_everything();
}

void Far::Owed::owe_everything() {
  everything = ++last;
  keys.clear();
  tags.clear();
}

void Far::Owed::cleared(std::uint64_t until) {
  if (everything <= until) everything = 0;
  const auto paid = [&](const auto& debt) { return debt.second <= until; };
  std::erase_if(keys, paid);
  std::erase_if(tags, paid);
  ++payments;
}

// The next of an endless round, so that a key whose writer hangs does not hold up the others.
std::vector<std::string> Far::Owed::next_keys(std::size_t most) {
  std::vector<std::string> names;
  auto at = keys.upper_bound(round);
  for (std::size_t i = 0; i < std::min(most, keys.size()); ++i) {
    if (at == keys.end()) at = keys.begin();
    names.push_back(at->first);
    ++at;
  }
  if (!names.empty()) round = names.back();
  return names;
}

void Far::Owed::pay(Debts& of, std::string_view name, std::uint64_t until) {
  const auto debt = of.find(name);
  if (debt == of.end() || debt->second > until) return;
  of.erase(debt);
  ++payments;
}

void Far::note(std::string_view key) {
  owed_.with([&](Owed& owed) { owed.add(owed.keys, full(key), options_.owed_max); });
}

bool Far::erase(std::string_view key, std::uint64_t version, Mark mark, Deadline deadline) {
  const std::string name = full(key);
  if (!ask(deadline, [&](Deadline capped) { return tier_.erase(name, version, capped); })) {
    note(key);
    return false;
  }
  owed_.with([&](Owed& owed) { owed.pay(owed.keys, name, mark); });
  return true;
}

bool Far::erase_tag(std::string_view tag, Deadline deadline) {
  if (ask(deadline, [&](Deadline capped) { return tier_.erase_tag(tag, capped); })) return true;
  owe_tag(tag);
  return false;
}

void Far::owe_tag(std::string_view tag) {
  owed_.with([&](Owed& owed) { owed.add(owed.tags, std::string(tag), options_.owed_max); });
}

void Far::owe_everything() {
  owed_.with([](Owed& owed) { owed.owe_everything(); });
}

bool Far::clear(Deadline deadline) {
  const std::uint64_t begin = owed_.with([](const Owed& owed) { return owed.last; });
  const bool done = ask(deadline, [&](Deadline capped) { return tier_.clear(capped); }).has_value();
  owed_.with([&](Owed& owed) { done ? owed.cleared(begin) : owed.owe_everything(); });
  return done;
}

bool Far::settle(Deadline deadline) {
  // A step: at most one call to the level, by one caller at a time. Nobody else may be writing what is erased meanwhile: a write that
  // began before the debt could land after it was paid. Whoever writes is not waited for; the next step will do.
  const Deadline at_once = Deadline::in(-Micros{1});
  Payment pay;
  const bool mine = owed_.with([&](Owed& owed) {
    pay.begin = owed.last;
    pay.nothing = !owed.any();
    if (pay.nothing || owed.settling) return false;
    pay.everything = owed.everything != 0;
    if (!pay.everything && !owed.tags.empty()) pay.tag = owed.tags.begin()->first;
    if (!pay.everything && !pay.tag) pay.keys = owed.next_keys(100);
    return owed.settling = true;
  });
  if (!mine) return pay.nothing;

  const bool large = pay.everything || pay.tag;
  const auto alone = large ? gate_.close(at_once) : std::nullopt;
  std::vector<Fences::Turn> turns;
  std::erase_if(pay.keys, [&](const std::string& name) {
    auto turn = fences_.enter(std::string_view(name).substr(options_prefix_.size()), at_once);
    if (turn) turns.push_back(std::move(*turn));
    return !turn;
  });
  const auto done =
      !alone && turns.empty() ? Result<void>(skipped()) : ask(deadline, [&](Deadline capped) -> Result<void> {
        if (pay.everything) return tier_.clear(capped);
        if (pay.tag) return tier_.erase_tag(*pay.tag, capped);
        return tier_.erase_many(pay.keys, capped);
      });
  return owed_.with([&](Owed& owed) {
    owed.settling = false;
    if (!done) return false;
    if (pay.everything) owed.cleared(pay.begin);
    if (pay.tag) owed.pay(owed.tags, *pay.tag, pay.begin);
    for (const std::string& key : pay.keys) owed.pay(owed.keys, key, pay.begin);
    return !owed.any();
  });
}

std::size_t Far::owed() const {
  return owed_.with(
      [](const Owed& owed) { return owed.everything != 0 ? SIZE_MAX : owed.keys.size() + owed.tags.size(); });
}

}  // namespace chaveiro::cache
